package uplink

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// errPages marks damage that bbolt met while it held locks: the database can be
// neither used nor closed any more.
var errPages = fmt.Errorf("%w: the database's pages make no sense", errDamaged)

// guard turns a panic of bbolt over pages that make no sense into errPages.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPages, p)
		}
	}()
	return f()
}

// look reads the database. The error is errPages where its pages make no sense.
func (b *Buffer) look(f func(tx *bbolt.Tx) error) error {
	return guard(func() error { return b.db.View(f) })
}

// view is look for everybody but the writer, who heals the database while nobody
// looks at it.
func (b *Buffer) view(f func(tx *bbolt.Tx) error) error {
	b.healing.RLock()
	defer b.healing.RUnlock()
	err := b.look(f)
	if errors.Is(err, errPages) {
		select {
		case b.suspect <- err:
		default:
		}
	}
	return err
}

// update is bbolt's Update, except that a failed commit never leaves the
// database locked. The error is errPages where its pages make no sense.
func (b *Buffer) update(f func(tx *bbolt.Tx) error) error {
	return guard(func() error {
		tx, err := b.db.Begin(true)
		if err != nil {
			return err
		}
		err = f(tx)
		if err == nil {
			err = tx.Commit()
		}
		if err == nil {
			return nil
		}
		if rollbackErr := tx.Rollback(); !errors.Is(rollbackErr, bolterrors.ErrTxClosed) {
			return errors.Join(err, rollbackErr)
		}
		return err
	})
}
