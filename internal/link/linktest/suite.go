package linktest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"nrd/collector/store/storetest"
	"nrd/internal/link"
	"nrd/uplink/wire"
)

// patience is how long something that must come may take.
const patience = 20 * time.Second

// Connect makes a link, as link.Connect does.
type Connect func(context.Context, link.Config) (link.Link, error)

// Run holds links to central by a way to their contract.
func Run(t *testing.T, w *Way, connect Connect) {
	s := &suite{w, connect}
	t.Run("payloads arrive in order, are acknowledged once and answered", s.order)
	t.Run("the largest payload passes", s.largest)
	t.Run("who is cut off learns it, and nothing is acknowledged that was not", s.cut)
	t.Run("a closed link acknowledges nothing", s.closed)
	t.Run("a second connection ends the first", s.second)
	t.Run("nobody publishes for another device", s.foreignTopic)
	t.Run("nobody listens to another device", s.foreignReceipt)
	t.Run("a certificate of another site, or one that has ended, opens nothing", s.badCertificate)
	t.Run("a rate holds", s.rate)
}

type suite struct {
	*Way
	connect Connect
}

// end is a link under test with what it has received.
type end struct {
	link.Link
	mu       sync.Mutex
	receipts map[[32]byte]wire.Receipt_Outcome
}

func (s *suite) config(device, address string) link.Config {
	return link.Config{
		Broker: "tls://" + address, TLS: s.Site.Client(device), Client: device,
		Topics:   []string{wire.TopicReceipt(device), wire.TopicCommand(device)},
		Received: func(string, []byte) {},
	}
}

func (s *suite) open(t *testing.T, c link.Config) *end {
	t.Helper()
	e := &end{receipts: map[[32]byte]wire.Receipt_Outcome{}}
	c.Received = func(topic string, payload []byte) {
		var m wire.Receipt
		if topic != wire.TopicReceipt(c.Client) {
			return
		}
		if err := errors.Join(wire.Unmarshal(payload, &m), wire.CheckReceipt(&m)); err != nil {
			t.Error(err)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, item := range m.GetItems() {
			e.receipts[[32]byte(item.GetDigest())] = item.GetOutcome()
		}
	}
	l, err := s.connect(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	e.Link = l
	t.Cleanup(l.Close)
	return e
}

// answered reports whether payloads have the receipt "stored".
func (e *end) answered(payloads ...[]byte) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range payloads {
		if e.receipts[wire.Digest(p)] != wire.Receipt_STORED {
			return false
		}
	}
	return true
}

var sequence uint64

// record is a payload that no test has sent before.
func record(t *testing.T, device string) []byte {
	t.Helper()
	sequence++
	r := storetest.Record(device, sequence, "AB12CDE", time.Now())
	payload, err := wire.Marshal(wire.FromRecord(&r))
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func (s *suite) isStored(payload []byte) bool {
	for _, item := range s.Store.Stored() {
		if item.Digest == wire.Digest(payload) {
			return true
		}
	}
	return false
}

// acks counts what was said of payloads.
type acks struct {
	mu   sync.Mutex
	said map[int][]error
}

func (a *acks) of(i int) func(error) {
	return func(err error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.said == nil {
			a.said = map[int][]error{}
		}
		a.said[i] = append(a.said[i], err)
	}
}

func (a *acks) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.said)
}

func (s *suite) order(t *testing.T) {
	e := s.open(t, s.config(Device, s.Address))
	var a acks
	var sent [][]byte
	before := len(s.Store.Stored())
	for i := range 300 {
		p := record(t, Device)
		sent = append(sent, p)
		e.Publish(wire.TopicRecord(Device), false, p, a.of(i))
	}
	Eventually(t, "all are acknowledged and answered", func() bool { return a.count() == len(sent) && e.answered(sent...) })
	for i, said := range a.said {
		if len(said) != 1 || said[0] != nil {
			t.Errorf("payload %d was acknowledged with %v", i, said)
		}
	}
	for i, item := range s.Store.Stored()[before:] {
		if !bytes.Equal(item.Payload, sent[i]) {
			t.Fatalf("what central stored %d. was not sent %d.", i+1, i+1)
		}
	}
}

// largest sends a record of the greatest length, most of it a field that central
// does not know.
func (s *suite) largest(t *testing.T) {
	e := s.open(t, s.config(Device, s.Address))
	p := protowire.AppendTag(record(t, Device), 9999, protowire.BytesType)
	p = protowire.AppendBytes(p, make([]byte, wire.MaxRecordBytes-len(p)-3))
	if len(p) != wire.MaxRecordBytes {
		t.Fatalf("the payload has %d bytes", len(p))
	}
	e.Publish(wire.TopicRecord(Device), false, p, func(error) {})
	Eventually(t, "it is stored", func() bool { return e.answered(p) })
}

func (s *suite) cut(t *testing.T) {
	proxy := NewProxy(t, s.Address)
	e := s.open(t, s.config(Device, proxy.Address))
	p := record(t, Device)
	e.Publish(wire.TopicRecord(Device), false, p, func(error) {})
	Eventually(t, "it is stored", func() bool { return e.answered(p) })
	proxy.Cut()
	select {
	case err := <-e.Lost():
		if err == nil {
			t.Error("the connection broke without a reason")
		}
	case <-time.After(patience):
		t.Fatal("nobody learns that the connection broke")
	}
	said := make(chan error, 1)
	e.Publish(wire.TopicRecord(Device), false, record(t, Device), func(err error) { said <- err })
	e.Close()
	select {
	case err := <-said:
		if err == nil {
			t.Error("a payload was acknowledged after the connection broke")
		}
	default:
		t.Error("closing leaves a payload without a word")
	}
}

func (s *suite) closed(t *testing.T) {
	e := s.open(t, s.config(Device, s.Address))
	var a acks
	for i := range 50 {
		e.Publish(wire.TopicRecord(Device), false, record(t, Device), a.of(i))
	}
	e.Close()
	e.Close()
	if n := a.count(); n != 50 {
		t.Errorf("%d of 50 payloads have got a word after closing", n)
	}
	said := make(chan error, 1)
	e.Publish(wire.TopicRecord(Device), false, record(t, Device), func(err error) { said <- err })
	if err := <-said; !errors.Is(err, link.ErrClosed) {
		t.Errorf("publishing on a closed link: %v", err)
	}
}

func (s *suite) second(t *testing.T) {
	first := s.open(t, s.config(Device, s.Address))
	second := s.open(t, s.config(Device, s.Address))
	select {
	case <-first.Lost(): //nolint:errcheck // whatever the reason is
	case <-time.After(patience):
		t.Fatal("both connections live")
	}
	p := record(t, Device)
	second.Publish(wire.TopicRecord(Device), false, p, func(error) {})
	Eventually(t, "the second one works", func() bool { return second.answered(p) })
}

// foreignTopic publishes where another device does. Brokers end the connection
// or forget the payload; what matters is what central makes of it.
func (s *suite) foreignTopic(t *testing.T) {
	forged := record(t, Other)
	for _, topic := range []string{wire.TopicRecord(Other), wire.TopicReceipt(Other), wire.TopicReceipt(Device), wire.TopicCommand(Other)} {
		e := s.open(t, s.config(Device, s.Address))
		e.Publish(topic, false, forged, func(error) {})
		e.Close()
	}
	// What a way passes on at all, it passes on in order.
	honest := s.open(t, s.config(Other, s.Address))
	p := record(t, Other)
	honest.Publish(wire.TopicRecord(Other), false, p, func(error) {})
	Eventually(t, "a payload after it is stored", func() bool { return honest.answered(p) })
	if s.isStored(forged) {
		t.Error("central has stored what one device published for another")
	}
}

func (s *suite) foreignReceipt(t *testing.T) {
	for _, topic := range []string{wire.TopicReceipt(Other), wire.TopicReceipt("+"), "nrd/#", wire.TopicRecord("+")} {
		heard := make(chan string, 10)
		c := s.config(Device, s.Address)
		c.Topics = []string{topic}
		c.Received = func(topic string, _ []byte) {
			select {
			case heard <- topic:
			default:
			}
		}
		l, err := s.connect(context.Background(), c)
		if err == nil {
			defer l.Close()
		}
		other := s.open(t, s.config(Other, s.Address))
		p := record(t, Other)
		other.Publish(wire.TopicRecord(Other), false, p, func(error) {})
		Eventually(t, "the other device has its receipt", func() bool { return other.answered(p) })
		select {
		case got := <-heard:
			t.Errorf("who listens to %s hears %s", topic, got)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (s *suite) badCertificate(t *testing.T) {
	elsewhere := NewSite(t, Device)
	theirs := elsewhere.Client(Device)
	theirs.RootCAs = s.Site.Client(Device).RootCAs
	for name, config := range map[string]*tls.Config{
		"another site's device": theirs,
		"no certificate":        {RootCAs: theirs.RootCAs, MinVersion: tls.VersionTLS13},
		"another site's broker": elsewhere.Client(Device),
		"one that has ended":    s.Site.Expired(Device),
	} {
		c := s.config(Device, s.Address)
		c.TLS = config
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		if l, err := s.connect(ctx, c); err == nil {
			l.Close()
			t.Errorf("%s: connected", name)
		}
		cancel()
	}
}

func (s *suite) rate(t *testing.T) {
	const bytes, perSecond = 30_000, 20_000
	c := s.config(Device, s.Address)
	var asked net.Addr
	c.Rate = func(local net.Addr) int { asked = local; return perSecond }
	e := s.open(t, c)
	p := protowire.AppendBytes(protowire.AppendTag(record(t, Device), 9999, protowire.BytesType), make([]byte, bytes))
	began := time.Now()
	e.Publish(wire.TopicRecord(Device), false, p, func(error) {})
	Eventually(t, "it is stored", func() bool { return e.answered(p) })
	// What fits into a quarter of a second goes at once.
	if took := time.Since(began); took < time.Second {
		t.Errorf("%d bytes at %d a second took %s", bytes, perSecond, took)
	}
	if asked == nil || fmt.Sprint(asked) == "" {
		t.Error("the rate was asked for no address")
	}
}
