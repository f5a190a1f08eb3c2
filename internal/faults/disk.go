package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"nrd/internal/powercut"
)

// The kinds of disk that a program's data can be on: the machine's own, one that
// loses what was not fsynced whenever the program is killed, and a small one that
// can be filled.
const (
	plainDisk = ""
	cutDisk   = "power cuts"
	smallDisk = "small"
)

// smallBytes is the size of a small disk.
const smallBytes = 48 << 20

// disk is what one program's data is on.
type disk struct {
	kind string
	// dir is where the program finds it, aside a folder for what a cut leaves.
	dir, aside string
	power      *powercut.Disk
}

// mountDisk puts a disk of a kind in the place of a folder, with what is in it.
func mountDisk(kind, dir string) (*disk, error) {
	d := &disk{kind: kind, dir: dir, aside: dir + ".aside"}
	if kind == plainDisk {
		return d, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Rename(dir, d.aside), os.Mkdir(dir, 0o700)); err != nil {
		return nil, err
	}
	var err error
	if kind == cutDisk {
		d.power, err = powercut.MountCopy(dir, d.aside)
	} else if err = unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallBytes)); err == nil {
		err = copyFolder(d.aside, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("a disk for %s (root's rights are needed): %w", dir, err)
	}
	return d, os.RemoveAll(d.aside)
}

// cut takes the power from a disk that nobody uses at the moment, and gives it
// back. It reports whether this disk knows such a thing.
func (d *disk) cut(survival powercut.Survival, seed uint64) (bool, error) {
	if d.kind != cutDisk {
		return false, nil
	}
	if err := d.leave(survival, seed); err != nil {
		return true, err
	}
	var err error
	d.power, err = powercut.MountCopy(d.dir, d.aside)
	return true, errors.Join(err, os.RemoveAll(d.aside))
}

// leave unmounts the disk and writes what it holds aside.
func (d *disk) leave(survival powercut.Survival, seed uint64) error {
	if err := d.power.Unmount(); err != nil {
		return err
	}
	return d.power.Trace().End().Restore(d.aside, survival, seed)
}

// fill leaves no room on a small disk, and relieve gives it back.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.ballast(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it holds nothing
	for piece := make([]byte, 256<<10); len(piece) > 0; {
		n, err := f.Write(piece)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			piece = piece[:len(piece)/2]
		case err != nil:
			return err
		case n == 0:
			return nil
		}
	}
	return nil
}

func (d *disk) relieve() error {
	err := os.Remove(d.ballast())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// unmount leaves what is on the disk in a plain folder in its place.
func (d *disk) unmount() error {
	var err error
	switch d.kind {
	case plainDisk:
		return nil
	case cutDisk:
		err = d.leave(powercut.All, 0)
	default:
		if err = errors.Join(d.relieve(), os.Mkdir(d.aside, 0o700)); err == nil {
			err = errors.Join(copyFolder(d.dir, d.aside), unix.Unmount(d.dir, 0))
		}
	}
	d.kind = plainDisk
	if err != nil {
		return err
	}
	return errors.Join(os.Remove(d.dir), os.Rename(d.aside, d.dir))
}

// copyFolder copies with a program of its own, which cannot stand still over a
// disk that this process serves.
func copyFolder(from, to string) error {
	cmd := exec.Command("cp", "-a", from+"/.", to) //nolint:noctx // it is over in a moment
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// empty removes all that is in a folder.
func empty(dir string) error {
	names, err := os.ReadDir(dir)
	for _, name := range names {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name.Name())))
	}
	return err
}

// corrupt flips bytes in the files of a buffer, and gives how many.
func corrupt(buffer string, rng *rand.Rand, bytes int) (int, error) {
	var files []string
	for _, pattern := range []string{"buffer.db", "journal", "images/*"} {
		found, err := filepath.Glob(filepath.Join(buffer, pattern))
		if err != nil {
			return 0, err
		}
		files = append(files, found...)
	}
	done := 0
	for range bytes {
		if len(files) == 0 {
			break
		}
		flipped, err := flip(files[rng.IntN(len(files))], rng)
		if err != nil {
			return done, err
		}
		done += flipped
	}
	return done, nil
}

// flip changes one byte of a file that has any.
func flip(path string, rng *rand.Rand) (int, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // the write says it
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, err
	}
	at, b := rng.Int64N(info.Size()), make([]byte, 1)
	if _, err := f.ReadAt(b, at); err != nil {
		return 0, err
	}
	b[0] ^= byte(1 + rng.IntN(255))
	_, err = f.WriteAt(b, at)
	return 1, err
}
