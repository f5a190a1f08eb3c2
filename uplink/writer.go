package uplink

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

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
	// purge lets go of items because a person says so.
	purge *purge
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

// commit does what a batch asks for and answers. Either all of it is on stable
// storage or, after an error, nothing is promised of any.
func (b *Buffer) commit(requests []*request) {
	refused, err := b.transact(requests)
	if errors.Is(err, errPages) {
		b.heal(err)
		refused, err = b.transact(requests)
	}
	for diskFull(err) && b.relieve() {
		refused, err = b.transact(requests)
	}
	if diskFull(err) {
		err = fmt.Errorf("%w: the disk: %w", ErrFull, err)
	}
	if err != nil {
		b.log.Error("the buffer could not write", "error", err)
	}
	for i, r := range requests {
		if err != nil {
			refused[i] = err
		}
		b.noteFull(r, refused[i])
	}
	if errors.Is(err, ErrFull) {
		b.countRefused(requests)
	}
	for i, r := range requests {
		r.done <- refused[i]
	}
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// noteFull remembers whether there was room for a record.
func (b *Buffer) noteFull(r *request, err error) {
	if len(r.puts) == 0 {
		return
	}
	b.state.Lock()
	defer b.state.Unlock()
	b.full = errors.Is(err, ErrFull)
}

// countRefused counts the records of a batch that a full disk had no room for: the
// journal has room for the count.
func (b *Buffer) countRefused(requests []*request) {
	b.state.Lock()
	for _, r := range requests {
		if len(r.puts) > 0 {
			b.refused++
		}
	}
	b.state.Unlock()
	if err := b.batch(func(*batch) error { return nil }); err != nil {
		b.log.Warn("how many records were refused is not on the disk yet", "error", err)
	}
}

// transact works on the open transaction and makes the outcome durable, by the
// journal or, where that has no room, by a checkpoint.
func (b *Buffer) transact(requests []*request) (refused []error, err error) {
	refused = make([]error, len(requests))
	err = b.batch(func(w *batch) error {
		for i, r := range requests {
			var err error
			if refused[i], err = w.do(r); err != nil {
				return err
			}
		}
		return nil
	})
	return refused, err
}

// batch makes what f does durable, or undoes it.
func (b *Buffer) batch(f func(w *batch) error) error {
	b.state.Lock()
	defer b.state.Unlock()
	if b.tx == nil {
		return ErrClosed
	}
	w := &batch{Buffer: b, tally: b.tally.clone()}
	w.tally.dropped.refuse(b.refused)
	err := guard(func() error {
		if err := f(w); err != nil {
			return err
		}
		return w.finish()
	})
	if err == nil {
		err = w.persist()
	}
	if err == nil {
		b.settle(w.tally)
		return nil
	}
	if errors.Is(err, errPages) {
		return err
	}
	return errors.Join(err, b.rewind())
}

// settle makes the counts of a durable batch the buffer's. What is not wanted any
// more is removed only now; where something was let go, for good.
func (b *Buffer) settle(t tally) {
	b.images.count(t.live)
	before := b.tally.dropped
	if err := b.images.sweep(false, t.dropped == before); err != nil {
		b.log.Error("an image file that is not needed any more could not be removed", "error", err)
	}
	b.tally, b.refused = t, 0
	if t.dropped.Records > before.Records || t.dropped.Images > before.Images {
		b.log.Warn("the buffer let go of what it had no room for or what was too old",
			"records", t.dropped.Records-before.Records, "images", t.dropped.Images-before.Images)
	}
}

// Tidy lets go of reads past MaxAge and makes events of drops that central was
// not told of. The client calls it once a minute.
func (b *Buffer) Tidy() error { return b.ask(&request{tidy: true}) }

// diskFull reports whether an error says that the disk has no room.
func diskFull(err error) bool {
	if err == nil {
		return false
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		// bbolt passes some errors on as text.
		if errors.Is(err, full) || strings.Contains(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

// today is the day of an item that was captured now, 0 while the clock is not
// proved.
func (b *Buffer) today() day { return dayOf(b.clock.Stamp()) }
