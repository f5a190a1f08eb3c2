package uplink

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Hold keeps the buffer in the folder from being opened until the result is
// closed, for who needs the unit's agent to stand still. It touches nothing in the
// folder. The error is ErrInUse while the agent runs, and fs.ErrNotExist where
// there is no buffer yet.
func Hold(dir string) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("buffer %s: %w", dir, err), f.Close())
	}
	return f, nil
}
