package sqlite

import (
	"context"
	"database/sql"
	"time"

	"nrd/collector/store"
)

// RaiseAlarm is documented at [store.Store].
func (s *Store) RaiseAlarm(ctx context.Context, a store.Alarm) (raised bool, err error) {
	err = write(ctx, s.site.db, func(tx *sql.Tx) error {
		result, err := tx.Exec(`INSERT OR IGNORE INTO alarm VALUES (NULL, ?, ?, ?, NULL, ?)`, a.Device, a.Kind, a.Raised.UnixNano(), a.Text)
		return changed(result, err, &raised)
	})
	return raised, err
}

// ClearAlarm is documented at [store.Store].
func (s *Store) ClearAlarm(ctx context.Context, device, kind string, at time.Time) (cleared bool, err error) {
	err = write(ctx, s.site.db, func(tx *sql.Tx) error {
		result, err := tx.Exec(`UPDATE alarm SET cleared=? WHERE device=? AND kind=? AND cleared IS NULL`, at.UnixNano(), device, kind)
		return changed(result, err, &cleared)
	})
	return cleared, err
}

// changed says whether a statement changed anything.
func changed(result sql.Result, err error, is *bool) error {
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	*is = n > 0
	return err
}

func scanAlarm(scan scanner) (a store.Alarm, err error) {
	var raised int64
	var cleared sql.NullInt64
	err = scan(&a.Device, &a.Kind, &raised, &cleared, &a.Text)
	a.Raised = time.Unix(0, raised).UTC()
	if cleared.Valid {
		a.Cleared = time.Unix(0, cleared.Int64).UTC()
	}
	return a, err
}

// StandingAlarms is documented at [store.Store].
func (s *Store) StandingAlarms(ctx context.Context) ([]store.Alarm, error) {
	return list(ctx, s.site.db, scanAlarm, `SELECT device, kind, raised, cleared, text FROM alarm WHERE cleared IS NULL ORDER BY raised DESC, id DESC`)
}

// ClearedAlarms is documented at [store.Store].
func (s *Store) ClearedAlarms(ctx context.Context, limit int) ([]store.Alarm, error) {
	return list(ctx, s.site.db, scanAlarm, `SELECT device, kind, raised, cleared, text FROM alarm WHERE cleared IS NOT NULL ORDER BY cleared DESC, id DESC LIMIT ?`, limit)
}

// PutTraffic is documented at [store.Store].
func (s *Store) PutTraffic(ctx context.Context, forget time.Time, hours []store.Traffic) error {
	return write(ctx, s.site.db, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM traffic WHERE hour<?`, hourOf(forget)); err != nil {
			return err
		}
		for _, h := range hours {
			if _, err := tx.Exec(`INSERT OR REPLACE INTO traffic VALUES (?, ?, ?, ?, ?, ?)`,
				h.Device, hourOf(h.Hour), int64(h.Frames), int64(h.Reads), int64(h.Covered), h.Blind); err != nil {
				return err
			}
		}
		return nil
	})
}

// Traffic is documented at [store.Store].
func (s *Store) Traffic(ctx context.Context) ([]store.Traffic, error) {
	return list(ctx, s.site.db, func(scan scanner) (h store.Traffic, err error) {
		var hour, frames, reads, covered int64
		err = scan(&h.Device, &hour, &frames, &reads, &covered, &h.Blind)
		h.Hour, h.Frames, h.Reads, h.Covered = time.Unix(hour*3600, 0).UTC(), uint64(frames), uint64(reads), time.Duration(covered)
		return h, err
	}, `SELECT device, hour, frames, reads, covered, blind FROM traffic ORDER BY device, hour`)
}
