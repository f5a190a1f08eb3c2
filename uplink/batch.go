package uplink

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"nrd/uplink/wire"
)

// batch is what becomes of the buffer in one durable step.
type batch struct {
	*Buffer
	tally tally
	// last is the highest sequence that the batch gives out.
	last uint64
	// body is what the journal will hold of the batch; keeps says that
	// something is put in it.
	body  []byte
	keeps bool
}

// set puts a value in a bucket, in the transaction and in the journal's frame.
func (w *batch) set(bucket, k, value []byte) error { return w.change(bucket, k, value) }

func (w *batch) unset(bucket, k []byte) error { return w.change(bucket, k, nil) }

func (w *batch) change(bucket, k, value []byte) error {
	c := change{bucketNumber(bucket), k, value}
	w.body = appendChange(w.body, c)
	return w.apply(c)
}

func (w *batch) get(bucket, k []byte) []byte { return w.tx.Bucket(bucket).Get(k) }

// persist makes the batch durable.
func (w *batch) persist() error {
	if len(w.body) == 0 {
		return nil
	}
	if w.journal.fits(w.body, w.keeps) {
		return w.journal.append(w.body)
	}
	return w.checkpoint()
}

// do does one request. refused is the requester's own error; err ends the batch.
func (w *batch) do(r *request) (refused, err error) {
	for _, id := range r.removes {
		if _, err := w.remove(bucketItems, id.bytes()); err != nil {
			return nil, err
		}
	}
	for _, bury := range r.buries {
		if err := w.bury(bury); err != nil {
			return nil, err
		}
	}
	if r.tidy {
		if err := w.tidy(); err != nil {
			return nil, err
		}
	}
	if r.purge != nil {
		if err := w.purge(r.purge); err != nil {
			return nil, err
		}
	}
	if r.event != nil {
		if err := w.putEvent(r.event); err != nil {
			return nil, err
		}
	}
	if len(r.puts) == 0 {
		return nil, nil
	}
	fits, err := w.makeRoom(roomOf(r.puts))
	if err != nil {
		return nil, err
	}
	if !fits {
		w.tally.dropped.refuse(1)
		return fmt.Errorf("%w: hits take up all of the %d bytes it may have", ErrFull, w.maxBytes), nil
	}
	return nil, w.put(r.puts)
}

// roomOf is what items will need.
func roomOf(puts []put) int64 {
	var need int64
	for _, p := range puts {
		if p.id.rank.image() {
			need += int64(len(p.box)) + cost(make([]byte, daySize+refSize))
		} else {
			need += cost(p.box)
		}
	}
	return need
}

func (w *batch) put(puts []put) error {
	w.keeps = true
	for _, p := range puts {
		s := stored{day: p.day, box: p.box}
		if p.id.rank.image() {
			var err error
			if s.ref, err = w.images.append(p.id.rank.hit(), p.box); err != nil {
				return err
			}
		}
		value := s.bytes(p.id)
		if err := w.set(bucketItems, p.id.bytes(), value); err != nil {
			return err
		}
		if err := w.tally.add(p.id, value, 1); err != nil {
			return err
		}
		w.last = max(w.last, p.id.sequence)
	}
	return nil
}

// remove takes an item out of a bucket and reports whether it was there.
func (w *batch) remove(bucket, k []byte) (bool, error) {
	id, err := parseID(k)
	if err != nil {
		return false, err
	}
	value := w.get(bucket, k)
	if value == nil {
		return false, nil
	}
	count := w.tally.add
	if string(bucket) == string(bucketDead) {
		count = w.tally.addDead
		if err := w.unset(bucketReasons, k); err != nil {
			return false, err
		}
	}
	if err := count(id, value, -1); err != nil {
		return false, err
	}
	return true, w.unset(bucket, k)
}

// bury moves an item to the dead letters.
func (w *batch) bury(b burial) error {
	k := b.id.bytes()
	value := append([]byte(nil), w.get(bucketItems, k)...)
	there, err := w.remove(bucketItems, k)
	if err != nil || !there {
		return err
	}
	w.log.Warn("an item was set aside", "key", w.keyOf(b.id).String(), "kind", kinds[b.id.part], "reason", b.reason)
	if err := w.tally.addDead(b.id, value, 1); err != nil {
		return err
	}
	return errors.Join(w.set(bucketDead, k, value), w.set(bucketReasons, k, []byte(b.reason)))
}

// finish makes image files durable before anything says where images are, and
// persists the counts.
func (w *batch) finish() error {
	if err := w.images.sync(); err != nil {
		return err
	}
	if held := binary.BigEndian.Uint64(w.get(bucketMeta, metaSequence)); w.last > held {
		if err := w.set(bucketMeta, metaSequence, binary.BigEndian.AppendUint64(nil, w.last)); err != nil {
			return err
		}
	}
	if w.tally.dropped == w.Buffer.tally.dropped {
		return nil
	}
	text, err := json.Marshal(w.tally.dropped)
	if err != nil {
		return err
	}
	return w.set(bucketMeta, metaDropped, text)
}

// tidy lets go of reads past their age and makes events of drops that central
// was not told of. While one of a kind waits, the drops after it add up for the
// next, so that a device that is cut off for long keeps one of each.
func (w *batch) tidy() error {
	if err := w.expire(); err != nil {
		return err
	}
	d := &w.tally.dropped
	const noRoom = "the device's buffer was full or they were too old"
	for kind, report := range []struct {
		kind, reason string
		count        *uint64
	}{
		{"record", noRoom, &d.UnreportedRecords}, {"image", noRoom, &d.UnreportedImages},
		{"refused", "the device's buffer was full of hits, or its disk of other things", &d.UnreportedRefused},
		{"damaged", "they were damaged on the device's disk, and their keys with them", &d.UnreportedDamaged},
	} {
		waits := w.get(bucketItems, itemID{hitText, d.Told[kind], partEvent}.bytes()) != nil
		if *report.count == 0 || waits {
			continue
		}
		drop := &wire.Drop{Kind: report.kind, Count: *report.count, Reason: report.reason}
		event := &wire.Event{AtNs: w.clock.Now().UnixNano(), What: &wire.Event_Drop{Drop: drop}}
		if err := w.putEvent(event); err != nil {
			return err
		}
		*report.count, d.Told[kind] = 0, event.GetKey().GetSequence()
	}
	return nil
}

// putEvent keeps an event. It takes no notice of the quota: it is small, and
// what it says must be known.
func (w *batch) putEvent(e *wire.Event) error {
	sequence := w.sequence.Add(1)
	id := itemID{hitText, sequence, partEvent}
	e.Key = wire.FromKey(w.keyOf(id))
	payload, err := wire.Marshal(e)
	if err != nil {
		return err
	}
	return w.put([]put{w.seal(id, 0, payload)})
}
