package hotlist

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

// A file of statuses is a page with its mark and an identity drawn at random; its
// blocks, a page each, sealed with the identity and their number; its index,
// sealed; and the index's length in eight bytes. The index is the header in JSON
// and the first VRM of each block.

// statusMark begins a file of statuses.
const statusMark = "NRD statuses 1\n"

// MaxStatuses is how many kinds of entry a list of statuses may have.
const MaxStatuses = publication.MaxKinds

// statusHeader is what a file of statuses says of itself.
type statusHeader struct {
	header
	// Kinds are the entries that stand for all, as lines without a VRM of their
	// own.
	Kinds []string
}

type statusKey struct {
	seal *sealed.Key
	id   [16]byte
}

func newStatusKey(key *sealed.Key, id [16]byte) statusKey {
	return statusKey{seal: key.Derive(fmt.Sprintf("statuses %x", id)), id: id}
}

// place binds a block to its file and number, and the index to its file.
func (k statusKey) place(number uint64) []byte {
	return binary.BigEndian.AppendUint64(k.id[:len(k.id):len(k.id)], number)
}

const indexPlace = 1<<64 - 1

// statusWriter writes a file of statuses, which come in the order of their VRMs.
type statusWriter struct {
	key    statusKey
	file   *os.File
	w      *bufio.Writer
	block  block
	number uint64
	firsts []byte
	count  int
}

func createStatusFile(path string, key *sealed.Key) (*statusWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	var id [16]byte
	rand.Read(id[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	w := &statusWriter{key: newStatusKey(key, id), file: f, w: bufio.NewWriterSize(f, 16*blockSize)}
	page := make([]byte, blockSize)
	copy(page[copy(page, statusMark):], id[:])
	_, err = w.w.Write(page)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

func (w *statusWriter) add(s status) error {
	if w.block.count == 0 {
		first := s.vrm.bytes()
		w.firsts = append(w.firsts, first[:]...)
	}
	w.count++
	if w.block.add(s) {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	w.count--
	return w.add(s)
}

func (w *statusWriter) flush() error {
	if w.block.count == 0 {
		return nil
	}
	_, err := w.w.Write(w.key.seal.Seal(w.block.take(), w.key.place(w.number)))
	w.number++
	return err
}

// finish writes the index; where sync is set all is on stable storage then. It
// closes the file.
func (w *statusWriter) finish(about header, kinds []string, sync bool) error {
	about.Entries = w.count
	text, err := json.Marshal(statusHeader{header: about, Kinds: kinds})
	if err == nil {
		err = w.flush()
	}
	index := append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...) //nolint:gosec // 256 lines of at most 8 KiB
	box := w.key.seal.Seal(append(index, w.firsts...), w.key.place(indexPlace))
	if err == nil {
		_, err = w.w.Write(binary.BigEndian.AppendUint64(box, uint64(len(box))))
	}
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil && sync {
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

// statusFile is a file of statuses, opened for reading.
type statusFile struct {
	statusHeader
	key    statusKey
	file   *os.File
	firsts []byte // of the blocks, 16 bytes each
}

func openStatusFile(path string, key *sealed.Key) (*statusFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &statusFile{file: f}
	if err := s.readIndex(key); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (f *statusFile) readIndex(key *sealed.Key) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	var page [blockSize]byte
	var end [8]byte
	if _, err := f.file.ReadAt(page[:], 0); err != nil {
		return err
	}
	if string(page[:len(statusMark)]) != statusMark {
		return errors.New("it is no file of statuses")
	}
	if _, err := f.file.ReadAt(end[:], info.Size()-int64(len(end))); err != nil {
		return err
	}
	size, at := binary.BigEndian.Uint64(end[:]), info.Size()-int64(len(end))
	if at < blockSize || size > uint64(at-blockSize) {
		return errors.New("its index has no beginning")
	}
	box := make([]byte, size)
	if _, err := f.file.ReadAt(box, at-int64(size)); err != nil { //nolint:gosec // checked above
		return err
	}
	f.key = newStatusKey(key, [16]byte(page[len(statusMark):]))
	index, err := f.key.seal.Open(box, f.key.place(indexPlace))
	if err != nil {
		return err
	}
	if len(index) < 4 || uint64(binary.BigEndian.Uint32(index)) > uint64(len(index)-4) {
		return errBlock
	}
	header := index[4:][:binary.BigEndian.Uint32(index)]
	f.firsts = append([]byte(nil), index[4+len(header):]...)
	return json.Unmarshal(header, &f.statusHeader)
}

func (f *statusFile) blocks() int { return len(f.firsts) / 16 }

func (f *statusFile) first(block int) packedVRM {
	b := f.firsts[block*16:]
	return packedVRM{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// blockRooms hold a block as it lies in the file and its text: a match needs one for
// some microseconds.
var blockRooms = sync.Pool{New: func() any { return new([2][blockSize]byte) }}

// each reads one block and gives its statuses until do wants no more.
func (f *statusFile) each(number int, do func(status) (more bool)) error {
	room := blockRooms.Get().(*[2][blockSize]byte) //nolint:errcheck // the pool makes nothing else
	defer blockRooms.Put(room)
	box := room[0][:]
	if _, err := f.file.ReadAt(box, int64(number+1)*blockSize); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	text, err := f.key.seal.OpenTo(room[1][:0], box, f.key.place(uint64(number))) //nolint:gosec // a block's number
	if err != nil {
		return err
	}
	return eachStatus(text, do)
}

// statuses gives all of a file's statuses in their order.
type statuses struct {
	file  *statusFile
	block int
	ahead []status
}

func (s *statuses) next() (status, bool, error) {
	for len(s.ahead) == 0 {
		if s.block == s.file.blocks() {
			return status{}, false, nil
		}
		s.ahead = s.ahead[:0]
		if err := s.file.each(s.block, func(st status) bool {
			s.ahead = append(s.ahead, st)
			return true
		}); err != nil {
			return status{}, false, err
		}
		s.block++
	}
	first := s.ahead[0]
	s.ahead = s.ahead[1:]
	return first, true, nil
}

// kinds are the entries that stand for all of a list, found by what they say.
type kinds struct {
	lines   []string
	entries []nrd.Entry
	numbers map[string]uint8
}

// standIn is the VRM of an entry that stands for others.
const standIn = "X"

func newKinds(lines []string) (*kinds, error) {
	k := &kinds{numbers: map[string]uint8{}}
	for _, line := range lines {
		e, problems := voi.ParseLine(line)
		for _, p := range problems {
			if p.Refused {
				return nil, errors.New(p.String())
			}
		}
		k.put(line, e)
	}
	return k, nil
}

func (k *kinds) put(line string, e nrd.Entry) uint8 {
	n := uint8(len(k.lines)) //nolint:gosec // at most 256
	k.lines, k.entries = append(k.lines, line), append(k.entries, e)
	k.numbers[publication.Kind(&e)] = n
	return n
}

// number gives an entry's kind. The error is ErrNotStatus where it is one too many.
func (k *kinds) number(e nrd.Entry) (uint8, error) {
	if n, ok := k.numbers[publication.Kind(&e)]; ok {
		return n, nil
	}
	if len(k.lines) == MaxStatuses {
		return 0, fmt.Errorf("%w: more than %d", ErrNotStatus, MaxStatuses)
	}
	e.VRM, e.List, e.Line = standIn, "", 0
	line, err := voi.FormatLine(&e)
	if err != nil {
		return 0, err
	}
	return k.put(line, e), nil
}
