package hotlist

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/bbolt"

	"nrd"
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

func (ch *inPlace) apply(delta *publication.Reader) error {
	if ch.bucket == nil {
		return fmt.Errorf("%s: %w: it has no entries", ch.next.List, ErrBase)
	}
	for n := 1; ; n++ {
		sign, line, err := delta.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = ch.ctx.Err()
		}
		if err != nil {
			return err
		}
		if n%entriesPerRead == 0 {
			ch.list.letGo(ch.bucket)
		}
		e, err := parsePublished(*ch.next.Published, n, line)
		if err != nil {
			return err
		}
		if sign == '-' {
			err = ch.remove(&e, line)
		} else {
			err = ch.add(&e, line)
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", ch.next.List, n, err)
		}
	}
	if p := ch.next.Published; ch.entries != p.Entries || ch.content != p.Content {
		return fmt.Errorf("%s: %w: it makes %d entries where %d were announced, or others", ch.next.List, ErrBase, ch.entries, p.Entries)
	}
	return nil
}

func (ch *inPlace) remove(e *nrd.Entry, line []byte) error {
	key := ch.list.secrets.key(e)
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

func (ch *inPlace) add(e *nrd.Entry, line []byte) error {
	key := ch.list.secrets.key(e)
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
