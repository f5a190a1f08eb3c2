package uplink

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

// segments are the files that hold images: boxes one after the other, never
// changed. A file goes as a whole when nothing in it is wanted any more; unlike
// pages of a database that gives its room back. Hits and other reads have files
// of their own, so that no hit keeps the room of reads that were dropped.
//
// A file system writes blocks of its own with an fsync that follows a change of
// what it knows of a file: ext4 up to five of 4 KiB, of which three are for room
// that is new. So a file has its room from the start, and while all that is stored
// is received the same one is written over and over.
//
// Only the buffer's writer appends and removes; anyone may read.
type segments struct {
	dir string
	// size is where a file is full and the next one is begun.
	size int64

	mu    sync.Mutex
	files map[uint32]*segment
	last  uint32
	// open is the file being written, for hits and for other reads.
	open map[bool]*segment
	// spare is a file of which nothing is wanted, nil for none: the next one has its
	// room.
	spare *segment

	// The file that was read last stays open: a backlog is sent file by file.
	reading sync.Mutex
	number  uint32
	reader  *os.File // nil for none
}

type segment struct {
	number uint32
	file   *os.File // nil once it is full
	bytes  int64
	// live counts the items in it that are still wanted.
	live  int
	dirty bool
}

const segmentSuffix = ".images"

// openSegments finds the files that are there. They are never appended to, so a
// torn end of one does not matter.
func openSegments(dir string, size int64) (*segments, error) {
	if err := sealed.MakeDir(dir); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	s := &segments{dir: dir, size: size, files: map[uint32]*segment{}, open: map[bool]*segment{}}
	for _, name := range names {
		var number uint32
		if _, err := fmt.Sscanf(name.Name(), "%08x", &number); err != nil || !strings.HasSuffix(name.Name(), segmentSuffix) {
			continue
		}
		info, err := name.Info()
		if err != nil {
			return nil, err
		}
		s.files[number] = &segment{number: number, bytes: info.Size()}
		s.last = max(s.last, number)
	}
	return s, nil
}

func (s *segments) path(number uint32) string {
	return filepath.Join(s.dir, fmt.Sprintf("%08x", number)+segmentSuffix)
}

// append writes a box and says where. It is on stable storage after sync.
func (s *segments) append(hit bool, box []byte) (ref, error) {
	seg, err := s.writable(hit)
	if err != nil {
		return ref{}, err
	}
	at := seg.bytes
	if _, err := seg.file.WriteAt(box, at); err != nil {
		// What was written of it is overwritten by the next box.
		return ref{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	seg.bytes += int64(len(box))
	seg.dirty = true
	return ref{segment: seg.number, offset: uint32(at), length: uint32(len(box))}, nil
}

// writable gives the open file of hits or of other reads, or begins one.
func (s *segments) writable(hit bool) (*segment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seg := s.open[hit]; seg != nil && seg.bytes < s.size {
		return seg, nil
	}
	if err := s.retire(hit); err != nil {
		return nil, err
	}
	number := s.last + 1
	file, err := s.create(s.path(number))
	if err != nil {
		return nil, err
	}
	seg := &segment{number: number, file: file}
	s.last, s.files[number], s.open[hit] = number, seg, seg
	return seg, nil
}

// create makes a file of images, of the spare one where there is one. s.mu is held.
func (s *segments) create(path string) (*os.File, error) {
	mode := os.O_CREATE | os.O_EXCL | os.O_RDWR
	if spare := s.spare; spare != nil {
		s.spare = nil
		switch err := os.Rename(s.path(spare.number), path); {
		case err == nil:
			mode = os.O_RDWR
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
	}
	file, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path)) // or the next file could not have the name
	}
	// A file system that cannot do it, or has no room for all of it, gives room as
	// it is needed.
	_ = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, s.size)
	if err := sealed.SyncDir(s.dir); err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	return file, nil
}

// retire closes the open file, if there is one. s.mu is held.
func (s *segments) retire(hit bool) error {
	seg := s.open[hit]
	if seg == nil {
		return nil
	}
	delete(s.open, hit)
	err := seg.sync()
	if err == nil {
		err = seg.file.Truncate(seg.bytes) // gives back what it did not need
	}
	err = errors.Join(err, seg.file.Close())
	seg.file = nil
	return err
}

func (g *segment) sync() error {
	if !g.dirty {
		return nil
	}
	g.dirty = false
	return unix.Fdatasync(int(g.file.Fd()))
}

// sync puts everything that was appended on stable storage. After an error the
// files are not written any more: what a failed fsync left behind is not known.
func (s *segments) sync() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for hit, seg := range s.open {
		if err := seg.sync(); err != nil {
			errs = append(errs, err, s.retire(hit))
		}
	}
	return errors.Join(errs...)
}

// read gives the box at a place.
func (s *segments) read(r ref) ([]byte, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.reader == nil || s.number != r.segment {
		s.stopReading()
		file, err := os.Open(s.path(r.segment))
		if err != nil {
			return nil, err
		}
		s.number, s.reader = r.segment, file
	}
	// A length that was damaged is not believed further than a file can be long.
	if int64(r.offset)+int64(r.length) > segmentMost+wire.MaxPayloadBytes+1<<10 {
		return nil, fmt.Errorf("%w: %s ends before the image", errDamaged, s.reader.Name())
	}
	box := make([]byte, r.length)
	_, err := s.reader.ReadAt(box, int64(r.offset))
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %s ends before the image", errDamaged, s.reader.Name())
	}
	return box, err
}

// stopReading closes the file that was read last; s.reading is held.
func (s *segments) stopReading() {
	if s.reader != nil {
		s.reader.Close() //nolint:errcheck // only read
		s.reader = nil
	}
}

// count adds to the number of wanted items of files.
func (s *segments) count(live map[uint32]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number, n := range live {
		if seg := s.files[number]; seg != nil {
			seg.live += n
		}
	}
}

// recount sets the number of wanted items of every file.
func (s *segments) recount(live map[uint32]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number, seg := range s.files {
		seg.live = live[number]
	}
}

// wanted is the number of wanted items of a file and its length.
func (s *segments) wanted(number uint32) (live int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seg := s.files[number]
	if seg == nil {
		return 0, 0
	}
	return seg.live, seg.bytes
}

// finish ends the writing of a file, so that it can be removed.
func (s *segments) finish(number uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for hit, seg := range s.open {
		if seg.number == number {
			return s.retire(hit)
		}
	}
	return nil
}

// sweep removes the files in which nothing is wanted any more. An open one stays
// while it is short, so that a quiet unit does not make a file for each record.
// again says that the room of one is kept for the next.
func (s *segments) sweep(evenOpen, again bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for hit, seg := range s.open {
		if seg.live == 0 && (evenOpen || seg.bytes >= s.size/2) {
			errs = append(errs, s.retire(hit))
		}
	}
	for number, seg := range s.files {
		if seg.live > 0 || seg.file != nil {
			continue
		}
		s.reading.Lock()
		if s.number == number {
			s.stopReading() // or it would keep its room
		}
		s.reading.Unlock()
		if again && s.spare == nil && seg.bytes >= s.size/2 {
			s.spare = seg
		} else if err := s.remove(number); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(s.files, number)
	}
	if s.spare != nil && !again {
		if err := s.remove(s.spare.number); err != nil {
			return errors.Join(append(errs, err)...)
		}
		s.spare = nil
	}
	return errors.Join(errs...)
}

func (s *segments) remove(number uint32) error {
	if err := os.Remove(s.path(number)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// bytes is the length of all files. What an open one has not used yet of its room
// is not in it.
func (s *segments) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var n int64
	for _, seg := range s.files {
		n += seg.bytes
	}
	if s.spare != nil {
		n += s.spare.bytes
	}
	return n
}

// close closes the open files.
func (s *segments) close() error {
	err := s.sweep(true, false)
	s.reading.Lock()
	s.stopReading()
	s.reading.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(err, s.retire(true), s.retire(false))
}
