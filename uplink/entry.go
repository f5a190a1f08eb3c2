package uplink

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"nrd"
	"nrd/uplink/wire"
)

// Entry is an item of the buffer as a person sees it.
type Entry struct {
	Key nrd.Key
	// Kind is record, patch, overview or event.
	Kind string
	Hit  bool
	// Set aside items are dead letters; Reason says why. Damaged ones cannot be
	// read, whether they wait or were set aside.
	SetAside bool
	Reason   string
	Damaged  bool
	// Payload is what would be published; nil of a damaged item.
	Payload []byte
	// Captured and VRM are a record's.
	Captured time.Time
	VRM      nrd.VRM
}

// Each calls f with everything that waits, in the order in which it would be
// sent, and then with what was set aside.
func (b *Buffer) Each(f func(Entry) error) error {
	for _, bucket := range [][]byte{bucketItems, bucketDead} {
		ids, err := b.idsOf(bucket)
		if err != nil {
			return err
		}
		for _, id := range ids {
			e, there, err := b.entry(bucket, id)
			if err != nil {
				return err
			}
			if !there {
				continue
			}
			if err := f(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Buffer) idsOf(bucket []byte) (ids []itemID, err error) {
	err = b.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, _ []byte) error {
			id, err := parseID(k)
			ids = append(ids, id)
			return err
		})
	})
	return ids, err
}

// entry reads one item, which may have gone meanwhile.
func (b *Buffer) entry(bucket []byte, id itemID) (e Entry, there bool, err error) {
	e = Entry{
		Key: b.keyOf(id), Kind: kinds[id.part], Hit: id.rank.hit() && id.part != partEvent,
		SetAside: bytes.Equal(bucket, bucketDead),
	}
	var value []byte
	err = b.view(func(tx *bbolt.Tx) error {
		value = bytes.Clone(tx.Bucket(bucket).Get(id.bytes()))
		e.Reason = string(tx.Bucket(bucketReasons).Get(id.bytes()))
		return nil
	})
	if err != nil || value == nil {
		return e, false, err
	}
	e.Payload, err = b.unseal(id, value)
	if isDamage(err) {
		e.Damaged = true
		return e, true, nil
	}
	if err == nil && id.part == partRecord {
		var m wire.Record
		if err := wire.Unmarshal(e.Payload, &m); err != nil {
			return e, true, err
		}
		e.Captured, e.VRM = time.Unix(0, m.GetCaptured().GetUtcNs()).UTC(), nrd.VRM(m.GetRead().GetVrm())
	}
	return e, true, err
}

// purgeSome is how many items a purge lets go in one durable step.
const purgeSome = 1000

// Purge lets go of everything that waits, hits too, and of what was set aside;
// with asideOnly of the latter alone. It is for a person who answers for it: the
// reason goes to central as an event with the numbers, which are counted as
// drops. Events stay.
func (b *Buffer) Purge(reason string, asideOnly bool) (records, images uint64, err error) {
	if reason == "" {
		return 0, 0, errors.New("purge: a reason is needed")
	}
	buckets := [][]byte{bucketItems, bucketDead}
	if asideOnly {
		buckets = buckets[1:]
	}
	for _, bucket := range buckets {
		ids, err := b.idsOf(bucket)
		if err != nil {
			return records, images, err
		}
		for len(ids) > 0 {
			p := &purge{bucket: bucket, ids: ids[:min(len(ids), purgeSome)], reason: reason}
			ids = ids[len(p.ids):]
			if err := b.ask(&request{purge: p}); err != nil {
				return records, images, fmt.Errorf("purge: %w", err)
			}
			records, images = records+p.records, images+p.images
		}
	}
	return records, images, nil
}

// purge is a part of Purge; records and images are what it let go.
type purge struct {
	bucket          []byte
	ids             []itemID
	reason          string
	records, images uint64
}

func (w *batch) purge(p *purge) error {
	p.records, p.images = 0, 0
	for _, id := range p.ids {
		if id.part == partEvent {
			continue
		}
		there, err := w.remove(p.bucket, id.bytes())
		switch {
		case err != nil:
			return err
		case there && id.rank.image():
			p.images++
		case there:
			p.records++
		}
	}
	w.tally.dropped.Records += p.records
	w.tally.dropped.Images += p.images
	for kind, n := range map[string]uint64{"record": p.records, "image": p.images} {
		if n == 0 {
			continue
		}
		drop := &wire.Drop{Kind: kind, Count: n, Reason: "purged on the unit: " + p.reason}
		if err := w.putEvent(&wire.Event{AtNs: w.clock.Now().UnixNano(), What: &wire.Event_Drop{Drop: drop}}); err != nil {
			return err
		}
	}
	return nil
}
