package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"nrd/collector/store"
)

// importsKept is how many imports of a list are kept, those that wait beside them.
const importsKept = 1000

// ChangeList is documented at [store.Store].
func (s *Store) ChangeList(ctx context.Context, name string, change func(*store.List) error) error {
	return write(ctx, s.site.db, func(tx *sql.Tx) error { return changeList(ctx, tx, name, change) })
}

func changeList(ctx context.Context, tx *sql.Tx, name string, change func(*store.List) error) error {
	l, err := get[store.List](ctx, tx, "list", name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	l.Name = name
	if err := change(&l); err != nil {
		return err
	}
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO list VALUES (?, ?)`, name, string(data))
	return err
}

// List is documented at [store.Store].
func (s *Store) List(ctx context.Context, name string) (store.List, error) {
	return get[store.List](ctx, s.site.db, "list", name)
}

// Lists answers all by name.
func (s *Store) Lists(ctx context.Context) ([]store.List, error) {
	return list(ctx, s.site.db, scanJSON[store.List], `SELECT data FROM list ORDER BY name`)
}

// ChangeEntries is documented at [store.Store]. What was taken away is gone also from
// the database's free pages and write-ahead log.
func (s *Store) ChangeEntries(ctx context.Context, name string, c store.EntryChange, r store.Retrospect) error {
	err := write(ctx, s.site.db, func(tx *sql.Tx) error {
		if err := removeEntries(tx, name, c); err != nil {
			return err
		}
		for i := range c.Put {
			if err := putEntry(tx, name, &c.Put[i]); err != nil {
				return err
			}
		}
		if err := addRetrospect(tx, r); err != nil {
			return err
		}
		return changeList(ctx, tx, name, func(l *store.List) error {
			l.Changes++
			return nil
		})
	})
	if err != nil || len(c.Remove) == 0 && !c.All {
		return err
	}
	return truncateWAL(s.site.db)
}

func removeEntries(tx *sql.Tx, name string, c store.EntryChange) error {
	if c.All {
		_, err := tx.Exec(`DELETE FROM list_entry WHERE list=?`, name)
		return err
	}
	for _, id := range c.Remove {
		if err := one(tx.Exec(`DELETE FROM list_entry WHERE list=? AND id=?`, name, int64(id))); err != nil {
			return fmt.Errorf("entry %d of %s: %w", id, name, err)
		}
	}
	return nil
}

// one wants that a statement changed a row.
func one(result sql.Result, err error) error {
	var is bool
	if err := changed(result, err, &is); err != nil {
		return err
	}
	if !is {
		return store.ErrNotFound
	}
	return nil
}

func putEntry(tx *sql.Tx, name string, e *store.ListEntry) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if e.ID == 0 {
		_, err = tx.Exec(`INSERT INTO list_entry VALUES (NULL, ?, ?, ?, ?)`, name, string(e.VRM), e.Reference, string(data))
	} else {
		err = one(tx.Exec(`UPDATE list_entry SET vrm=?, reference=?, data=? WHERE list=? AND id=?`, string(e.VRM), e.Reference, string(data), name, int64(e.ID)))
	}
	if errors.Is(err, sqlite3.CONSTRAINT) {
		err = store.ErrExists
	}
	if err != nil {
		return fmt.Errorf("an entry of %s: %w", name, err)
	}
	return nil
}

// Entries is documented at [store.Store].
func (s *Store) Entries(ctx context.Context, q store.EntryQuery) ([]store.ListEntry, error) {
	limit, err := limitOf(q.Limit)
	if err != nil {
		return nil, err
	}
	query := `SELECT id, data FROM list_entry WHERE list=? AND (vrm, reference)>(?, ?)`
	args := []any{q.List, string(q.After.VRM), q.After.Reference}
	if q.After == (store.EntryKey{}) {
		query, args = `SELECT id, data FROM list_entry WHERE list=?`, args[:1]
	}
	if q.VRM != "" {
		query += ` AND vrm=?`
		args = append(args, string(q.VRM))
	}
	return list(ctx, s.site.db, func(scan scanner) (e store.ListEntry, err error) {
		var id int64
		var data string
		if err := scan(&id, &data); err != nil {
			return e, err
		}
		err = json.Unmarshal([]byte(data), &e)
		e.ID, e.List = uint64(id), q.List
		return e, err
	}, query+` ORDER BY vrm, reference LIMIT ?`, append(args, limit)...)
}

// limitOf completes the limit of a query.
func limitOf(limit int) (int, error) {
	switch {
	case limit < 0 || limit > store.MaxLimit:
		return 0, fmt.Errorf("%w: the limit is %d; 1 to %d are possible", store.ErrQuery, limit, store.MaxLimit)
	case limit == 0:
		return store.DefaultLimit, nil
	}
	return limit, nil
}

// PutImport is documented at [store.Store].
func (s *Store) PutImport(ctx context.Context, i store.ListImport) (store.ListImport, error) {
	err := write(ctx, s.site.db, func(tx *sql.Tx) error { return putImport(tx, &i) })
	return i, err
}

func putImport(tx *sql.Tx, i *store.ListImport) error {
	data, err := json.Marshal(i)
	if err != nil {
		return err
	}
	if i.ID != 0 {
		return one(tx.Exec(`UPDATE list_import SET state=?, data=? WHERE id=?`, string(i.State), string(data), int64(i.ID)))
	}
	var id int64
	if err := tx.QueryRow(`INSERT INTO list_import VALUES (NULL, ?, ?, ?) RETURNING id`, i.List, string(i.State), string(data)).Scan(&id); err != nil {
		return err
	}
	i.ID = uint64(id)
	_, err = tx.Exec(`DELETE FROM list_import WHERE list=? AND state<>'held' AND id<=(
		SELECT id FROM list_import WHERE list=? ORDER BY id DESC LIMIT 1 OFFSET ?)`, i.List, i.List, importsKept)
	return err
}

func scanImport(scan scanner) (i store.ListImport, err error) {
	var id int64
	var data string
	if err := scan(&id, &data); err != nil {
		return i, err
	}
	err = json.Unmarshal([]byte(data), &i)
	i.ID = uint64(id)
	return i, err
}

// Import is documented at [store.Store].
func (s *Store) Import(ctx context.Context, id uint64) (store.ListImport, error) {
	i, err := scanImport(s.site.db.QueryRowContext(ctx, `SELECT id, data FROM list_import WHERE id=?`, int64(id)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("import %d: %w", id, store.ErrNotFound)
	}
	return i, err
}

// Imports is documented at [store.Store].
func (s *Store) Imports(ctx context.Context, name string, limit int) ([]store.ListImport, error) {
	limit, err := limitOf(limit)
	if err != nil {
		return nil, err
	}
	if name == "" {
		return list(ctx, s.site.db, scanImport, `SELECT id, data FROM list_import ORDER BY id DESC LIMIT ?`, limit)
	}
	return list(ctx, s.site.db, scanImport, `SELECT id, data FROM list_import WHERE list=? ORDER BY id DESC LIMIT ?`, name, limit)
}

// HeldImports is documented at [store.Store].
func (s *Store) HeldImports(ctx context.Context) ([]store.ListImport, error) {
	return list(ctx, s.site.db, scanImport, `SELECT id, data FROM list_import WHERE state='held' ORDER BY id DESC`)
}

// WholeImport is documented at [store.Store].
func (s *Store) WholeImport(ctx context.Context, name, text string) (store.ListImport, error) {
	i, err := scanImport(s.site.db.QueryRowContext(ctx, `SELECT id, data FROM list_import WHERE list=? AND state IN ('loaded', 'approved')
		AND data->>'Operation'='replace' AND data->>'Text'=? ORDER BY id DESC LIMIT 1`, name, text).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("a whole file of %s with this text: %w", name, store.ErrNotFound)
	}
	return i, err
}

// PutInForce is documented at [store.Store].
func (s *Store) PutInForce(ctx context.Context, i store.ListImport, r store.Retrospect, change func(*store.List) error) error {
	return write(ctx, s.site.db, func(tx *sql.Tx) error {
		if err := changeList(ctx, tx, i.List, change); err != nil {
			return err
		}
		if err := putImport(tx, &i); err != nil {
			return err
		}
		return addRetrospect(tx, r)
	})
}

func addRetrospect(tx *sql.Tx, r store.Retrospect) error {
	if len(r.Marks) == 0 && r.Unmade == "" {
		return nil
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO list_retrospect VALUES (NULL, ?)`, string(data))
	return err
}

// Retrospects is documented at [store.Store].
func (s *Store) Retrospects(ctx context.Context) ([]store.Retrospect, error) {
	return list(ctx, s.site.db, func(scan scanner) (r store.Retrospect, err error) {
		var id int64
		var data string
		if err := scan(&id, &data); err != nil {
			return r, err
		}
		err = json.Unmarshal([]byte(data), &r)
		r.ID = uint64(id)
		return r, err
	}, `SELECT id, data FROM list_retrospect ORDER BY id`)
}

// RemoveRetrospect is documented at [store.Store].
func (s *Store) RemoveRetrospect(ctx context.Context, id uint64) error {
	return write(ctx, s.site.db, func(tx *sql.Tx) error {
		_, err := tx.Exec(`DELETE FROM list_retrospect WHERE id=?`, int64(id))
		return err
	})
}
