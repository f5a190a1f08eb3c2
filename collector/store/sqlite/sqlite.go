// Package sqlite is the store of one machine: SQLite files of its own, encrypted,
// in one folder.
//
//	DIR/lock                     held by the process that has the store open
//	DIR/site.db                  accounts, access log, devices, the days' keys
//	DIR/days/2026-11-23/records.db  the records captured on that UTC day
//	DIR/days/2026-11-23/images      their images, one sealed box behind the other
//
// Each day has a random key of its own, which stands in site.db sealed under the
// master key; site.db is encrypted under a key derived from the master key.
// [Store.RemoveDay] destroys a day's key and unlinks its files, so that nothing of
// the day is left in free pages or write-ahead logs.
//
// Items are found by key without an index of all keys: site.db knows between
// which sequences a device's items of a day lie.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/sealed"
)

// Names in the store's folder.
const (
	lockFile   = "lock"
	siteFile   = "site.db"
	daysFolder = "days"
)

// Config says where a store is and what opens it.
type Config struct {
	// Dir is made where it is missing, readable by its owner only.
	Dir string
	// Key is the site's master key. Without it the store cannot be read.
	Key   *sealed.Key
	Clock nrd.Clock
	Log   *slog.Logger
}

// Store implements [store.Store] with SQLite.
type Store struct {
	config    Config
	lock      *os.File
	site      *site
	days      *days
	inserting sync.Mutex
}

var _ store.Store = (*Store)(nil)

// Open opens the store in config.Dir, or makes an empty one. The errors are
// ErrInUse, ErrKey, store.ErrFull and those of the file system.
func Open(config Config) (_ *Store, err error) {
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if err := sealed.MakeDir(filepath.Join(config.Dir, daysFolder)); err != nil {
		return nil, explain(err)
	}
	s := &Store{config: config}
	if s.lock, err = lock(filepath.Join(config.Dir, lockFile)); err != nil {
		return nil, err
	}
	if s.site, err = openSite(filepath.Join(config.Dir, siteFile), config.Key); err != nil {
		return nil, errors.Join(explainAt(config.Dir, err), s.lock.Close())
	}
	s.days = newDays(filepath.Join(config.Dir, daysFolder), s.site, config.Log)
	lost, err := s.days.withoutKey(context.Background())
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, day := range lost {
		config.Log.Warn("this day has no key, so it cannot be read; its folder may be removed", "day", day)
	}
	s.finishReleases(context.Background())
	return s, nil
}

// lock takes the lock that goes with the process, however it ends.
func lock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explain(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return f, nil
}

// Close waits for what is under way and closes all files.
func (s *Store) Close() error {
	s.inserting.Lock()
	defer s.inserting.Unlock()
	s.days.close()
	return errors.Join(s.site.db.Close(), s.lock.Close())
}

// RemoveDay weeds a day (YYYY-MM-DD): it destroys the day's key and unlinks its
// files. A day that is not held is store.ErrNotFound.
func (s *Store) RemoveDay(ctx context.Context, day string) error {
	s.inserting.Lock()
	defer s.inserting.Unlock()
	return explain(s.days.remove(ctx, day))
}
