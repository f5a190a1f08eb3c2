package uplink

import (
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"nrd"
	"nrd/uplink/wire"
)

// later adds a field that this version does not know.
func later(payload []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(payload, 9001, protowire.BytesType), []byte("something new"))
}

func TestANewerCentralIsObeyedAsFarAsItIsUnderstood(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.reply(func(arrived) wire.Receipt_Outcome { return wire.Receipt_UNSPECIFIED })
	var log logged
	client := c.client(b)
	client.Log = slog.New(slog.NewTextHandler(&log, nil))
	start(t, client)
	add(t, b, text(read(conf.Clock, "AB12CDE")))
	c.until("it has arrived", func(all []arrived) bool { return len(all) == 1 })
	// A command of a later release, and a topic of one.
	c.send(wire.TopicCommand("car-7"), later(marshal(t, &wire.Command{AtNs: 1})))
	c.statuses(t, b, 5)
	if p := client.Problems(); len(p) != 0 {
		t.Errorf("an unknown command makes problems: %v", p)
	}
	if waiting(t, b) != 1 {
		t.Error("an unknown command has emptied the buffer")
	}
	add(t, b, text(read(conf.Clock, "CD34EFG")))
	c.until("it goes on sending", func(all []arrived) bool { return len(all) == 2 })
	// Receipts with more in them than this version knows.
	for _, a := range c.arrivals() {
		item := wire.FromReceipt(a.key, a.kind, a.digest, wire.Receipt_STORED, "")
		c.send(wire.TopicReceipt("car-7"), later(marshal(t, &wire.Receipt{Items: []*wire.Receipt_Item{item}})))
	}
	eventually(t, "the buffer is empty", func() bool { return waiting(t, b) == 0 })
	if strings.Contains(log.String(), "not understood") {
		t.Errorf("the log: %s", log.String())
	}
}

func TestAnOlderCentralGetsEveryRecordAndRefusesOnlyWhatItDoesNotKnow(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	// It has no notices, and knows no events of officers.
	c.forbidden = []string{wire.TopicNoticeLists}
	c.reply(func(a arrived) wire.Receipt_Outcome {
		if a.kind == wire.KindEvent {
			return wire.Receipt_REFUSED
		}
		return wire.Receipt_STORED
	})
	if err := b.Tell(nrd.OfficerEvent{Action: nrd.OfficerChecked, At: conf.Clock.Now(), VRM: "AB12CDE"}); err != nil {
		t.Fatal(err)
	}
	client := c.client(b)
	client.OnNotice = func(uint64) { t.Error("a notice came that nobody listens to") }
	start(t, client)
	add(t, b, read(conf.Clock, "AB12CDE"))
	add(t, b, text(hit(conf.Clock, "CD34EFG")))
	eventually(t, "the buffer is empty", func() bool { return waiting(t, b) == 0 })
	c.send(wire.TopicNoticeLists, marshal(t, &wire.Notice{Number: 7}))
	c.statuses(t, b, 5)
	if p := client.Problems(); len(p) != 0 {
		t.Errorf("an older central makes problems: %v", p)
	}
	if n := c.came(); n != 1 {
		t.Errorf("the unit came %d times: what it may not listen to ends its connection", n)
	}
	letters, err := b.DeadLetters()
	if err != nil || len(letters) != 1 || letters[0].Kind != wire.KindEvent {
		t.Errorf("dead letters are %v, %v; want the event that central refused", letters, err)
	}
	if n := len(c.arrivals()); n != 5 {
		t.Errorf("central got %d items, want 3 of a read, a hit and an event", n)
	}
}
