package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/ncruces/go-sqlite3"

	"nrd/collector/store"
)

// ErrInUse says that another process has this store open.
var ErrInUse = errors.New("another process has this store open; a store belongs to one central at a time")

// ErrKey says that the master key is not the one the store was made with.
var ErrKey = errors.New("the master key does not open this store")

// ErrNotEmpty says that the folder a copy should go to holds something.
var ErrNotEmpty = errors.New("the folder is not empty; nothing is overwritten")

// ErrNoStore says that a folder holds no store.
var ErrNoStore = errors.New("the folder holds no store")

// explain gives an error of SQLite or of the file system the store's meaning.
func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sqlite3.FULL), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	case errors.Is(err, sqlite3.NOTADB):
		return fmt.Errorf("%w: %w", ErrKey, err)
	default:
		return err
	}
}

// fullBelow is the free space under which an I/O error means a full disk: where
// SQLite cannot grow its shared memory file it does not say why.
const fullBelow = 256 << 10

// explainAt is explain for an error met while a database in dir is opened or written.
func explainAt(dir string, err error) error {
	var free syscall.Statfs_t
	if errors.Is(err, sqlite3.IOERR) && !errors.Is(err, store.ErrFull) &&
		syscall.Statfs(dir, &free) == nil && free.Bavail*uint64(free.Bsize) < fullBelow {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return explain(err)
}

// gone leaves out the error of a file that is not there.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
