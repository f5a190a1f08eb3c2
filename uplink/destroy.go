package uplink

import (
	"errors"
	"path/filepath"

	"nrd/internal/sealed"
)

// DestroyKeys destroys the keys of the buffer in dir, so that nobody can ever read
// it again, whatever keys they have. It works beside an open buffer.
func DestroyKeys(dir string) error {
	var errs []error
	for _, name := range keyFiles {
		errs = append(errs, sealed.Destroy(filepath.Join(dir, name)))
	}
	return errors.Join(errs...)
}
