package uplink

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"nrd/internal/sealed"
)

// What is in the buffer is sealed under keys of the buffer's own, and these under
// the machine's key, in two files with the same content, so that one damaged
// file costs nothing. A new machine key needs no more than these files written
// anew: see Rekey.
//
// A file is a number of boxes, each preceded by its length in two bytes. Every one
// holds all of the buffer's keys, newest first, sealed under a machine key: the
// present one and, while that is being replaced, the next.
var keyFiles = []string{"keys.1", "keys.2"}

// The purposes for which keys are derived from the machine's.
const (
	// purposeItems is what items of a buffer of format 1 are sealed for.
	purposeItems = "uplink buffer"
	purposeKeys  = "uplink buffer keys"
)

// errNoKeys says that the folder has no key files.
var errNoKeys = errors.New("the buffer's key files are missing")

// keys is the buffer's own keys, newest first: it seals, all of them open.
type keys []*sealed.Key

func (k keys) Seal(plaintext, aad []byte) []byte { return k[0].Seal(plaintext, aad) }

func (k keys) Open(box, aad []byte) ([]byte, error) {
	for _, key := range k {
		if plaintext, err := key.Open(box, aad); err == nil {
			return plaintext, nil
		}
	}
	return nil, sealed.ErrDamaged
}

// wrap seals all keys under a machine key's.
func (k keys) wrap(under *sealed.Key) []byte {
	var raw []byte
	for _, key := range k {
		raw = append(raw, key.Bytes()...)
	}
	return under.Derive(purposeKeys).Seal(raw, []byte(purposeKeys))
}

// unwrap is the way back.
func unwrap(box []byte, under *sealed.Key) (keys, error) {
	raw, err := under.Derive(purposeKeys).Open(box, []byte(purposeKeys))
	if err != nil {
		return nil, err
	}
	var k keys
	for part := range slices.Chunk(raw, 32) {
		key, err := sealed.ParseKey(part)
		if err != nil {
			return nil, err
		}
		k = append(k, key)
	}
	return k, nil
}

// readKeys gives the buffer's keys and in how many boxes the files hold them.
// The error is errNoKeys or ErrKey.
func readKeys(dir string, machine *sealed.Key) (k keys, boxes int, err error) {
	present := false
	for _, name := range keyFiles {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		present = true
		all := parseBoxes(data)
		for _, box := range all {
			if k, err := unwrap(box, machine); err == nil && len(k) > 0 {
				return k, len(all), nil
			}
		}
	}
	if present {
		return nil, 0, ErrKey
	}
	return nil, 0, errNoKeys
}

// parseBoxes reads a key file, which may be damaged, as far as it makes sense.
func parseBoxes(data []byte) [][]byte {
	var boxes [][]byte
	for len(data) > 2 {
		n := 2 + int(data[0])<<8 + int(data[1])
		if n > len(data) {
			break
		}
		boxes = append(boxes, data[2:n])
		data = data[n:]
	}
	return boxes
}

// writeKeys replaces both files; the keys open under each of the machine keys.
func writeKeys(dir string, k keys, under ...*sealed.Key) error {
	var data []byte
	for _, machine := range under {
		box := k.wrap(machine)
		data = append(append(data, byte(len(box)>>8), byte(len(box))), box...)
	}
	for _, name := range keyFiles {
		if err := sealed.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// openKeys finds the keys of the buffer or, for a new one, draws one. legacy
// says that they are those of format 1, which are not in files yet.
//
// The first start with a machine key that Rekey prepared ends the rotation: what
// the old one could open is written over, and what comes from now on is sealed
// under a key that the old one never opened.
func (b *Buffer) openKeys() (legacy bool, err error) {
	k, boxes, err := readKeys(b.dir, b.machine)
	switch {
	case errors.Is(err, errNoKeys):
		b.replacing = false
		if _, err := os.Stat(b.databasePath()); err == nil {
			b.key = keys{b.machine.Derive(purposeItems)}
			return true, nil
		}
		b.key = keys{sealed.NewKey()}
		return false, writeKeys(b.dir, b.key, b.machine)
	case err != nil:
		return false, err
	}
	b.key, b.replacing = k, boxes > 1
	switch {
	case b.replacing && b.opensLast():
		b.log.Info("the buffer has a new machine key")
		b.key, b.replacing = append(keys{sealed.NewKey()}, b.key...), false
	case b.replacing || sameFiles(b.dir):
		return false, nil
	}
	return false, writeKeys(b.dir, b.key, b.machine)
}

// opensLast reports whether the machine key is the newest that the files are
// sealed under, and not the one that is to be replaced.
func (b *Buffer) opensLast() bool {
	for _, name := range keyFiles {
		data, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			continue
		}
		boxes := parseBoxes(data)
		if len(boxes) == 0 {
			continue
		}
		if _, err := unwrap(boxes[len(boxes)-1], b.machine); err == nil {
			return true
		}
	}
	return false
}

// sameFiles reports whether neither file was damaged or lost.
func sameFiles(dir string) bool {
	one, err := os.ReadFile(filepath.Join(dir, keyFiles[0]))
	if err != nil {
		return false
	}
	two, err := os.ReadFile(filepath.Join(dir, keyFiles[1]))
	return err == nil && bytes.Equal(one, two)
}

// forgetOldKeys drops the keys that nothing in an empty buffer is sealed under.
func (b *Buffer) forgetOldKeys() error {
	if len(b.key) == 1 || b.replacing {
		return nil
	}
	fresh := b.key[:1]
	if err := writeKeys(b.dir, fresh, b.machine); err != nil {
		return err
	}
	b.key = fresh
	return nil
}

// Rekey prepares the buffer for another machine key: from now on it opens under
// the present and the next one, whichever the unit is left with when the power
// goes. When it is opened under the next one for the first time, the present one
// opens it no more, and what is appended from then on is sealed under a key that
// the present one never opened. A file system that keeps old blocks may still
// hold the old wrapping; so a key that has leaked endangers what is in the buffer
// now, and nothing that comes later.
func (b *Buffer) Rekey(next *sealed.Key) error {
	b.state.Lock()
	defer b.state.Unlock()
	if err := writeKeys(b.dir, b.key, b.machine, next); err != nil {
		return fmt.Errorf("buffer %s: %w", b.dir, err)
	}
	b.replacing = true
	return nil
}
