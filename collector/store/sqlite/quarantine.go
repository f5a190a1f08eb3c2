package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"nrd"
	"nrd/collector/store"
)

// Quarantine is documented at [store.Store].
func (s *Store) Quarantine(ctx context.Context, limit int) ([]store.Item, error) {
	var items []store.Item
	return items, s.eachQuarantine(ctx, func(d *day) error {
		if len(items) >= limit {
			return nil
		}
		more, err := list(ctx, d.db, scanQuarantined, quarantinedAs(``)+` ORDER BY q.id DESC LIMIT ?`, limit-len(items))
		items = append(items, more...)
		return err
	})
}

// eachQuarantine calls f with each day in which something was set aside, newest
// first.
func (s *Store) eachQuarantine(ctx context.Context, f func(*day) error) error {
	days, err := s.site.days(ctx)
	if err != nil {
		return err
	}
	for _, name := range days {
		t, err := s.days.total(ctx, name)
		if err == nil && t.quarantined > 0 {
			err = s.days.with(ctx, name, f)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) { // weeded meanwhile
			return fmt.Errorf("day %s: %w", name, err)
		}
	}
	return nil
}

// quarantinedAs selects what scanQuarantined reads, and more columns behind it.
func quarantinedAs(more string) string {
	return `SELECT s.device, s.epoch, q.sequence, q.kind, q.received, q.digest, q.patch, q.overview,
		q.width, q.height, q.reason, q.data` + more + ` FROM quarantine q JOIN source s ON s.id=q.source`
}

func scanQuarantined(scan scanner) (store.Item, error) {
	var i store.Item
	var epoch, sequence, received int64
	var digest, patch, overview, data []byte
	if err := scan(&i.Key.Device, &epoch, &sequence, &i.Kind, &received, &digest, &patch, &overview,
		&i.Image.Width, &i.Image.Height, &i.Quarantine, &data); err != nil {
		return i, err
	}
	i.Key.Epoch, i.Key.Sequence, i.Received = uint64(epoch), uint64(sequence), time.Unix(0, received).UTC()
	copy(i.Digest[:], digest)
	copy(i.PatchDigest[:], patch)
	copy(i.OverviewDigest[:], overview)
	var err error
	switch i.Kind {
	case store.KindRecord:
		i.Payload = data
		i.Record, err = decode(data)
	case store.KindEvent:
		i.Event = data
	default:
		i.Image.JPEG = data
	}
	return i, err
}

// Quarantined is documented at [store.Store].
func (s *Store) Quarantined(ctx context.Context, key nrd.Key) ([]store.Item, error) {
	days, err := s.site.daysOf(ctx, key)
	if err != nil {
		return nil, err
	}
	var items []store.Item
	for _, name := range days {
		err := s.days.with(ctx, name, func(d *day) error {
			more, err := list(ctx, d.db, scanQuarantined, quarantinedAs(``)+underKey, key.Device, int64(key.Epoch), int64(key.Sequence))
			items = append(items, more...)
			return err
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("day %s: %w", name, err)
		}
	}
	return items, nil
}

const underKey = ` WHERE s.device=? AND s.epoch=? AND q.sequence=? ORDER BY q.id`

// Unproved is documented at [store.Store].
func (s *Store) Unproved(ctx context.Context, device, bootID string) ([]store.Unproved, error) {
	var waiting []store.Unproved
	if bootID == "" {
		return nil, nil // no start of the unit is meant
	}
	return waiting, s.eachQuarantine(ctx, func(d *day) error {
		more, err := list(ctx, d.db, func(scan scanner) (store.Unproved, error) {
			item, err := scanQuarantined(scan)
			if err != nil {
				return store.Unproved{}, err
			}
			return store.Unproved{Key: item.Key, Captured: item.Record.Captured}, nil
		}, quarantinedAs(``)+` WHERE q.boot=? AND s.device=? ORDER BY q.id`, bootID, device)
		waiting = append(waiting, more...)
		return err
	})
}

// setAside is a row of the quarantine and the day that it is in.
type setAside struct {
	store.Item
	day string
	id  int64
}

// Release is documented at [store.Store]. A crash between the two commits leaves
// a copy in quarantine, which the next start removes.
func (s *Store) Release(ctx context.Context, releases []store.Release) ([]store.StoredRecord, error) {
	s.inserting.Lock()
	defer s.inserting.Unlock()
	b := newBatch(ctx, s)
	var held []nrd.Key
	err := func() error {
		for _, r := range releases {
			ok, err := b.release(r)
			if err != nil {
				return fmt.Errorf("releasing %s: %w", r.Key, err)
			}
			if ok {
				held = append(held, r.Key)
			}
		}
		return b.commit()
	}()
	if err = errors.Join(err, b.close()); err != nil {
		return nil, explainAt(s.config.Dir, err)
	}
	records := make([]store.StoredRecord, 0, len(held))
	for _, key := range held {
		r, err := s.Record(ctx, key)
		if err != nil {
			return nil, err
		}
		records = append(records, *r)
	}
	return records, nil
}

// release files one record and its images, and reports whether it could.
func (b *batch) release(r store.Release) (bool, error) {
	rows, err := b.setAside(r.Key)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(rows, func(row setAside) bool { return row.Kind == store.KindRecord })
	if i < 0 {
		return false, nil
	}
	record := &rows[i]
	h, err := b.held(&record.Item)
	if err != nil || h.digest != nil && !bytes.Equal(h.digest, record.Digest[:]) {
		return false, err
	}
	if h.digest == nil {
		correction := r.Correction
		correction.Quarantined, record.Correction = record.Quarantine, &correction
		result, err := b.insertRecord(&record.Item, "")
		if err != nil || result.Outcome != store.Stored {
			return false, err
		}
	}
	b.released = append(b.released, *record)
	for i := range rows {
		if isImage(rows[i].Kind) {
			if err := b.releaseImage(rows[i]); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

// releaseImage puts an image beside its released record. One that the record
// does not announce stays where it is.
func (b *batch) releaseImage(row setAside) error {
	h, err := b.held(&row.Item)
	if err != nil || h.record == nil || h.unannounced(&row.Item) != "" {
		return err
	}
	if h.digest == nil {
		if _, err := b.insertImage(&row.Item, "", h); err != nil {
			return err
		}
	}
	b.released = append(b.released, row)
	return nil
}

// setAside lists what is quarantined under a key, oldest first in each day.
func (b *batch) setAside(key nrd.Key) ([]setAside, error) {
	places, err := b.candidates(key)
	if err != nil {
		return nil, err
	}
	var rows []setAside
	for _, d := range places {
		more, err := list(b.ctx, d.tx, func(scan scanner) (setAside, error) {
			row := setAside{day: d.name}
			var err error
			row.Item, err = scanQuarantined(func(columns ...any) error { return scan(append(columns, &row.id)...) })
			return row, err
		}, quarantinedAs(`, q.id`)+underKey, key.Device, int64(key.Epoch), int64(key.Sequence))
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// removeReleased takes out of quarantine what is committed elsewhere.
func (b *batch) removeReleased() error {
	byDay := map[string][]int64{}
	for _, row := range b.released {
		byDay[row.day] = append(byDay[row.day], row.id)
	}
	for name, ids := range byDay {
		d := b.days[name].day
		err := write(b.ctx, d.db, func(tx *sql.Tx) error {
			for _, id := range ids {
				if _, err := tx.Exec(`DELETE FROM quarantine WHERE id=?`, id); err != nil {
					return err
				}
			}
			_, err := tx.Exec(`UPDATE total SET quarantined=quarantined-?`, len(ids))
			return err
		})
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.total.quarantined -= uint64(len(ids))
		d.mu.Unlock()
	}
	return nil
}
