package ingest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/uplink/wire"
)

// attempts is how many connections strangers make. The long form of this test,
// make strangers, makes ten thousand.
func attempts(t *testing.T) int {
	text := os.Getenv("NRD_STRANGERS")
	if text == "" {
		return 3 * maxNameless
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

func TestStrangersTakeEachOthersPlacesAndNotTheDevices(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	c.approve(t, "unit-2")
	before := c.connect(t, "unit-1")
	empty := inUse()
	n := attempts(t)
	began := time.Now()
	var strangers []net.Conn
	defer func() {
		for _, s := range strangers {
			s.Close() //nolint:errcheck // ended by the other side already, or not
		}
	}()
	for i := range n {
		s, err := (&net.Dialer{Timeout: deadline}).DialContext(context.Background(), "tcp", c.Addr().String())
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if i%3 == 0 { // the beginning of a handshake that never ends
			if _, err := s.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Logf("connection %d: %v", i, err)
			}
		}
		// So that this process needs no more files than central: the oldest were
		// ended by it.
		if strangers = append(strangers, s); len(strangers) > 2*maxNameless {
			strangers[0].Close() //nolint:errcheck // as above
			strangers = strangers[1:]
		}
	}
	eventually(t, "the strangers beyond the limit were refused", func() bool { return c.Counts().Refused >= uint64(n-maxNameless-2) })
	grown := float64(inUse()-min(empty, inUse())) / 1e6
	t.Logf("%d connections in %s; %.1f MB more in use", n, time.Since(began).Round(time.Millisecond), grown)
	if grown > 64 {
		t.Errorf("%.0f MB more are in use", grown)
	}

	after := c.connect(t, "unit-2")
	for sequence, u := range map[uint64]*unit{1: before, 2: after} {
		p := payloadsOf(t, u.name, sequence, storetest.Noon)
		u.send(t, wire.TopicRecord(u.name), p.text)
		u.receipt(t, p.text, wire.Receipt_STORED)
	}
}

func TestAHandshakeThatNeverEndsIsEnded(t *testing.T) {
	c := start(t).run(t)
	s, err := net.Dial("tcp", c.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close() //nolint:errcheck // a test of what the other side does
	if _, err := s.Write([]byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}); err != nil {
		t.Fatal(err)
	}
	must(t, func() error { return s.SetReadDeadline(time.Now().Add(handshakeTime + deadline)) })
	if _, err := s.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection ended with %v", err)
	}
}

// guarded is a central whose door asks a fleet.
func guarded(t *testing.T) (*central, *fleet.Fleet) {
	t.Helper()
	c := start(t)
	must(t, func() error { return c.site.IssueIssuer(c.dir) })
	issuer, err := identity.OpenIssuer(c.file("ca.pem"), c.file("issuer.pem"), c.file("issuer.key"), clock.System())
	if err != nil {
		t.Fatal(err)
	}
	door := &access.Service{Store: c.store, Clock: c.clock, Log: c.Log, Idle: time.Hour, Absolute: time.Hour}
	must(t, door.Initialize)
	must(t, func() error {
		return c.store.PutAccount(context.Background(), store.Account{Name: "jane.doe", FullName: "Jane Doe", Role: "anpr-manager"})
	})
	f := &fleet.Fleet{Store: c.store, Access: door, Issuer: issuer, ReviewDays: 365, Clock: c.clock, Log: c.Log}
	c.Admit = f.Admit
	return c.run(t), f
}

// try says how a connection with a certificate ends: nil where it is let in.
func (c *central) try(t *testing.T, device string, pair tls.Certificate) error {
	t.Helper()
	o := c.options(t, device)
	config := o.TLSConfig.Clone()
	config.Certificates = []tls.Certificate{pair}
	client := paho.NewClient(o.SetTLSConfig(config))
	token := client.Connect()
	if !token.WaitTimeout(deadline) {
		t.Fatal("central does not answer")
	}
	client.Disconnect(0)
	return token.Error()
}

func TestTheDoorKnowsWhichCertificateCounts(t *testing.T) {
	c, f := guarded(t)
	jane := access.By{Account: "jane.doe"}
	issue := func() (tls.Certificate, string) {
		t.Helper()
		pkcs8, request, err := identity.NewRequest("unit-1")
		if err != nil {
			t.Fatal(err)
		}
		issued, err := f.Issuer.Issue(request, "unit-1", "E1")
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(issued.Chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
		if err != nil {
			t.Fatal(err)
		}
		return pair, issued.Fingerprint
	}
	first, firstPrint := issue()
	next, nextPrint := issue()
	c.approve(t, "unit-1")
	must(t, func() error {
		return c.store.ChangeDevice(t.Context(), "unit-1", func(d *store.Device) error {
			d.Enrolment, d.Certificate, d.Renewed = "E1", store.Certificate{Fingerprint: firstPrint}, store.Certificate{Fingerprint: nextPrint}
			return nil
		})
	})
	if err := c.try(t, "unit-1", first); err != nil {
		t.Errorf("the present one, through its issuer: %v", err)
	}
	if err := c.try(t, "unit-1", next); err != nil {
		t.Errorf("the renewed one: %v", err)
	}
	if err := c.try(t, "unit-1", first); err == nil {
		t.Error("the one before the renewal was let in")
	}
	if d, err := c.store.Device(t.Context(), "unit-1"); err != nil || d.Copied.IsZero() {
		t.Errorf("a copy came, and nothing is noted: %+v, %v", d, err)
	}
	must(t, func() error { return f.Revoke(t.Context(), jane, "unit-1", "lost") })
	if err := c.try(t, "unit-1", next); err == nil {
		t.Error("a revoked one was let in")
	}
	must(t, func() error { return f.Wipe(t.Context(), jane, "unit-1", "stolen") })
	if err := c.try(t, "unit-1", next); err != nil {
		t.Errorf("one that is to be wiped cannot come for its order: %v", err)
	}
	if err := c.try(t, "unit-1", first); err == nil {
		t.Error("an old one was let in for the order")
	}
}

func TestAnExpiredCertificateIsRefused(t *testing.T) {
	c := start(t)
	c.TLS.Time = func() time.Time { return time.Now().AddDate(1, 0, 1) }
	c.run(t)
	o := c.options(t, "unit-1")
	pair, err := tls.LoadX509KeyPair(c.file("unit-1.pem"), c.file("unit-1.key"))
	if err != nil {
		t.Fatal(err)
	}
	config := o.TLSConfig.Clone()
	config.Certificates, config.RootCAs, config.InsecureSkipVerify = []tls.Certificate{pair}, x509.NewCertPool(), true //nolint:gosec // central's check is what is tested
	token := paho.NewClient(o.SetTLSConfig(config)).Connect()
	if !token.WaitTimeout(deadline) || token.Error() == nil {
		t.Error("an expired certificate was let in")
	}
	eventually(t, "the log says why", func() bool { return strings.Contains(c.log.String(), identity.ErrExpired.Error()) })
}

func TestTwoUnitsThatFightForOneIdentityAreNoticed(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	for range rivalEnds + 1 {
		c.connect(t, "unit-1")
	}
	eventually(t, "the device is marked", func() bool {
		c.clock.Advance(time.Second)
		d, err := c.store.Device(context.Background(), "unit-1")
		return err == nil && !d.Copied.IsZero()
	})
}
