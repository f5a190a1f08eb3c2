package uplink

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"nrd/internal/sealed"
)

// A database never gives room back by itself. It is written anew when it is
// longer than compactFrom and more than half of it is free; while the buffer
// works only where what is left is copied in a moment.
const (
	compactFrom = 16 << 20
	compactMost = 32 << 20
)

// compact writes the database anew where that is worth it. It is called between
// two transactions. Whenever the power goes, the database is the old file or the
// new one, and both hold the same.
func (b *Buffer) compact() error {
	size, live, err := b.room()
	if err != nil || size < b.compactFrom || 2*live > size || b.working && live > compactMost {
		return err
	}
	if err := b.copyDatabase(); err != nil {
		// It goes on as it is: a full disk, most likely.
		b.log.Warn("the buffer's database could not be made shorter", "bytes", size, "error", err)
		return errors.Join(os.RemoveAll(b.compactPath()))
	}
	old := b.db
	if err := os.Rename(b.compactPath(), b.databasePath()); err != nil {
		return err
	}
	if err := errors.Join(old.Close(), sealed.SyncDir(b.dir)); err != nil {
		return err
	}
	b.log.Info("the buffer's database was made shorter", "from", size, "to", live)
	b.db, err = bbolt.Open(b.databasePath(), 0o600, databaseOptions())
	return err
}

// room is how much of the database's file was ever used and how much is in use.
func (b *Buffer) room() (size, live int64, err error) {
	err = b.db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	stats := b.db.Stats()
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(b.db.Info().PageSize)
	return size, size - free, err
}

func (b *Buffer) copyDatabase() error {
	options := databaseOptions()
	options.NoSync = true // once, at the end
	to, err := bbolt.Open(b.compactPath(), 0o600, options)
	if err != nil {
		return err
	}
	err = bbolt.Compact(to, b.db, 1<<20)
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	return nil
}

func (b *Buffer) compactPath() string { return b.databasePath() + ".compact" }
