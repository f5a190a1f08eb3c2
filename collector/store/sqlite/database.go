package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"
	_ "github.com/ncruces/go-sqlite3/vfs/adiantum" // the encrypting VFS

	"nrd/internal/sealed"
)

// openDatabase opens or makes an encrypted database. The key is given after
// opening, so that it is in no name or URI. WAL with synchronous FULL: a commit
// that returned survives a power cut.
func openDatabase(path string, key *sealed.Key, schema []string) (*sql.DB, error) {
	unlock := fmt.Sprintf(`PRAGMA hexkey='%s'`, hex.EncodeToString(key.Bytes()))
	db, err := driver.Open(uri(path, nil), func(c *sqlite3.Conn) error {
		if err := c.Exec(unlock); err != nil {
			return errors.New("the database did not take its key") // its text would show the key
		}
		return c.Exec(`
			PRAGMA busy_timeout=60000;
			PRAGMA temp_store=memory;
			PRAGMA journal_mode=WAL;
			PRAGMA synchronous=FULL;
			PRAGMA wal_autocheckpoint=4000;
			PRAGMA secure_delete=ON;
			PRAGMA trusted_schema=OFF`)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(2)
	if err := prepareSchema(db, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, explain(err)), db.Close())
	}
	return db, nil
}

// prepareSchema brings a database to the newest format: a schema is the
// statements of each format in turn, and a database says which it has come to.
// One that a newer version of central has changed is refused.
func prepareSchema(db *sql.DB, schema []string) error {
	var found int
	if err := db.QueryRow(`PRAGMA user_version`).Scan(&found); err != nil {
		return err
	}
	if found > len(schema) {
		return fmt.Errorf("the database has format %d, this program knows %d", found, len(schema))
	}
	if found == len(schema) {
		return nil
	}
	return write(context.Background(), db, func(tx *sql.Tx) error {
		_, err := tx.Exec(fmt.Sprintf("%s; PRAGMA user_version=%d", strings.Join(schema[found:], ";"), len(schema)))
		return err
	})
}

// write runs f in a transaction and commits it.
func write(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return explain(err)
	}
	if err := f(tx); err != nil {
		return explain(errors.Join(err, tx.Rollback()))
	}
	return explain(tx.Commit())
}

// scanner reads the columns of one row.
type scanner func(columns ...any) error

// list runs a query and reads all rows.
func list[T any](ctx context.Context, db interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, read func(scanner) (T, error), query string, args ...any) (_ []T, err error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	var all []T
	for rows.Next() {
		row, err := read(rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func scanText(scan scanner) (s string, err error) { return s, scan(&s) }

// truncateWAL moves everything into the database file and empties the log.
func truncateWAL(db *sql.DB) error {
	_, err := db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}

// uri names a database of the encrypting VFS. key is given where SQLite opens
// the database by itself, as the target of a backup.
func uri(path string, key *sealed.Key) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	query := url.Values{"vfs": {"adiantum"}}
	if key != nil {
		query.Set("hexkey", hex.EncodeToString(key.Bytes()))
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: query.Encode()}).String()
}
