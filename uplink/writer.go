package uplink

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"go.etcd.io/bbolt"

	"nrd/uplink/wire"
)

// put is an item to be kept.
type put struct {
	id  itemID
	day day
	box []byte
}

// burial is an item to be set aside.
type burial struct {
	id     itemID
	reason string
}

// request is what somebody asks of the writer. done gets its outcome when it is
// on stable storage.
type request struct {
	puts    []put
	removes []itemID
	buries  []burial
	// tidy lets go of what is too old and makes events of what was dropped.
	tidy bool
	// event is one to be kept for central.
	event *wire.Event
	done  chan error
}

// batchLimit is how many requests share a commit.
const batchLimit = 64

// ask hands a request to the writer and waits for its outcome.
func (b *Buffer) ask(r *request) error {
	r.done = make(chan error, 1)
	select {
	case <-b.closing:
		return ErrClosed
	default:
	}
	select {
	case b.requests <- r:
	case <-b.closing:
		return ErrClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-b.done:
		// The writer may have answered before it ended.
		select {
		case err := <-r.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// write is the writer: the only one that changes database and image files. It
// takes what was asked while it was busy as one batch.
func (b *Buffer) write() {
	defer close(b.done)
	for {
		select {
		case r := <-b.requests:
			b.commit(b.gather(r))
		case why := <-b.suspect:
			b.heal(why)
		case <-b.closing:
			for len(b.requests) > 0 {
				b.commit(b.gather(<-b.requests))
			}
			return
		}
	}
}

func (b *Buffer) gather(first *request) []*request {
	batch := []*request{first}
	for len(batch) < batchLimit {
		select {
		case r := <-b.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// batch is what becomes of the buffer in one transaction.
type batch struct {
	*Buffer
	tx    *bbolt.Tx
	items *bbolt.Bucket
	tally tally
	// last is the highest sequence that the batch gives out.
	last uint64
}

// commit does what a batch asks for and answers. Either all of it is on stable
// storage or, after an error, nothing is promised of any.
func (b *Buffer) commit(requests []*request) {
	refused, err := b.transact(requests)
	if errors.Is(err, errPages) {
		b.heal(err)
		refused, err = b.transact(requests)
	}
	if err != nil {
		err = explainFull(err)
		b.log.Error("the buffer could not write", "error", err)
	}
	for i, r := range requests {
		if err != nil {
			r.done <- err
		} else {
			r.done <- refused[i]
		}
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

func (b *Buffer) transact(requests []*request) (refused []error, err error) {
	refused = make([]error, len(requests))
	var t tally
	err = b.update(func(tx *bbolt.Tx) error {
		work := &batch{Buffer: b, tx: tx, items: tx.Bucket(bucketItems), tally: b.tally.clone()}
		for i, r := range requests {
			var err error
			if refused[i], err = work.do(r); err != nil {
				return err
			}
		}
		t = work.tally
		return work.finish()
	})
	if err == nil {
		b.settle(t)
	}
	return refused, err
}

// settle makes the counts of a committed batch the buffer's.
func (b *Buffer) settle(t tally) {
	b.images.count(t.live)
	if err := b.images.sweep(false); err != nil {
		b.log.Error("an image file that is not needed any more could not be removed", "error", err)
	}
	b.mu.Lock()
	before := b.tally.dropped
	b.tally = t
	b.mu.Unlock()
	if t.dropped.Records > before.Records || t.dropped.Images > before.Images {
		b.log.Warn("the buffer let go of the oldest reads that are no hits",
			"records", t.dropped.Records-before.Records, "images", t.dropped.Images-before.Images)
	}
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
	for _, p := range puts {
		s := stored{day: p.day, box: p.box}
		if p.id.rank.image() {
			var err error
			if s.ref, err = w.images.append(p.id.rank.hit(), p.box); err != nil {
				return err
			}
		}
		value := s.bytes(p.id)
		if err := w.items.Put(p.id.bytes(), value); err != nil {
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
	from := w.tx.Bucket(bucket)
	value := from.Get(k)
	if value == nil {
		return false, nil
	}
	count := w.tally.add
	if string(bucket) == string(bucketDead) {
		count = w.tally.addDead
		if err := w.tx.Bucket(bucketReasons).Delete(k); err != nil {
			return false, err
		}
	}
	if err := count(id, value, -1); err != nil {
		return false, err
	}
	return true, from.Delete(k)
}

// bury moves an item to the dead letters.
func (w *batch) bury(b burial) error {
	k := b.id.bytes()
	value := append([]byte(nil), w.items.Get(k)...)
	there, err := w.remove(bucketItems, k)
	if err != nil || !there {
		return err
	}
	w.log.Warn("an item was set aside", "key", w.keyOf(b.id).String(), "kind", kinds[b.id.part], "reason", b.reason)
	if err := w.tally.addDead(b.id, value, 1); err != nil {
		return err
	}
	return errors.Join(w.tx.Bucket(bucketDead).Put(k, value), w.tx.Bucket(bucketReasons).Put(k, []byte(b.reason)))
}

// finish makes image files durable before the database says where images are,
// and persists the counts.
func (w *batch) finish() error {
	if err := w.images.sync(); err != nil {
		return err
	}
	meta := w.tx.Bucket(bucketMeta)
	if held := binary.BigEndian.Uint64(meta.Get(metaSequence)); w.last > held {
		if err := meta.Put(metaSequence, binary.BigEndian.AppendUint64(nil, w.last)); err != nil {
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
	return meta.Put(metaDropped, text)
}

// tidy lets go of reads past their age and makes events of drops that central
// was not told of. While a device is cut off its drops add up to one event each
// time that the client tidies, which it does when it can send.
func (w *batch) tidy() error {
	if err := w.expire(); err != nil {
		return err
	}
	d := &w.tally.dropped
	for _, report := range []struct {
		kind  string
		count *uint64
	}{{"record", &d.UnreportedRecords}, {"image", &d.UnreportedImages}} {
		if *report.count == 0 {
			continue
		}
		drop := &wire.Drop{Kind: report.kind, Count: *report.count, Reason: "the device's buffer was full or they were too old"}
		event := &wire.Event{AtNs: w.clock.Now().UnixNano(), What: &wire.Event_Drop{Drop: drop}}
		if err := w.putEvent(event); err != nil {
			return err
		}
		*report.count = 0
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

// Tidy lets go of reads past MaxAge and makes events of drops that central was
// not told of. The client calls it once a minute.
func (b *Buffer) Tidy() error { return b.ask(&request{tidy: true}) }

// explainFull turns what a full disk says into ErrFull.
func explainFull(err error) error {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		// bbolt passes some errors on as text.
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return fmt.Errorf("%w: the disk: %w", ErrFull, err)
		}
	}
	return err
}

// today is the day of an item that was captured now, 0 while the clock is not
// proved.
func (b *Buffer) today() day { return dayOf(b.clock.Stamp()) }
