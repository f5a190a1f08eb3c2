package uplink

import (
	"errors"

	"go.etcd.io/bbolt"
)

// update changes the database behind the buffer's back and makes it durable.
func (b *Buffer) update(f func(tx *bbolt.Tx) error) error {
	b.state.Lock()
	defer b.state.Unlock()
	if err := f(b.tx); err != nil {
		return errors.Join(err, b.rewind())
	}
	return b.checkpoint()
}
