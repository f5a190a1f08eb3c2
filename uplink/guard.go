package uplink

import (
	"errors"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"
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

// view looks at the buffer as it is on stable storage: it waits while a batch is
// being written. Where the database's pages make no sense the writer is asked to
// heal it.
func (b *Buffer) view(f func(tx *bbolt.Tx) error) error {
	b.state.Lock()
	defer b.state.Unlock()
	if b.tx == nil {
		return ErrClosed
	}
	err := guard(func() error { return f(b.tx) })
	if errors.Is(err, errPages) {
		select {
		case b.suspect <- err:
		default:
		}
	}
	return err
}
