package uplink

import (
	"encoding/json"
	"errors"
	"fmt"

	bolterrors "go.etcd.io/bbolt/errors"
)

// redo does once more, in the transaction that is open, what frames say. Of a
// damaged one only items are taken: they prove themselves genuine.
func (b *Buffer) redo(frames []frame) error {
	damaged := 0
	for _, f := range frames {
		changes, lost := parseChanges(f.body)
		if !f.whole {
			b.log.Warn("a part of the buffer's journal is damaged; what can be read of it is taken over", "changes", len(changes), "lost", lost)
			damaged += lost
		}
		for _, c := range changes {
			if int(c.bucket) >= len(buckets) || !f.whole && c.bucket == bucketNumber(bucketMeta) {
				continue
			}
			if err := b.apply(c); err != nil {
				return err
			}
		}
	}
	return b.countDamaged(uint64(damaged))
}

// countDamaged adds items that were lost with their keys in the journal to the
// count, in the transaction that is open. Those that an earlier look at the same
// journal has counted are not counted again.
func (b *Buffer) countDamaged(n uint64) error {
	if n == 0 {
		return nil
	}
	meta := b.tx.Bucket(bucketMeta)
	var d drops
	if text := meta.Get(metaDropped); text != nil {
		if err := json.Unmarshal(text, &d); err != nil {
			return fmt.Errorf("%w: the counts of what was dropped: %w", errDamaged, err)
		}
	}
	if d.Base != b.journal.base {
		d.InJournal, d.Base = 0, b.journal.base
	}
	if n <= d.InJournal {
		return nil
	}
	d.Damaged += n - d.InJournal
	d.UnreportedDamaged += n - d.InJournal
	d.InJournal = n
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return meta.Put(metaDropped, text)
}

func (b *Buffer) apply(c change) error {
	bucket := b.tx.Bucket(buckets[c.bucket])
	if bucket == nil {
		return fmt.Errorf("%w: the bucket %s is missing", errDamaged, buckets[c.bucket])
	}
	if c.value == nil {
		return bucket.Delete(c.key)
	}
	return bucket.Put(c.key, c.value)
}

// rewind undoes what was changed since the journal was written last.
func (b *Buffer) rewind() error {
	return guard(func() error {
		if err := b.tx.Rollback(); err != nil && !errors.Is(err, bolterrors.ErrTxClosed) {
			return err
		}
		var err error
		if b.tx, err = b.db.Begin(true); err != nil {
			return err
		}
		frames, err := b.journal.written()
		if err != nil {
			return err
		}
		return b.redo(frames)
	})
}
