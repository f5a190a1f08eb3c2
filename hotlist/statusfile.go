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
	"slices"
	"sort"
	"sync"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/hotlist/voi"
	"nrd/internal/sealed"
)

// A file of statuses is a block with its mark and an identity drawn at random; its
// blocks, sealed with the identity and their number; its index, of each block the opening
// of its first VRM and whether the block before ends with the same, in five bytes, sealed
// in pieces; the header in JSON, sealed; and the length of that in eight bytes.
//
// The seals find any change, but opening all of them at each start would take a
// processor without instructions for AES about a minute, by calculation. So the header has the blocks'
// checksum too, which finds what a disk does to them; what a person does is found by
// the match that opens the block.

// statusMark begins a file of statuses.
const statusMark = "NRD statuses 3\n"

// MaxStatuses is how many kinds of entry a list of statuses may have.
const MaxStatuses = publication.MaxKinds

// statusHeader is what a file of statuses says of itself.
type statusHeader struct {
	header
	// Kinds are the entries that stand for all, as lines without a VRM of their
	// own.
	Kinds []string
	// Blocks is how many blocks there are, Sum their CRC-32C as they lie in the file.
	Blocks int
	Sum    uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type statusKey struct {
	seal *sealed.Key
	id   [16]byte
}

func newStatusKey(key *sealed.Key, id [16]byte) statusKey {
	return statusKey{seal: key.Derive(fmt.Sprintf("statuses %x", id)), id: id}
}

// seals gives a box.
func (k *statusKey) seals(text []byte, number uint64) []byte {
	return k.seal.Seal(text, k.place(nil, number))
}

// place binds a block, a piece of the index or the header to its file and number. It
// is put behind dst.
func (k *statusKey) place(dst []byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, k.id[:]...), number)
}

const (
	// indexEntry is what a block has of the index, pieceSize how much of that is sealed
	// at a time.
	indexEntry = 5
	pieceSize  = 1 << 16
	// The numbers of the index's first piece and of the header.
	indexPlace  = 1 << 63
	headerPlace = 1<<64 - 1
)

// statusWriter writes a file of statuses, which come in the order of their VRMs.
type statusWriter struct {
	key    statusKey
	file   *os.File
	w      *bufio.Writer
	block  block
	number int
	index  []byte
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
		first := s.vrm.opening() << 1
		if w.number > 0 && w.block.last.opening() == first>>1 {
			first |= 1
		}
		w.index = binary.BigEndian.AppendUint32(append(w.index, byte(first>>32)), uint32(first)) //nolint:gosec // its lower half
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
	box := w.key.seals(w.block.take(), uint64(w.number)) //nolint:gosec // a block's number
	_, err := w.w.Write(box)
	w.sum = crc32.Update(w.sum, castagnoli, box)
	w.number++
	return err
}

// finish writes index and header; where sync is set all is on stable storage then. It
// closes the file.
func (w *statusWriter) finish(about header, kinds []string, sync bool) error {
	about.Entries = w.count
	err := w.flush()
	if err == nil {
		err = w.writeIndex()
	}
	if err == nil {
		err = w.writeHeader(statusHeader{header: about, Kinds: kinds, Blocks: w.number, Sum: w.sum})
	}
	if err == nil {
		err = w.w.Flush()
	}
	if err == nil && sync {
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

func (w *statusWriter) writeIndex() error {
	number := uint64(indexPlace)
	for piece := range slices.Chunk(w.index, pieceSize) {
		if _, err := w.w.Write(w.key.seals(piece, number)); err != nil {
			return err
		}
		number++
	}
	return nil
}

func (w *statusWriter) writeHeader(h statusHeader) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	box := w.key.seals(text, headerPlace)
	_, err = w.w.Write(binary.BigEndian.AppendUint64(box, uint64(len(box))))
	return err
}

// statusFile is a file of statuses, opened for reading.
type statusFile struct {
	statusHeader
	key   statusKey
	file  *os.File
	index []byte
}

func openStatusFile(path string, key *sealed.Key) (*statusFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &statusFile{file: f}
	size, err := s.readHeader(key)
	if err == nil {
		err = s.readIndex(size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// readHeader gives how long the file is without its header.
func (f *statusFile) readHeader(key *sealed.Key) (size int64, err error) {
	info, err := f.file.Stat()
	if err != nil {
		return 0, err
	}
	var head [blockSize]byte
	var end [8]byte
	if _, err := f.file.ReadAt(head[:], 0); err != nil {
		return 0, err
	}
	if string(head[:len(statusMark)]) != statusMark {
		return 0, errors.New("it is no file of statuses")
	}
	at := info.Size() - int64(len(end))
	if _, err := f.file.ReadAt(end[:], at); err != nil {
		return 0, err
	}
	length := binary.BigEndian.Uint64(end[:])
	if at < blockSize || length > uint64(at-blockSize) {
		return 0, errors.New("its header has no beginning")
	}
	size = at - int64(length) //nolint:gosec // checked above
	f.key = newStatusKey(key, [16]byte(head[len(statusMark):]))
	text, err := f.open(make([]byte, length), size, nil, headerPlace)
	if err != nil {
		return 0, err
	}
	return size, json.Unmarshal(text, &f.statusHeader)
}

func (f *statusFile) readIndex(size int64) error {
	at, length := int64(1+f.Blocks)*blockSize, f.Blocks*indexEntry
	if pieces := (length + pieceSize - 1) / pieceSize; f.Blocks < 0 || size != at+int64(length+pieces*sealed.Overhead) {
		return errors.New("it is longer or shorter than its header says")
	}
	f.index = make([]byte, 0, length)
	room := make([]byte, pieceSize+sealed.Overhead)
	for number := uint64(indexPlace); len(f.index) < length; number++ {
		box := room[:min(length-len(f.index), pieceSize)+sealed.Overhead]
		var err error
		if f.index, err = f.open(box, at, f.index, number); err != nil {
			return err
		}
		at += int64(len(box))
	}
	return nil
}

// open reads a sealed box at this place of the file and puts its text behind dst.
func (f *statusFile) open(box []byte, at int64, dst []byte, number uint64) ([]byte, error) {
	if _, err := f.file.ReadAt(box, at); err != nil {
		return nil, err
	}
	return f.key.seal.OpenTo(dst, box, f.key.place(nil, number))
}

// begins gives a block's entry of the index: twice its first VRM's opening, and one more
// where the block before ends with the same.
func (f *statusFile) begins(block int) uint64 {
	entry := f.index[block*indexEntry:][:indexEntry]
	return uint64(entry[0])<<32 | uint64(binary.BigEndian.Uint32(entry[1:]))
}

// first gives the opening of a block's first VRM.
func (f *statusFile) first(block int) uint64 { return f.begins(block) >> 1 }

// from gives the block in which VRMs with this opening begin, if there are any.
func (f *statusFile) from(opening uint64) int {
	block := sort.Search(f.Blocks, func(n int) bool { return f.first(n) >= opening })
	if block == f.Blocks || f.begins(block) != opening<<1 {
		block--
	}
	return max(0, block)
}

// blockRoom holds a block as it lies in the file, its text and its place: a match needs
// one for some microseconds.
type blockRoom struct {
	box, text [blockSize]byte
	place     [24]byte
}

var blockRooms = sync.Pool{New: func() any { return new(blockRoom) }}

// each reads one block and gives its statuses until do wants no more.
func (f *statusFile) each(number int, do func(status) (more bool)) error {
	room := blockRooms.Get().(*blockRoom) //nolint:errcheck // the pool makes nothing else
	defer blockRooms.Put(room)
	if _, err := f.file.ReadAt(room.box[:], int64(number+1)*blockSize); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	place := f.key.place(room.place[:0], uint64(number)) //nolint:gosec // a block's number
	text, err := f.key.seal.OpenTo(room.text[:0], room.box[:], place)
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
		if s.block == s.file.Blocks {
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
