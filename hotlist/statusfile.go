package hotlist

import (
	"bufio"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

// A file of statuses is a block with its mark and an identity drawn at random; its
// blocks, sealed with the identity and their number; its index, sealed; and the
// index's length in eight bytes. The index is the header in JSON and, of each block's
// first VRM, eight characters.
//
// The seals find any change, but opening all of them at each start would take a
// processor without instructions for AES about a minute, by calculation. So the header has the blocks'
// checksum too, which finds what a disk does to them; what a person does is found by
// the match that opens the block.

// statusMark begins a file of statuses.
const statusMark = "NRD statuses 2\n"

// MaxStatuses is how many kinds of entry a list of statuses may have.
const MaxStatuses = publication.MaxKinds

// statusHeader is what a file of statuses says of itself.
type statusHeader struct {
	header
	// Kinds are the entries that stand for all, as lines without a VRM of their
	// own.
	Kinds []string
	// Sum is the CRC-32C of the blocks as they lie in the file.
	Sum uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

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
	sum    uint32
	count  int
}

func createStatusFile(path string, key *sealed.Key) (*statusWriter, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	var id [16]byte
	rand.Read(id[:]) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
	w := &statusWriter{key: newStatusKey(key, id), file: f, w: bufio.NewWriterSize(f, 1<<16)}
	head := make([]byte, blockSize)
	copy(head[copy(head, statusMark):], id[:])
	_, err = w.w.Write(head)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

func (w *statusWriter) add(s status) error {
	if w.block.count == 0 {
		w.firsts = binary.BigEndian.AppendUint64(w.firsts, s.vrm.high)
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
	box := w.key.seal.Seal(w.block.take(), w.key.place(w.number))
	_, err := w.w.Write(box)
	w.sum = crc32.Update(w.sum, castagnoli, box)
	w.number++
	return err
}

// finish writes the index; where sync is set all is on stable storage then. It
// closes the file.
func (w *statusWriter) finish(about header, kinds []string, sync bool) error {
	about.Entries = w.count
	err := w.flush()
	text, jsonErr := json.Marshal(statusHeader{header: about, Kinds: kinds, Sum: w.sum})
	if err == nil {
		err = jsonErr
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
	firsts []byte // of the blocks, eight bytes each
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
	var head [blockSize]byte
	var end [8]byte
	if _, err := f.file.ReadAt(head[:], 0); err != nil {
		return err
	}
	if string(head[:len(statusMark)]) != statusMark {
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
	f.key = newStatusKey(key, [16]byte(head[len(statusMark):]))
	index, err := f.key.seal.Open(box, f.key.place(indexPlace))
	if err != nil {
		return err
	}
	if len(index) < 4 || uint64(binary.BigEndian.Uint32(index)) > uint64(len(index)-4) {
		return errBlock
	}
	header := index[4:][:binary.BigEndian.Uint32(index)]
	f.firsts = index[4+len(header):]
	return json.Unmarshal(header, &f.statusHeader)
}

func (f *statusFile) blocks() int { return len(f.firsts) / 8 }

// first gives the first eight characters of a block's first VRM.
func (f *statusFile) first(block int) uint64 { return binary.BigEndian.Uint64(f.firsts[block*8:]) }

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
