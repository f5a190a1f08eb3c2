package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/uplink/wire"
)

func TestOnlyDevicesOfTheSiteComeIn(t *testing.T) {
	c := start(t).run(t)
	bare := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // a test of the other side
	if err := c.dial(bare); err == nil {
		t.Error("a connection without a certificate was accepted")
	}
	other := t.TempDir()
	site, err := identity.NewSite(other, clock.System())
	if err != nil {
		t.Fatal(err)
	}
	must(t, func() error { return site.IssueDevice(other, "unit-1") })
	foreign, err := tls.LoadX509KeyPair(other+"/unit-1.pem", other+"/unit-1.key")
	if err != nil {
		t.Fatal(err)
	}
	bare.Certificates = []tls.Certificate{foreign}
	if err := c.dial(bare); err == nil {
		t.Error("a certificate of another site was accepted")
	}
	eventually(t, "both were counted", func() bool { return c.Counts().Refused == 2 })
	eventually(t, "the log says why", func() bool { return strings.Contains(c.log.String(), identity.ErrOtherSite.Error()) })
}

func TestPlainTextAndSilenceAreNotListenedTo(t *testing.T) {
	c := start(t).run(t)
	tcp, err := net.Dial("tcp", c.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close() //nolint:errcheck // a test of what the other side does
	if _, err := tcp.Write([]byte("\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")); err != nil {
		t.Fatal(err)
	}
	must(t, func() error { return tcp.SetDeadline(time.Now().Add(deadline)) })
	if _, err := io.Copy(io.Discard, tcp); errors.Is(err, context.DeadlineExceeded) {
		t.Error("a plain text connection stays open")
	}
	eventually(t, "it was counted", func() bool { return c.Counts().Refused == 1 })
}

func TestADeviceHasItsOwnTopicsOnly(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	c.approve(t, "unit-2")
	p := payloadsOf(t, "unit-2", 1, storetest.Noon)
	for _, topic := range []string{wire.TopicRecord("unit-2"), wire.TopicReceipt("unit-1"), wire.TopicCommand("unit-2"), "nrd/1/notice/lists", "else"} {
		u := c.connect(t, "unit-1")
		u.Publish(topic, 1, false, p.text)
		select {
		case <-u.lost: // MQTT 3.1.1 has no other way to say no
		case <-time.After(deadline):
			t.Errorf("publishing to %s leaves the connection open", topic)
		}
	}
	u := c.connect(t, "unit-1")
	for _, filter := range []string{"#", "+/1/device/#", "nrd/1/device/+/receipt", wire.TopicReceipt("unit-2"), wire.TopicRecord("unit-1"), "$SYS/#", "$share/a/" + wire.TopicReceipt("unit-1")} {
		token := u.Subscribe(filter, 1, nil)
		if !token.WaitTimeout(deadline) {
			t.Fatal("the broker does not answer")
		}
		subscription, ok := token.(*paho.SubscribeToken)
		if !ok {
			t.Fatalf("a subscription's token is a %T", token)
		}
		if code, answered := subscription.Result()[filter]; answered && code < 0x80 && u.IsConnectionOpen() {
			t.Errorf("subscribing to %s was granted", filter)
		}
	}
	if got := c.totals(t); got.Records != 0 {
		t.Errorf("the store holds %+v", got)
	}
	if n := c.Counts().Forbidden; n < 12 {
		t.Errorf("%d were counted", n)
	}
}

func TestAWillIsTheDevicesOwnStatusOrNone(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-2")
	victim := c.connect(t, "unit-2")
	command := marshal(t, &wire.Command{What: &wire.Command_Paused{Paused: &wire.Paused{Reason: "forged"}}})
	client := paho.NewClient(c.options(t, "unit-1").SetBinaryWill(wire.TopicCommand("unit-2"), command, 1, true))
	token := client.Connect()
	if !token.WaitTimeout(deadline) || token.Error() == nil {
		t.Error("a connection whose will goes to another device was accepted")
	}
	client.Disconnect(0)
	select {
	case got := <-victim.commands:
		t.Errorf("the forged command arrived: %v", got)
	default:
	}
	own := paho.NewClient(c.options(t, "unit-1").SetBinaryWill(wire.TopicStatus("unit-1"), marshal(t, wire.LastWill("unit-1")), 1, true))
	wait(t, own.Connect())
	own.Disconnect(0)
}

func TestAnUnapprovedDeviceIsPausedUntilItIsApproved(t *testing.T) {
	c := start(t).run(t)
	u := c.connect(t, "unit-1")
	if reason := u.command(t).GetPaused().GetReason(); !strings.Contains(reason, "not approved") {
		t.Errorf("paused because %q", reason)
	}
	p := payloadsOf(t, "unit-1", 1, storetest.Noon)
	u.send(t, wire.TopicRecord("unit-1"), p.text)
	u.receipt(t, p.text, wire.Receipt_RETRY)
	eventually(t, "the store knows the device, unapproved", func() bool {
		d, err := c.store.Device(context.Background(), "unit-1")
		return err == nil && d.Approved.IsZero() && !d.LastSeen.IsZero()
	})
	if got := c.totals(t); got != (store.Totals{}) {
		t.Errorf("the store holds %+v", got)
	}
	c.approve(t, "unit-1")
	if u.command(t).GetResumed() == nil {
		t.Error("the command after the approval is not Resumed")
	}
	u.send(t, wire.TopicRecord("unit-1"), p.text)
	u.receipt(t, p.text, wire.Receipt_STORED)
}

func TestARevokedDeviceIsCutOffAndToldWhy(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	p := payloadsOf(t, "unit-1", 1, storetest.Noon)
	u.send(t, wire.TopicRecord("unit-1"), p.text)
	u.receipt(t, p.text, wire.Receipt_STORED)
	c.revoke(t, "unit-1")
	select {
	case <-u.lost:
	case <-time.After(deadline):
		t.Fatal("a revoked device stays connected")
	}
	u = c.connect(t, "unit-1")
	if reason := u.command(t).GetPaused().GetReason(); !strings.Contains(reason, "revoked") {
		t.Errorf("paused because %q", reason)
	}
	next := payloadsOf(t, "unit-1", 2, storetest.Noon)
	u.send(t, wire.TopicRecord("unit-1"), next.text)
	u.receipt(t, next.text, wire.Receipt_RETRY)
	if got := c.totals(t); got.Records != 1 {
		t.Errorf("the store holds %+v", got)
	}
}

func TestASecondConnectionWithTheSameCertificateEndsTheFirst(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	first := c.connect(t, "unit-1")
	second := c.connect(t, "unit-1")
	select {
	case <-first.lost:
	case <-time.After(deadline):
		t.Fatal("both connections stay")
	}
	eventually(t, "the takeover is counted", func() bool { return c.Counts().Takeovers == 1 })
	if !strings.Contains(c.log.String(), "two units use one certificate") {
		t.Error("the log does not warn")
	}
	p := payloadsOf(t, "unit-1", 1, storetest.Noon)
	second.send(t, wire.TopicRecord("unit-1"), p.text)
	second.receipt(t, p.text, wire.Receipt_STORED)
	first.silent(t)
}

func TestAnOversizedPacketEndsTheConnectionOnly(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	c.approve(t, "unit-2")
	other := c.connect(t, "unit-2")
	u := c.connect(t, "unit-1")
	u.Publish(wire.TopicImage("unit-1"), 1, false, make([]byte, 20<<20))
	select {
	case <-u.lost:
	case <-time.After(deadline):
		t.Error("a packet of 20 MB leaves the connection open")
	}
	p := payloadsOf(t, "unit-2", 1, storetest.Noon)
	other.send(t, wire.TopicRecord("unit-2"), p.text)
	other.receipt(t, p.text, wire.Receipt_STORED)
}

func TestAStatusIsKeptAndAWillIsNot(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	status := &nrd.Status{Device: "unit-1", At: storetest.Noon, Software: "1.0", Waiting: 7, Problems: []string{"no GPS"}}
	wait(t, u.Publish(wire.TopicStatus("unit-1"), 1, true, marshal(t, wire.FromStatus(status))))
	u.send(t, wire.TopicStatus("unit-1"), []byte("nonsense"))
	u.send(t, wire.TopicStatus("unit-1"), marshal(t, wire.FromStatus(&nrd.Status{Device: "unit-2"})))
	u.send(t, wire.TopicStatus("unit-1"), marshal(t, wire.LastWill("unit-1")))
	c.clock.Advance(time.Minute)
	eventually(t, "the status is stored", func() bool {
		d, err := c.store.Device(context.Background(), "unit-1")
		return err == nil && d.Status != nil && d.Status.Waiting == 7 && d.Status.Problems[0] == "no GPS" && !d.Approved.IsZero()
	})
	if n := c.Counts().Malformed; n != 2 {
		t.Errorf("%d malformed ones were counted, want 2", n)
	}
}

func TestNoMarkIsLogged(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	p := payloadsOf(t, "unit-1", 1, storetest.Noon)
	p.send(t, u)
	u.receipt(t, p.text, wire.Receipt_STORED)
	u.Publish(wire.TopicRecord("unit-2"), 1, false, p.text) // the broker would log the packet
	<-u.lost
	c.stop()
	log := c.log.String()
	if !strings.Contains(log, "not its own") || !strings.Contains(log, "broker: error processing packet") {
		t.Errorf("the log does not hold what the test is about: %s", log)
	}
	inBytes := strings.Trim(fmt.Sprint([]byte("AB12CDE")), "[]") // as a packet's payload is printed
	if strings.Contains(log, "AB12CDE") || strings.Contains(log, inBytes) {
		t.Errorf("the log holds the mark: %s", log)
	}
}

func TestIngestWithoutClientCertificatesDoesNotStart(t *testing.T) {
	c := start(t)
	c.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	if err := c.Run(context.Background()); err == nil {
		t.Error("it runs")
	}
	must(t, c.store.Close)
}
