package voi

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Operation says what a file does to its list.
type Operation byte

// Replace puts the file's entries in the place of all the list's, Insert adds
// them or changes those with the same VRM and source reference, Delete takes
// those away.
const (
	Replace Operation = 'R'
	Insert  Operation = 'I'
	Delete  Operation = 'D'
)

const (
	// maxText is the most text that one file may hold: some ten million
	// entries.
	maxText = 4 << 30
	// maxGrowth is how many times longer than its ZIP a text may be. Lists
	// shrink to a fifth; what shrinks to a hundredth is no list.
	maxGrowth = 100
)

// namePattern is SOURCE_LIST_OPERATION.dat.
var namePattern = regexp.MustCompile(`^([^_]+)_(.+)_([RID])\.dat$`)

// File is an opened list file. Read gives its text.
type File struct {
	// Name is the file's name without its folder.
	Name string
	// Operation is Replace unless the name of the text file says otherwise.
	Operation Operation
	// Source is SOURCE_LIST as the name of the text file has it, "" where it is
	// named otherwise.
	Source string
	// Modified is when the file on disk was last changed. The times inside a
	// ZIP are not used: they carry no zone.
	Modified time.Time

	disk   *os.File
	text   io.Reader
	zipped bool
	left   int64
}

// Open opens a list: plain text of any name, or a ZIP that holds one text file
// named SOURCE_LIST_OPERATION.dat. What it is shows in its first bytes.
func Open(path string) (*File, error) {
	disk, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return OpenFile(disk, filepath.Base(path))
}

// OpenFile is Open for a file that is open, under the name that it is known by.
// The File closes it, and so does an error.
func OpenFile(disk *os.File, name string) (*File, error) {
	f := &File{Name: name, Operation: Replace, disk: disk, text: disk, left: maxText}
	if err := f.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return f, nil
}

func (f *File) prepare() error {
	info, err := f.disk.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("is not a file")
	}
	f.Modified = info.ModTime().UTC()
	var magic [4]byte
	if n, err := f.disk.ReadAt(magic[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	} else if string(magic[:n]) == "PK\x03\x04" || string(magic[:n]) == "PK\x05\x06" {
		return f.unzip(info.Size())
	}
	if m := namePattern.FindStringSubmatch(f.Name); m != nil {
		f.Source, f.Operation = m[1]+"_"+m[2], Operation(m[3][0])
	}
	return nil
}

func (f *File) unzip(size int64) error {
	z, err := zip.NewReader(f.disk, size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrZIP, err)
	}
	if len(z.File) != 1 {
		return fmt.Errorf("%w: it holds %d files where 1 is expected", ErrZIP, len(z.File))
	}
	member := z.File[0]
	m := namePattern.FindStringSubmatch(member.Name)
	switch {
	case m == nil:
		return fmt.Errorf("%w: %q is not named SOURCE_LIST_OPERATION.dat", ErrZIP, member.Name)
	case member.Flags&1 != 0:
		return fmt.Errorf("%w: it is encrypted", ErrZIP)
	}
	text, err := member.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrZIP, err)
	}
	f.Source, f.Operation = m[1]+"_"+m[2], Operation(m[3][0])
	f.text, f.zipped = text, true
	f.left = min(maxText, maxGrowth*size)
	return nil
}

// Read reads the text. The error is ErrTooLarge where it goes on beyond what a
// list can hold; a damaged ZIP shows at the latest at its end.
func (f *File) Read(p []byte) (int, error) {
	if int64(len(p)) > f.left+1 {
		p = p[:f.left+1]
	}
	n, err := f.text.Read(p)
	if f.left -= int64(n); f.left < 0 {
		return 0, ErrTooLarge
	}
	if f.zipped && err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", ErrZIP, err)
	}
	return n, err
}

// Close closes the file.
func (f *File) Close() error { return f.disk.Close() }
