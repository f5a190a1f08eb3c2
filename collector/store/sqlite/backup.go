package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ncruces/go-sqlite3/driver"

	"nrd/collector/store"
	"nrd/internal/sealed"
)

// Backup is documented at [store.Store]. Each day is copied as it stood at one
// moment, the site database after the days, so that it knows all of them.
func (s *Store) Backup(ctx context.Context, dir string, progress func(done, total int64)) error {
	if err := makeEmpty(dir); err != nil {
		return err
	}
	total, err := sizeOf(s.config.Dir)
	if err != nil {
		return err
	}
	c := &copying{ctx: ctx, total: total, progress: progress}
	days, err := s.site.days(ctx)
	if err != nil {
		return err
	}
	for _, name := range days {
		err := s.days.with(ctx, name, func(d *day) error { return s.backupDay(c, d, filepath.Join(dir, daysFolder, name)) })
		if err != nil && !errors.Is(err, store.ErrNotFound) { // weeded meanwhile
			return fmt.Errorf("backup of day %s: %w", name, err)
		}
	}
	key := s.config.Key.Derive(sitePurpose)
	if err := c.database(s.site.db, filepath.Join(dir, siteFile), key, nil); err != nil {
		return fmt.Errorf("backup of the site database: %w", explain(err))
	}
	if err := errors.Join(sealed.SyncDir(dir), sealed.SyncDir(filepath.Dir(dir))); err != nil {
		return explain(err)
	}
	c.finish()
	return nil
}

// backupDay copies a day's database and then the images that its rows point to.
func (s *Store) backupDay(c *copying, d *day, folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	key, err := s.site.dayKey(c.ctx, d.name)
	if err != nil {
		return err
	}
	var end int64
	path := filepath.Join(folder, recordsFile)
	if err := c.database(d.db, path, key.Derive(dayPurpose), func(tx *sql.Conn) error {
		return tx.QueryRowContext(c.ctx, `SELECT image_end FROM total`).Scan(&end)
	}); err != nil {
		return err
	}
	if err := c.file(io.NewSectionReader(d.images, 0, end), filepath.Join(folder, imagesFile)); err != nil {
		return err
	}
	return errors.Join(sealed.SyncDir(folder), sealed.SyncDir(filepath.Dir(folder)))
}

// Restore copies the backup in from to config.Dir, which must not exist or be
// empty, and checks every database of the copy with config.Key; where something
// is wrong the folder is emptied again. The errors are ErrNotEmpty, ErrNoStore, ErrKey and those of
// the file system.
func Restore(ctx context.Context, config Config, from string, progress func(done, total int64)) (err error) {
	if _, err := os.Stat(filepath.Join(from, siteFile)); err != nil {
		return fmt.Errorf("%s: %w", from, errors.Join(ErrNoStore, gone(err)))
	}
	if err := makeEmpty(config.Dir); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeContents(config.Dir))
		}
	}()
	total, err := sizeOf(from)
	if err != nil {
		return err
	}
	c := &copying{ctx: ctx, total: total, progress: progress}
	if err := c.tree(from, config.Dir); err != nil {
		return fmt.Errorf("restore: %w", explain(err))
	}
	if err := check(ctx, config); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	c.finish()
	return nil
}

// check opens a store and lets SQLite look at every database of it.
func check(ctx context.Context, config Config) (err error) {
	s, err := Open(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := quickCheck(ctx, s.site.db); err != nil {
		return fmt.Errorf("%s: %w", siteFile, err)
	}
	days, err := s.site.days(ctx)
	if err != nil {
		return err
	}
	for _, name := range days {
		if err := s.days.with(ctx, name, func(d *day) error { return quickCheck(ctx, d.db) }); err != nil {
			return fmt.Errorf("day %s: %w", name, err)
		}
	}
	return nil
}

func quickCheck(ctx context.Context, db *sql.DB) error {
	var answer string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&answer); err != nil {
		return explain(err)
	}
	if answer != "ok" {
		return fmt.Errorf("the database is damaged: %s", answer)
	}
	return nil
}

// copying copies and tells how far it is.
type copying struct {
	ctx         context.Context
	done, total int64
	progress    func(done, total int64)
}

func (c *copying) add(n int64) {
	c.done = min(c.done+n, c.total)
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
}

// finish tells the end: what was copied may differ from what was there when the
// total was taken.
func (c *copying) finish() { c.add(c.total) }

// database copies a database as it stands at one moment, and calls look (may be
// nil) in that moment. Writers go on meanwhile.
func (c *copying) database(db *sql.DB, path string, key *sealed.Key, look func(*sql.Conn) error) (err error) {
	conn, err := db.Conn(c.ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// The open read transaction holds the moment: without it each write would
	// make the copy begin again.
	if _, err := conn.ExecContext(c.ctx, `BEGIN; SELECT 1 FROM sqlite_schema`); err != nil {
		return err
	}
	defer func() {
		_, endErr := conn.ExecContext(context.WithoutCancel(c.ctx), `ROLLBACK`)
		err = errors.Join(err, endErr)
	}()
	if look != nil {
		if err := look(conn); err != nil {
			return err
		}
	}
	return conn.Raw(func(raw any) error {
		sqlite, ok := raw.(driver.Conn)
		if !ok {
			return fmt.Errorf("a connection to SQLite is a %T", raw)
		}
		return c.pages(sqlite, path, key)
	})
}

func (c *copying) pages(conn driver.Conn, path string, key *sealed.Key) (err error) {
	backup, err := conn.Raw().BackupInit("main", uri(path, key))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, backup.Close()) }()
	const pages, pageSize = 1024, 4096
	for {
		done, err := backup.Step(pages)
		if err != nil || done {
			return err
		}
		c.add(pages * pageSize)
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
}

// file copies a file and puts it on stable storage; it has its name only when
// it is whole.
func (c *copying) file(from io.Reader, path string) error {
	part := path + ".part"
	to, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = c.stream(from, to)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return errors.Join(os.Rename(part, path), sealed.SyncDir(filepath.Dir(path)))
}

func (c *copying) stream(from io.Reader, to io.Writer) error {
	for {
		n, err := io.CopyN(to, from, 4<<20)
		c.add(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = c.ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// tree copies a folder with everything in it.
func (c *copying) tree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case name == lockFile:
			return nil
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is not a plain file", path)
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(c.file(file, target), file.Close())
	})
}

// makeEmpty makes a folder, or finds it empty.
func makeEmpty(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return explain(err)
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	}
	return err
}

func removeContents(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, entry.Name())))
	}
	return err
}

func sizeOf(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return gone(err)
		}
		info, err := entry.Info()
		if err == nil {
			total += info.Size()
		}
		return gone(err)
	})
	return total, err
}
