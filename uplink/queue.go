package uplink

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"

	"go.etcd.io/bbolt"
)

// next gives items to send, in the order of the queue: at most so many of each
// rank as there is room for, without those that skip names. No image is given
// while text before it in the queue is left over, or may be. damaged are items that could
// not be read.
func (b *Buffer) next(room [ranks]int, skip func(itemID) bool) (items []item, damaged []burial, err error) {
	var all []found
	err = b.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketItems).Cursor()
		for r := range rank(ranks) {
			switch {
			case room[r] == 0 && r.image():
				continue
			case room[r] == 0:
				return nil // there may be such text
			}
			got, more, err := take(c, r, room[r], skip)
			if err != nil {
				return err
			}
			all = append(all, got...)
			if more && !r.image() {
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	for _, f := range all {
		payload, err := b.unseal(f.id, f.value)
		switch {
		case err == nil:
			items = append(items, item{f.id, payload})
		case !b.holds(f.id): // it was let go a moment ago
		case isDamage(err):
			damaged = append(damaged, burial{f.id, err.Error()})
		default:
			return nil, nil, err
		}
	}
	return items, damaged, nil
}

// found is an item as it lies in the database.
type found struct {
	id    itemID
	value []byte
}

// take gives the first items of a rank that skip does not name, at most n, and
// whether there are more.
func take(c *bbolt.Cursor, r rank, n int, skip func(itemID) bool) (items []found, more bool, err error) {
	for k, v := c.Seek([]byte{byte(r)}); k != nil && k[0] == byte(r); k, v = c.Next() {
		id, err := parseID(k)
		if err != nil {
			return nil, false, err
		}
		if skip(id) {
			continue
		}
		if len(items) >= n {
			return items, true, nil
		}
		items = append(items, found{id, bytes.Clone(v)})
	}
	return items, false, nil
}

// unseal gives an item's payload. The error is errDamaged, or one of reading an
// image's file.
func (b *Buffer) unseal(id itemID, value []byte) ([]byte, error) {
	s, err := parseStored(id, value)
	if err != nil {
		return nil, err
	}
	if id.rank.image() {
		if s.box, err = b.images.read(s.ref); err != nil {
			return nil, err
		}
	}
	payload, err := b.key.Open(s.box, id.bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return payload, nil
}

// isDamage reports whether an item can never be read again, unlike when there
// are no more file handles or no memory.
func isDamage(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.EIO)
}

// holds reports whether an item still waits.
func (b *Buffer) holds(id itemID) bool {
	var held bool
	err := b.view(func(tx *bbolt.Tx) error {
		held = tx.Bucket(bucketItems).Get(id.bytes()) != nil
		return nil
	})
	return held || err != nil
}

// find gives the waiting item that a receipt's key and kind mean.
func (b *Buffer) find(sequence uint64, p part) (item, bool) {
	candidates := []itemID{{hitText, sequence, p}, {readText, sequence, p}}
	if p == partPatch || p == partOverview {
		candidates = []itemID{{hitImage, sequence, p}, {readImage, sequence, p}}
	}
	for _, id := range candidates {
		var value []byte
		err := b.view(func(tx *bbolt.Tx) error {
			value = append(value, tx.Bucket(bucketItems).Get(id.bytes())...)
			return nil
		})
		if err != nil || value == nil {
			continue
		}
		if payload, err := b.unseal(id, value); err == nil {
			return item{id, payload}, true
		}
	}
	return item{}, false
}

// firstRecord gives the oldest readable record of a rank, nil where there is
// none.
func (b *Buffer) firstRecord(r rank) (*item, error) {
	var found *item
	err := b.view(func(tx *bbolt.Tx) error {
		c := tx.Bucket(bucketItems).Cursor()
		for k, v := c.Seek([]byte{byte(r)}); k != nil && k[0] == byte(r); k, v = c.Next() {
			id, err := parseID(k)
			if err != nil || id.part != partRecord {
				continue
			}
			payload, err := b.unseal(id, v)
			if err != nil {
				continue
			}
			found = &item{id, payload}
			return nil
		}
		return nil
	})
	return found, err
}
