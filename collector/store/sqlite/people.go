package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"nrd/collector/store"
)

// Accounts and devices are few: each is one row of JSON.

func put(ctx context.Context, db *sql.DB, table, name string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return write(ctx, db, func(tx *sql.Tx) error {
		_, err := tx.Exec(`INSERT OR REPLACE INTO `+table+` VALUES (?, ?)`, name, string(data))
		return err
	})
}

func get[T any](ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, table, name string) (T, error) {
	value, err := scanJSON[T](db.QueryRowContext(ctx, `SELECT data FROM `+table+` WHERE name=?`, name).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = store.ErrNotFound
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", table, name, err)
	}
	return value, err
}

func scanJSON[T any](scan scanner) (value T, err error) {
	var data string
	if err := scan(&data); err != nil {
		return value, err
	}
	return value, json.Unmarshal([]byte(data), &value)
}

// PutAccount is documented at [store.Store].
func (s *Store) PutAccount(ctx context.Context, a store.Account) error {
	return put(ctx, s.site.db, "account", a.Name, a)
}

// Account is documented at [store.Store].
func (s *Store) Account(ctx context.Context, name string) (store.Account, error) {
	return get[store.Account](ctx, s.site.db, "account", name)
}

// Accounts lists all by name, the removed ones too.
func (s *Store) Accounts(ctx context.Context) ([]store.Account, error) {
	return list(ctx, s.site.db, scanJSON[store.Account], `SELECT data FROM account ORDER BY name`)
}

// ChangeDevice is documented at [store.Store].
func (s *Store) ChangeDevice(ctx context.Context, name string, change func(*store.Device) error) error {
	return write(ctx, s.site.db, func(tx *sql.Tx) error { return changeDevice(ctx, tx, name, change) })
}

func changeDevice(ctx context.Context, tx *sql.Tx, name string, change func(*store.Device) error) error {
	d, err := get[store.Device](ctx, tx, "device", name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	d.Name = name
	if err := change(&d); err != nil {
		return err
	}
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT OR REPLACE INTO device VALUES (?, ?)`, name, string(data))
	return err
}

// Device answers store.ErrNotFound for a name never heard of.
func (s *Store) Device(ctx context.Context, name string) (store.Device, error) {
	return get[store.Device](ctx, s.site.db, "device", name)
}

// Devices lists all by name.
func (s *Store) Devices(ctx context.Context) ([]store.Device, error) {
	return list(ctx, s.site.db, scanJSON[store.Device], `SELECT data FROM device ORDER BY name`)
}

// Seen is documented at [store.Store].
func (s *Store) Seen(ctx context.Context, heard ...store.Heard) error {
	return write(ctx, s.site.db, func(tx *sql.Tx) error {
		for _, h := range heard {
			if err := seen(ctx, tx, h); err != nil {
				return err
			}
		}
		return nil
	})
}

func seen(ctx context.Context, tx *sql.Tx, h store.Heard) error {
	return changeDevice(ctx, tx, h.Device, func(d *store.Device) error {
		d.LastSeen = h.At
		if h.Status != nil {
			d.Status = h.Status
		}
		if h.Rival {
			d.Copied = h.At
		}
		return nil
	})
}
