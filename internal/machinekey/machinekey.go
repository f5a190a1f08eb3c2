// Package machinekey gets the key that everything on a machine is sealed with
// from where it is kept, through one interface, [Keeper]:
//
//   - a file with the key itself, readable by its owner only;
//   - a file with the key sealed by the machine's TPM 2.0: a disk without its
//     machine gives nothing away, though the file lies on it;
//   - a systemd credential, which is either of the two as systemd passes it on,
//     and which systemd may have bound to the TPM on its own.
//
// A key is replaced in steps that a power cut may come between: [Next] makes the
// new one beside the old one, from then on [Load] gives a key that opens what either
// sealed, everything is sealed anew, and [Promote] puts the new one in the old
// one's place.
package machinekey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"nrd/internal/sealed"
)

// ErrFormat says that a key file is neither a key nor one sealed by a TPM.
var ErrFormat = errors.New("the file holds no key, neither plain nor sealed by a TPM")

// Keeper is where a machine's key is kept.
type Keeper interface {
	// Key gets the key.
	Key() (*sealed.Key, error)
	// Where says where the key is kept, for a person.
	Where() string
	// Destroy destroys the key for good: no copy of its file opens anything.
	Destroy() error
}

// At gives the keeper of a key file: its content says which kind it is.
func At(path string) (Keeper, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if !isBlob(data) {
		return plain(path), nil
	}
	b, err := parseBlob(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return inTPM{path, b}, nil
}

// Load gets the key of a file of either kind. While it is being replaced, it opens
// what was sealed under the next one too.
func Load(path string) (*sealed.Key, error) {
	key, err := load(path)
	if err != nil {
		return nil, err
	}
	next, err := load(nextPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return key, nil
	}
	if err != nil {
		return nil, err
	}
	return key.Also(next), nil
}

func load(path string) (*sealed.Key, error) {
	k, err := At(path)
	if err != nil {
		return nil, err
	}
	return k.Key()
}

// Create draws a key and keeps it in a new file: sealed by the TPM at device
// (/dev/tpmrm0, or a socket of swtpm), or as it is where device is empty. The
// error is sealed.ErrKeyExists where the file is there already.
func Create(path, device string) error {
	if device == "" {
		_, err := sealed.CreateKey(path)
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, sealed.ErrKeyExists)
	}
	b, err := seal(device, sealed.NewKey())
	if err != nil {
		return err
	}
	return sealed.WriteFile(path, b.text(), 0o600)
}

// nextPath is where the key lies that will take a key file's place.
func nextPath(path string) string { return path + ".next" }

// Next gives the key that will take the place of path's, and draws it, kept as
// Create does, unless a replacement that was broken off has left one.
func Next(path, device string) (*sealed.Key, error) {
	if err := Create(nextPath(path), device); err != nil && !errors.Is(err, sealed.ErrKeyExists) {
		return nil, err
	}
	return load(nextPath(path))
}

// Promote puts the next key in path's place. It is there after a power cut too.
func Promote(path string) error {
	if err := os.Rename(nextPath(path), path); err != nil {
		return err
	}
	return sealed.SyncDir(filepath.Dir(path))
}

// Destroy destroys the key of a file of either kind, and the one that was to take
// its place. What it cannot destroy it leaves, and says so.
func Destroy(path string) error {
	var errs []error
	for _, file := range []string{path, nextPath(path)} {
		k, err := At(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil: // it is no key of ours any more, whatever it is
			errs = append(errs, err, sealed.Destroy(file))
		default:
			errs = append(errs, k.Destroy())
		}
	}
	return errors.Join(errs...)
}

// plain is a file with the key itself.
type plain string

func (p plain) Key() (*sealed.Key, error) {
	key, err := sealed.LoadKey(string(p))
	if errors.Is(err, sealed.ErrKeyFormat) {
		return nil, errors.Join(fmt.Errorf("%s: %w", string(p), ErrFormat), err)
	}
	return key, err
}

func (p plain) Destroy() error { return sealed.Destroy(string(p)) }

func (p plain) Where() string { return "the file " + string(p) }
