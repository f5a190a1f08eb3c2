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
	next := c.aboutPublished(p, l.number())
	defer l.keepLettingGo()()
	err := guarded(func() error {
		return l.db.Update(func(tx *bbolt.Tx) error {
			ch := &inPlace{ctx: ctx, list: l, next: next, bucket: tx.Bucket(entriesBucket), digest: l.secrets.digest(l.Digest), content: l.Published.Content, entries: l.Entries}
			if err := ch.apply(delta); err != nil {
				return err
			}
			// A key that matches may now look for changes no match: only the
			// filter's answer "no" counts. c.mu is not to be had here: whoever
			// finds the list damaged holds it and waits for this transaction.
			for _, key := range ch.added {
				l.filter.add(key)
			}
			next.Digest = ch.digest.sum
			return putHeader(tx, next, c.key)
		})
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.header = next
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
	added   [][]byte
}

// changesAtOnce are sorted in memory at a time. Central's deltas have no more.
const changesAtOnce = 50_000

// change is one line of a delta.
type change struct {
	number int
	sign   byte
	key    []byte
	line   []byte
}

func (ch *inPlace) apply(delta *publication.Reader) error {
	if ch.bucket == nil {
		return fmt.Errorf("%s: %w: it has no entries", ch.next.List, ErrBase)
	}
	for number, more := 0, true; more; {
		changes, err := ch.read(delta, number)
		if err != nil {
			return err
		}
		number, more = number+len(changes), len(changes) == changesAtOnce
		// In the order in which they lie in the file, so that few of its pages are
		// touched at a time.
		slices.SortStableFunc(changes, func(a, b change) int { return bytes.Compare(a.key, b.key) })
		for n, c := range changes {
			if n%entriesPerRead == 0 {
				ch.list.letGo(ch.bucket.Tx())
			}
			do := ch.add
			if c.sign == '-' {
				do = ch.remove
			}
			if err := do(c.key, c.line); err != nil {
				return fmt.Errorf("%s: line %d: %w", ch.next.List, c.number, err)
			}
		}
	}
	if p := ch.next.Published; ch.entries != p.Entries || ch.content != p.Content {
		return fmt.Errorf("%s: %w: it makes %d entries where %d were announced, or others", ch.next.List, ErrBase, ch.entries, p.Entries)
	}
	return nil
}

// read gives the next changes, after so many lines.
func (ch *inPlace) read(delta *publication.Reader, after int) ([]change, error) {
	var changes []change
	for len(changes) < changesAtOnce {
		sign, line, err := delta.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ch.ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		number := after + len(changes) + 1
		e, err := parsePublished(*ch.next.Published, number, line)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{number, sign, ch.list.secrets.key(&e), bytes.Clone(line)})
	}
	return changes, nil
}

func (ch *inPlace) remove(key, line []byte) error {
	box := ch.bucket.Get(key)
	if box == nil {
		return fmt.Errorf("%w: an entry to be taken away is not there", ErrBase)
	}
	_, held, err := ch.list.secrets.line(key, box)
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
	return ch.bucket.Delete(key)
}

func (ch *inPlace) add(key, line []byte) error {
	if ch.bucket.Get(key) != nil {
		return fmt.Errorf("%w: an entry to be put in is there already", ErrBase)
	}
	box := ch.list.secrets.boxLine(key, 0, line)
	ch.digest.add(key, box)
	ch.content.Add(line)
	ch.entries++
	ch.added = append(ch.added, key)
	return ch.bucket.Put(key, box)
}
