package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"nrd/collector/store"
)

// PutAnchor is documented at [store.Store].
func (s *Store) PutAnchor(ctx context.Context, a store.Anchor, forget time.Time) error {
	data, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return write(ctx, s.site.db, func(tx *sql.Tx) error {
		if _, err := tx.Exec(`DELETE FROM anchor WHERE device=? AND unixepoch(data->>'At')<?`, a.Device, forget.Unix()); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT OR IGNORE INTO anchor VALUES (?, ?, ?, ?, ?)`, a.Device, a.BootID, int64(a.Monotonic), string(a.Source), string(data))
		return err
	})
}

// Anchors is documented at [store.Store].
func (s *Store) Anchors(ctx context.Context, device, bootID string) ([]store.Anchor, error) {
	return list(ctx, s.site.db, scanJSON[store.Anchor], `SELECT data FROM anchor WHERE device=? AND boot=? ORDER BY monotonic, source`, device, bootID)
}
