package sqlite

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"nrd"
	"nrd/collector/store"
)

// finishAtOnce is how many keys one batch looks at.
const finishAtOnce = 500

// finishReleases removes from quarantine the copies of what was filed already:
// a release commits the day that it files a record in before the one that the
// record leaves, and a crash may come between. A day that cannot be read is left
// for who asks for it.
func (s *Store) finishReleases(ctx context.Context) {
	var keys []nrd.Key
	err := s.eachQuarantine(ctx, func(d *day) error {
		more, err := list(ctx, d.db, func(scan scanner) (key nrd.Key, err error) {
			var epoch, sequence int64
			err = scan(&key.Device, &epoch, &sequence)
			key.Epoch, key.Sequence = uint64(epoch), uint64(sequence)
			return key, err
		}, `SELECT s.device, s.epoch, q.sequence FROM quarantine q JOIN source s ON s.id=q.source WHERE q.kind='record'`)
		keys = append(keys, more...)
		return err
	})
	for chunk := range slices.Chunk(keys, finishAtOnce) {
		err = errors.Join(err, s.finish(ctx, chunk))
	}
	if err != nil {
		s.config.Log.Error("whether a release from quarantine was cut off could not be seen", "error", explain(err))
	}
}

func (s *Store) finish(ctx context.Context, keys []nrd.Key) error {
	b := newBatch(ctx, s)
	err := func() error {
		for _, key := range keys {
			if err := b.finish(key); err != nil {
				return err
			}
		}
		return b.commit()
	}()
	return errors.Join(err, b.close())
}

// finish has the copies under a key removed, where the very same record is filed.
func (b *batch) finish(key nrd.Key) error {
	rows, err := b.setAside(key)
	if err != nil {
		return err
	}
	filed := func(row *setAside) (bool, error) {
		h, err := b.held(&row.Item)
		return bytes.Equal(h.digest, row.Digest[:]), err
	}
	record := slices.IndexFunc(rows, func(row setAside) bool { return row.Kind == store.KindRecord })
	if record < 0 {
		return nil
	}
	if ok, err := filed(&rows[record]); !ok || err != nil {
		return err
	}
	for i := range rows {
		ok, err := filed(&rows[i])
		if err != nil {
			return err
		}
		if ok {
			b.released = append(b.released, rows[i])
		}
	}
	return nil
}
