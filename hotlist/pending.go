package hotlist

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"go.etcd.io/bbolt"
)

// pending is what a delta has changed of a list and its entries do not show yet, in
// the order of the keys: the new box of each, or nil for one that was taken away.
//
// A delta of one entry in a hundred changes one page in six of the list's file, and
// a transaction keeps all pages that it changes in memory, those of the file beside
// them. So one transaction writes what changes in a place of its own and makes that
// the version in force; others, a few pages each, bring it into the entries. What is
// pending holds whatever the entries say, so both may be asked at any time between,
// and after a power cut it is brought in again.
type pending []item

var pendingBucket = []byte("pending")

// pendingAtOnce is how many changes one transaction brings into the entries: pages of
// 4 KB that change, and at most 64 KB that are mapped for each.
var pendingAtOnce = 400

// of gives what is pending of the keys that begin so.
func (p pending) of(prefix []byte) pending {
	from, _ := slices.BinarySearchFunc(p, prefix, func(it item, k []byte) int { return bytes.Compare(it.key, k) })
	to := from
	for to < len(p) && bytes.HasPrefix(p[to].key, prefix) {
		to++
	}
	return p[from:to]
}

// has says whether something of this key is pending.
func (p pending) has(key []byte) bool { return len(p) > 0 && len(p.of(key)) > 0 }

// write puts all of it in its place in the file. A delta may change nothing but the
// version; then there is nothing to bring in.
func (p pending) write(tx *bbolt.Tx) error {
	if len(p) == 0 {
		return nil
	}
	b, err := tx.CreateBucket(pendingBucket)
	if err != nil {
		return err
	}
	b.FillPercent = 1 // it is in order and does not grow
	for _, it := range p {
		if err := b.Put(it.key, it.box); err != nil {
			return err
		}
	}
	return nil
}

// readPending gives what write has written and was not brought in yet.
func readPending(tx *bbolt.Tx) (pending, error) {
	b := tx.Bucket(pendingBucket)
	if b == nil {
		return nil, nil
	}
	var p pending
	err := b.ForEach(func(key, box []byte) error {
		if len(p) == mostChanges {
			return errors.New("it has more changes than any delta") // or pages that go round in a circle
		}
		it := item{key: bytes.Clone(key)}
		if len(box) > 0 {
			it.box = bytes.Clone(box)
		}
		p = append(p, it)
		return nil
	})
	return p, err
}

// settle brings what is pending into the list's entries. Until that has ended all of
// it stays pending: it may be brought in twice. c.importing is held, or nobody else has
// the cache yet.
func (c *Cache) settle(l *entryList) error {
	for left := l.pending; len(left) > 0; {
		some := left[:min(len(left), pendingAtOnce)]
		left = left[len(some):]
		if err := l.update(func(tx *bbolt.Tx) error { return l.bring(tx, some, len(left) == 0) }); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(l.file), err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.pending = nil
	return nil
}

// bring brings some of what is pending into the entries; with last nothing stays
// pending.
func (l *entryList) bring(tx *bbolt.Tx, some pending, last bool) error {
	entries := tx.Bucket(entriesBucket)
	if entries == nil {
		return errors.New("it has lost its entries")
	}
	for _, it := range some {
		var err error
		if it.box == nil {
			err = entries.Delete(it.key)
		} else {
			err = entries.Put(it.key, it.box)
		}
		if err != nil {
			return err
		}
	}
	l.letGo(tx)
	if last {
		return tx.DeleteBucket(pendingBucket)
	}
	return nil
}
