package ingest

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// committer is the one goroutine that stores and answers.
type committer struct {
	in    *Ingest
	way   way
	queue *queue
	roll  *roll
	times *times
	// epochs are those of the devices' buffers.
	epochs epochs
}

// way is a broker as the committer sees it: central's own, or one that it is a
// client of.
type way interface {
	// devices are those that are there.
	devices() []string
	// rivals are devices whose identity two units fight for, as far as the
	// broker can tell.
	rivals() []string
	// cut ends a device's connection, where that is in the broker's power.
	cut(device string, reason error)
	// publish sends an answer to a device that listens.
	publish(topic string, payload []byte) error
}

func newCommitter(in *Ingest, w way, q *queue) *committer {
	return &committer{in: in, way: w, queue: q, roll: newRoll(in), times: newTimes(in), epochs: epochs{}}
}

// run ends when the queue is closed and empty.
func (c *committer) run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		batch, ok := c.queue.take(tick.C)
		if !ok {
			c.roll.flush(ctx, true)
			return
		}
		if len(batch) > 0 {
			c.commit(ctx, batch)
		} else {
			c.times.turn()
			c.standings(ctx, c.way.devices())
			c.times.settle(ctx, c.shown)
		}
		c.roll.flush(ctx, false)
	}
}

// commit stores a batch of messages and answers each.
func (c *committer) commit(ctx context.Context, batch []message) {
	c.roll.turn()
	c.times.turn()
	answers := answers{}
	var items []store.Item
	for _, m := range batch {
		c.roll.heard(m.device, m.received)
		switch standing := c.standing(ctx, m.device); {
		case m.topic == "":
			c.tell(m.device, standing, true)
			c.order(m.device, true)
		case m.topic == wire.TopicStatus(m.device):
			c.status(ctx, m, standing)
		default:
			if m.item == nil {
				m.read(&c.in.Profile)
			}
			item, err := m.item.Item, m.item.err
			switch {
			case !standing.approved():
				// Said again with each, for who does not know Paused.
				c.in.counts.retried.Add(1)
				answers.add(m.device, &item, wire.Receipt_RETRY, standing.reason)
			case err != nil:
				c.in.counts.malformed.Add(1)
				c.in.Log.Warn("a malformed message is refused", "device", m.device, "topic", m.topic, "reason", err)
				answers.add(m.device, &item, wire.Receipt_REFUSED, err.Error())
			default:
				items = append(items, item)
				if c.epochs.saw(item.Key, m.received) {
					c.rival(m.device)
				}
			}
		}
	}
	if items = c.judge(ctx, items, answers); len(items) > 0 {
		c.insert(ctx, items, answers)
	}
	// Before the receipts: an event that brings a time is done only then.
	c.times.settle(ctx, c.shown)
	c.send(answers)
}

// judge gives records the time that they go by, or sets them aside. What the
// events of the batch say of their unit's clock holds for the whole batch. Items
// that it cannot judge are left out, and answered.
func (c *committer) judge(ctx context.Context, items []store.Item, a answers) []store.Item {
	failed := map[int]bool{}
	try := func(kind store.Kind, f func(context.Context, *store.Item) error) {
		for i := range items {
			if items[i].Kind != kind || failed[i] {
				continue
			}
			if err := f(ctx, &items[i]); err != nil {
				c.in.Log.Error("an item could not be judged; the device sends it again", "key", items[i].Key.String(), "error", err)
				failed[i] = true
				c.in.counts.retried.Add(1)
				a.add(items[i].Key.Device, &items[i], wire.Receipt_RETRY, "central's store does not work at the moment")
			}
		}
	}
	try(store.KindEvent, c.times.learn)
	try(store.KindRecord, c.times.judge)
	judged := items[:0]
	for i, item := range items {
		if !failed[i] {
			judged = append(judged, item)
		}
	}
	return judged
}

// insert stores items. Where the store fails for another reason than a full
// disk, each is tried alone: a damaged day must not hold up the others.
func (c *committer) insert(ctx context.Context, items []store.Item, a answers) {
	results, err := c.in.Store.Insert(ctx, items)
	if err != nil && !errors.Is(err, store.ErrFull) && len(items) > 1 {
		for i := range items {
			c.insert(ctx, items[i:i+1], a)
		}
		return
	}
	if err != nil {
		c.in.Log.Error("nothing was stored; the devices send it again", "items", len(items), "error", err)
		reason := "central's store does not work at the moment"
		if errors.Is(err, store.ErrFull) {
			reason = "central's disk is full"
		}
		for i := range items {
			c.in.counts.retried.Add(1)
			a.add(items[i].Key.Device, &items[i], wire.Receipt_RETRY, reason)
		}
		return
	}
	for i := range items {
		c.answer(&items[i], results[i], a)
	}
}

func (c *committer) answer(item *store.Item, result store.Result, a answers) {
	outcome := wire.Receipt_STORED
	switch result.Outcome {
	case store.Stored:
		c.in.counts.stored.Add(1)
		c.show(item)
	case store.Duplicate:
		c.in.counts.duplicates.Add(1)
	case store.Quarantined:
		outcome = wire.Receipt_QUARANTINED
		c.in.counts.quarantined.Add(1)
		c.in.Log.Warn("an item is quarantined", "key", item.Key.String(), "kind", string(item.Kind), "reason", result.Reason)
	case store.Postponed:
		outcome = wire.Receipt_RETRY
		c.in.counts.retried.Add(1)
	}
	a.add(item.Key.Device, item, outcome, result.Reason)
}

// show tells who watches.
func (c *committer) show(item *store.Item) {
	switch item.Kind {
	case store.KindRecord:
		if c.in.OnStored != nil {
			c.in.OnStored(store.StoredRecord{Record: *item.Record, Received: item.Received, Correction: item.Correction})
		}
	case store.KindPatch, store.KindOverview:
		if c.in.OnImage != nil {
			c.in.OnImage(item.Key, nrd.ImageKind(item.Kind))
		}
	case store.KindEvent:
		if c.in.OnOfficer != nil && item.Officer != nil {
			c.in.OnOfficer(*item.Officer)
		}
	}
}

// shown is show for a record that has left quarantine.
func (c *committer) shown(r *store.StoredRecord) {
	if c.in.OnStored != nil {
		c.in.OnStored(*r)
	}
}

// status takes a device's word about itself. One that says offline is a last
// will: when the device was last seen says that already.
func (c *committer) status(ctx context.Context, m message, standing standing) {
	var s wire.Status
	err := wire.Unmarshal(m.payload, &s)
	if err == nil && s.GetDevice() != m.device {
		err = errAnother
	}
	var status *nrd.Status
	var offline bool
	if err == nil {
		status, offline, err = wire.ToStatus(&s)
	}
	if err != nil {
		c.in.counts.malformed.Add(1)
		c.in.Log.Warn("a malformed status is ignored", "device", m.device, "reason", err)
		return
	}
	// One that was wiped says so with its last word.
	if !offline || status.Wiped != 0 {
		c.roll.status(m.device, status)
		if standing.approved() {
			c.times.heard(ctx, m.device, status.Clock, m.received)
		}
	}
}

// answers are the receipts of a batch by device. One that cannot name its item
// fully travels in a message of its own, so that a device that refuses it does
// not lose the others.
type answers map[string]*answer

type answer struct {
	whole *wire.Receipt
	parts []*wire.Receipt
}

func (a answers) add(device string, item *store.Item, outcome wire.Receipt_Outcome, reason string) {
	to := a[device]
	if to == nil {
		to = &answer{whole: &wire.Receipt{}}
		a[device] = to
	}
	receipt := wire.FromReceipt(item.Key, string(item.Kind), item.Digest, outcome, reason)
	alone := &wire.Receipt{Items: []*wire.Receipt_Item{receipt}}
	if wire.CheckReceipt(alone) != nil {
		to.parts = append(to.parts, alone)
		return
	}
	to.whole.Items = append(to.whole.Items, receipt)
}

func (c *committer) send(a answers) {
	for device, to := range a {
		if len(to.whole.GetItems()) > 0 {
			c.publish(wire.TopicReceipt(device), to.whole)
		}
		for _, part := range to.parts {
			c.publish(wire.TopicReceipt(device), part)
		}
	}
}

// publish sends a message to who listens. One that is lost with its connection
// is no loss: the device asks again by sending again.
func (c *committer) publish(topic string, m proto.Message) {
	payload, err := wire.Marshal(m)
	if err == nil {
		err = c.way.publish(topic, payload)
	}
	if err != nil {
		c.in.Log.Error("an answer could not be sent", "topic", topic, "error", err)
	}
}
