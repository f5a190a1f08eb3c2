package uplink

import (
	"fmt"
	"testing"
	"time"

	"nrd"
	"nrd/uplink/wire"
)

// patient is a link that takes everything; what was published is acknowledged
// when the test says so.
type patient struct{ acked []func(error) }

func (l *patient) Publish(_ string, _ bool, _ []byte, acked func(error)) {
	l.acked = append(l.acked, acked)
}
func (*patient) Lost() <-chan error { return nil }
func (*patient) Close()             {}

// hostile is a session whose central sends whatever the bytes say, and what must
// be left of the buffer then.
type hostile struct {
	*session
	t     *testing.T
	link  *patient
	clock *clock
	items []item
	// left says of each item whether it waits, is gone or was set aside.
	left []string
	data []byte
}

func (h *hostile) byte() (b byte) {
	if len(h.data) > 0 {
		b, h.data = h.data[0], h.data[1:]
	}
	return b
}

func (h *hostile) some() []byte {
	n := min(int(h.byte()), len(h.data))
	some := h.data[:n]
	h.data = h.data[n:]
	return some
}

// comes gives the session a message as run does.
func (h *hostile) comes(topic string, payload []byte) {
	var r receipts
	h.handle(message{topic, payload}, &r)
	h.settle(&r)
}

// answer sends a receipt that is right but for what bits say.
func (h *hostile) answer() {
	n, outcome, wrong := int(h.byte())%len(h.items), wire.Receipt_Outcome(h.byte()%7), h.byte()
	i := h.items[n]
	key, digest, kind := h.Buffer.keyOf(i.id), wire.Digest(i.payload), kinds[i.id.part]
	for bit, spoil := range []func(){
		func() { digest[0] ^= 1 }, func() { key.Epoch++ }, func() { key.Sequence += 1000 }, func() { key.Device = "car-8" }, func() { kind = "picture" },
	} {
		if wrong&(1<<bit) != 0 {
			spoil()
		}
	}
	if wrong&31 == 0 && h.left[n] == "waits" {
		switch outcome {
		case wire.Receipt_STORED, wire.Receipt_QUARANTINED:
			h.left[n] = "gone"
		case wire.Receipt_REFUSED:
			h.left[n] = "set aside"
		}
	}
	receipt := &wire.Receipt{Items: []*wire.Receipt_Item{wire.FromReceipt(key, kind, digest, outcome, string(h.some()))}}
	if payload, err := wire.Marshal(receipt); err == nil {
		h.comes(wire.TopicReceipt("car-7"), payload)
	} else if wrong&31 == 0 {
		h.t.Skip("a receipt that cannot be sent")
	}
}

func (h *hostile) command() {
	c := &wire.Command{AtNs: int64(h.byte())}
	switch h.byte() % 4 {
	case 0:
		c.What = &wire.Command_Paused{Paused: &wire.Paused{Reason: string(h.some())}}
	case 1:
		c.What = &wire.Command_Resumed{}
	case 2:
		c.What = &wire.Command_Signed{Signed: &wire.Signed{Order: h.some(), Signature: h.some()}}
	}
	if payload, err := wire.Marshal(c); err == nil {
		h.comes(wire.TopicCommand("car-7"), payload)
	}
}

func (h *hostile) step() {
	switch h.byte() % 8 {
	case 0:
		h.comes(wire.TopicReceipt("car-7"), h.some())
	case 1:
		h.comes(wire.TopicCommand("car-7"), h.some())
	case 2:
		h.comes(string(h.some()), h.some())
	case 3:
		h.command()
	case 4:
		if err := h.fill(); err != nil {
			h.t.Error(err)
		}
	case 5:
		var err error
		if h.byte()%2 == 0 {
			err = fmt.Errorf("the connection is over")
		}
		for _, acked := range h.link.acked {
			acked(err)
			h.readAcks()
		}
		h.link.acked = nil
		h.clock.advance(time.Duration(h.byte()) * time.Second)
		h.look()
	default:
		h.answer()
	}
}

func FuzzAHostileCentralLosesNothing(f *testing.F) {
	f.Add([]byte{4, 6, 0, 1, 0, 0, 6, 1, 3, 0, 0, 6, 2, 4, 0, 0, 4, 5, 1, 90, 4})
	f.Add([]byte{4, 6, 0, 1, 1, 0, 7, 1, 1, 2, 0, 6, 2, 1, 4, 0, 6, 3, 1, 8, 0, 6, 4, 1, 16, 0, 6, 5, 2, 0, 3, 'n', 'o', 't'})
	f.Add([]byte{3, 0, 0, 4, 'w', 'h', 'y', '!', 4, 3, 0, 1, 4, 3, 0, 2, 2, 1, 2, 1, 3, 0, 3, 0x0a, 1, 0xff, 1, 2, 0x12, 0, 2, 3, 'a', '/', 'b', 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		conf := config(t)
		conf.MaxBytes = minBytes
		b := open(t, conf)
		for n, r := range []*nrd.Record{read(conf.Clock, "READ"), hit(conf.Clock, "HIT"), text(read(conf.Clock, "TEXT"))} {
			if key := add(t, b, r); key.Sequence != uint64(n+1) {
				t.Fatal(key)
			}
		}
		c, _ := conf.Clock.(*clock)
		client := &Client{Device: "car-7", Buffer: b, Clock: c, Log: discard(), pace: &usualPace, random: func() float64 { return 0.5 },
			Status: func() nrd.Status { return nrd.Status{} }, OnOrder: func(*wire.Signed) {}, trouble: map[part64]int{}, blame: map[part64]int{}}
		h := &hostile{session: newSession(client), t: t, link: &patient{}, clock: c, items: queue(t, b), data: data}
		h.session.link = h.link
		for range h.items {
			h.left = append(h.left, "waits")
		}
		for steps := 0; len(h.data) > 0 && steps < 200; steps++ {
			h.step()
		}
		h.check()
	})
}

// check compares what the buffer holds with what must be left.
func (h *hostile) check() {
	h.t.Helper()
	holds := map[itemID]string{}
	for _, i := range queue(h.t, h.Buffer) {
		holds[i.id] = "waits"
	}
	letters, err := h.Buffer.DeadLetters()
	if err != nil {
		h.t.Fatal(err)
	}
	dead := map[string]bool{}
	for _, l := range letters {
		dead[l.Key.String()+l.Kind] = true
	}
	for n, i := range h.items {
		got := holds[i.id]
		if dead[h.Buffer.keyOf(i.id).String()+kinds[i.id.part]] {
			got += "set aside"
		}
		if got == "" {
			got = "gone"
		}
		if got != h.left[n] {
			h.t.Errorf("the %s of record %d %s, and should be: %s", kinds[i.id.part], i.id.sequence, got, h.left[n])
		}
	}
}
