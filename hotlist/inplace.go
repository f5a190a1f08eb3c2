package hotlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.etcd.io/bbolt"

	"nrd/hotlist/publication"
	"nrd/internal/sealed"
)

// Change makes the next version of a list that came from central with a delta, in
// one transaction: an error of any kind, the end of ctx or of the process leaves
// the version before in force. The error is ErrBase where the delta is not for the
// list in force, or does not make of it what central has; a snapshot then helps.
//
// The transaction writes what changes beside the entries; see pending.
func (c *Cache) Change(ctx context.Context, p publication.Publication, delta *publication.Reader) error {
	c.importing.Lock()
	defer c.importing.Unlock()
	c.mu.RLock()
	l, ok := c.lists[p.List].(*entryList)
	c.mu.RUnlock()
	if !ok || l.Published == nil || l.Version != p.From {
		return fmt.Errorf("%s: %w: it is from version %d", p.List, ErrBase, p.From)
	}
	if err := c.checkFloor(p.List, p.Made); err != nil {
		return err
	}
	if err := c.setFloor(p.List, p.Made); err != nil {
		return err
	}
	if err := c.settle(l); err != nil {
		return err
	}
	ch := &inPlace{ctx: ctx, list: l, next: c.aboutPublished(p, l.number()), digest: l.secrets.digest(l.Digest), content: l.Published.Content, entries: l.Entries}
	if err := ch.make(delta); err != nil {
		return err
	}
	if err := l.update(func(tx *bbolt.Tx) error { return ch.write(tx, c.key) }); err != nil {
		return err
	}
	c.mu.Lock()
	l.header, l.pending = ch.next, ch.pending
	c.mu.Unlock()
	if err := c.settle(l); err != nil { // the new version is in force all the same
		c.config.Log.Warn("what a delta has changed stays beside the list's entries for now", "list", p.List, "error", err)
	}
	return nil
}

// inPlace is one delta being applied.
type inPlace struct {
	ctx     context.Context // of the one call of Change
	list    *entryList
	next    header
	bucket  *bbolt.Bucket
	digest  *digest
	content publication.Content
	entries int
	pending pending
	room    []byte
}

// mostChanges are the lines that a delta may have, which are all in memory at a
// time. Central's have half as many.
const mostChanges = 50_000

// change is one line of a delta.
type change struct {
	number int
	sign   byte
	key    []byte
	line   []byte
}

// make works out what the delta changes, without changing anything.
func (ch *inPlace) make(delta *publication.Reader) error {
	changes, err := ch.read(delta)
	if err != nil {
		return err
	}
	// In the order in which they lie in the file, so that few of its pages are
	// touched at a time.
	slices.SortStableFunc(changes, func(a, b change) int { return bytes.Compare(a.key, b.key) })
	err = guarded(func() error {
		return ch.list.db.View(func(tx *bbolt.Tx) error {
			if ch.bucket = tx.Bucket(entriesBucket); ch.bucket == nil {
				return fmt.Errorf("%s: %w: it has no entries", ch.next.List, ErrBase)
			}
			defer ch.list.letGo(tx)
			return ch.apply(tx, changes)
		})
	})
	if err != nil {
		return err
	}
	if p := ch.next.Published; ch.entries != p.Entries || ch.content != p.Content {
		return fmt.Errorf("%s: %w: it makes %d entries where %d were announced, or others", ch.next.List, ErrBase, ch.entries, p.Entries)
	}
	ch.next.Digest = ch.digest.sum
	return nil
}

// read gives the lines of the delta.
func (ch *inPlace) read(delta *publication.Reader) ([]change, error) {
	var changes []change
	for {
		sign, line, err := delta.Next()
		if errors.Is(err, io.EOF) {
			return changes, nil
		}
		if err == nil {
			err = ch.ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		number := len(changes) + 1
		if number > mostChanges {
			return nil, fmt.Errorf("%s: %w: it has more than %d lines", ch.next.List, ErrBase, mostChanges)
		}
		e, err := parsePublished(*ch.next.Published, number, line)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{number, sign, ch.list.secrets.key(&e), bytes.Clone(line)})
	}
}

func (ch *inPlace) apply(tx *bbolt.Tx, changes []change) error {
	for n, c := range changes {
		if n%pendingAtOnce == 0 {
			ch.list.letGo(tx)
		}
		do := ch.add
		if c.sign == '-' {
			do = ch.remove
		}
		if err := do(c.key, c.line); err != nil {
			return fmt.Errorf("%s: line %d: %w", ch.next.List, c.number, err)
		}
	}
	return nil
}

// held is the box of a key as the lines before have left it, nil for none.
func (ch *inPlace) held(key []byte) []byte {
	if n := len(ch.pending) - 1; n >= 0 && bytes.Equal(ch.pending[n].key, key) {
		return ch.pending[n].box
	}
	return ch.bucket.Get(key)
}

// put makes box that of the key, or takes the key away where it is nil.
func (ch *inPlace) put(key, box []byte) {
	if n := len(ch.pending) - 1; n >= 0 && bytes.Equal(ch.pending[n].key, key) {
		ch.pending[n].box = box
		return
	}
	ch.pending = append(ch.pending, item{key: key, box: box})
}

func (ch *inPlace) remove(key, line []byte) error {
	box := ch.held(key)
	if box == nil {
		return fmt.Errorf("%w: an entry to be taken away is not there", ErrBase)
	}
	_, held, err := ch.list.secrets.line(&ch.room, key, box)
	if errors.Is(err, sealed.ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrBase, err)
	}
	if err != nil {
		return err
	}
	if !bytes.Equal(held, line) {
		return fmt.Errorf("%w: an entry to be taken away says something else", ErrBase)
	}
	ch.digest.remove(key, box)
	ch.content.Remove(line)
	ch.entries--
	ch.put(key, nil)
	return nil
}

func (ch *inPlace) add(key, line []byte) error {
	if ch.held(key) != nil {
		return fmt.Errorf("%w: an entry to be put in is there already", ErrBase)
	}
	box := ch.list.secrets.boxLine(key, 0, line)
	ch.digest.add(key, box)
	ch.content.Add(line)
	ch.entries++
	ch.put(key, box)
	return nil
}

// write puts the new version in force in the file.
func (ch *inPlace) write(tx *bbolt.Tx, key *sealed.Key) error {
	if err := ch.pending.write(tx); err != nil {
		return err
	}
	// A key that matches may now look for changes no match: only the filter's
	// answer "no" counts. The cache's mu is not to be had here: whoever finds the
	// list damaged holds it and waits for this transaction.
	for _, it := range ch.pending {
		ch.list.filter.add(it.key)
	}
	return putHeader(tx, ch.next, key)
}
