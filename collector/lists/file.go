package lists

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sort"

	"nrd"
	"nrd/internal/sealed"
)

// A file holds entries in the order of their VRMs: blocks of rows, each behind its
// length, sealed one by one; then the sealed index, which says with which VRM each
// block begins, and where the index begins, in eight bytes. So an entry is found by
// unsealing one block, and files are merged in one pass.
const (
	blockSize  = 8 << 10
	maxIndex   = 256 << 20
	trailer    = 8
	indexLabel = "index"
)

func blockLabel(n int) []byte { return fmt.Appendf(nil, "block %d", n) }

// blockPlace says where a block is and with which VRM it begins.
type blockPlace struct {
	first          nrd.VRM
	offset, length int64
}

// writer writes a file. Rows come in order.
type writer struct {
	file    *os.File
	out     *bufio.Writer
	key     *sealed.Key
	offset  int64
	block   []byte
	first   nrd.VRM
	places  []blockPlace
	entries int
}

func newWriter(path string, key *sealed.Key) (*writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &writer{file: f, out: bufio.NewWriterSize(f, 1<<17), key: key}, nil
}

func (w *writer) add(r row) error {
	if len(w.block) == 0 {
		w.first = r.vrm
	}
	w.block = append(binary.AppendUvarint(w.block, uint64(len(r.data))), r.data...)
	w.entries++
	if len(w.block) < blockSize {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	if len(w.block) == 0 {
		return nil
	}
	place, err := w.box(w.block, blockLabel(len(w.places)))
	if err != nil {
		return err
	}
	place.first = w.first
	w.places = append(w.places, place)
	w.block = w.block[:0]
	return nil
}

func (w *writer) box(text, label []byte) (blockPlace, error) {
	box := w.key.Seal(text, label)
	place := blockPlace{offset: w.offset, length: int64(len(box))}
	w.offset += place.length
	_, err := w.out.Write(box)
	return place, err
}

// finish writes the index and puts the file on stable storage.
func (w *writer) finish() error {
	err := w.flush()
	index := binary.AppendUvarint(nil, uint64(w.entries))
	index = binary.AppendUvarint(index, uint64(len(w.places)))
	for _, p := range w.places {
		index = binary.AppendUvarint(appendText(index, string(p.first)), uint64(p.length))
	}
	begins := w.offset
	if err == nil {
		_, err = w.box(index, []byte(indexLabel))
	}
	if err == nil {
		_, err = w.out.Write(binary.BigEndian.AppendUint64(nil, uint64(begins)))
	}
	if err == nil {
		err = w.out.Flush()
	}
	if err == nil {
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

// abandon closes and removes a file that is not finished.
func (w *writer) abandon() error { return errors.Join(w.file.Close(), os.Remove(w.file.Name())) }

// file is one that was written, opened for reading. Whatever goes wrong in reading
// it is ErrDamaged.
type file struct {
	disk    *os.File
	key     *sealed.Key
	places  []blockPlace
	entries int
}

func openFile(path string, key *sealed.Key) (*file, error) {
	disk, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &file{disk: disk, key: key}
	if err := f.readIndex(); err != nil {
		return nil, errors.Join(f.damaged(err), disk.Close())
	}
	return f, nil
}

func (f *file) damaged(err error) error {
	return fmt.Errorf("%s: %w: %w", filepath.Base(f.disk.Name()), ErrDamaged, err)
}

func (f *file) readIndex() error {
	info, err := f.disk.Stat()
	if err != nil {
		return err
	}
	size := info.Size() - trailer
	var end [trailer]byte
	if size < 0 {
		return io.ErrUnexpectedEOF
	}
	if _, err := f.disk.ReadAt(end[:], size); err != nil {
		return err
	}
	begins := binary.BigEndian.Uint64(end[:])
	if begins > uint64(size) || size-int64(begins) > maxIndex {
		return errors.New("its index is nowhere")
	}
	text, err := f.unseal(blockPlace{offset: int64(begins), length: size - int64(begins)}, []byte(indexLabel))
	if err != nil {
		return err
	}
	u := unpacker{rest: text}
	f.entries = int(u.number())
	offset := int64(0)
	for range u.number() {
		p := blockPlace{first: nrd.VRM(u.text()), length: int64(u.number()), offset: offset}
		if offset += p.length; u.failed || offset > int64(begins) {
			return errItem
		}
		f.places = append(f.places, p)
	}
	return nil
}

func (f *file) unseal(p blockPlace, label []byte) ([]byte, error) {
	box := make([]byte, p.length)
	if _, err := f.disk.ReadAt(box, p.offset); err != nil {
		return nil, err
	}
	return f.key.Open(box, label)
}

// close closes the file; it was only read.
func (f *file) close() error { return f.disk.Close() }

// cursor gives a file's rows one after the other, from some block on.
type cursor struct {
	file  *file
	block int
	rest  []byte
}

// next gives the next row, ok is false behind the last. The row stays valid.
func (c *cursor) next() (r row, ok bool, err error) {
	for len(c.rest) == 0 {
		if c.block == len(c.file.places) {
			return row{}, false, nil
		}
		if c.rest, err = c.file.unseal(c.file.places[c.block], blockLabel(c.block)); err != nil {
			return row{}, false, c.file.damaged(err)
		}
		c.block++
	}
	u := unpacker{rest: c.rest}
	data := u.bytes()
	c.rest = u.rest
	if u.failed {
		return row{}, false, c.file.damaged(errItem)
	}
	if r, err = keyed(data); err != nil {
		return row{}, false, c.file.damaged(err)
	}
	return r, true, nil
}

// lookup gives the items with this VRM.
func (f *file) lookup(v nrd.VRM, list string) ([]item, error) {
	at := sort.Search(len(f.places), func(i int) bool { return f.places[i].first >= v })
	c := cursor{file: f, block: max(at-1, 0)}
	var found []item
	for {
		if len(c.rest) == 0 && c.block < len(f.places) && f.places[c.block].first > v {
			return found, nil
		}
		r, ok, err := c.next()
		if err != nil || !ok || r.vrm > v {
			return found, err
		}
		if r.vrm != v {
			continue
		}
		it, err := r.item(list)
		if err != nil {
			return nil, f.damaged(err)
		}
		found = append(found, it)
	}
}

// items gives all in the order of their VRMs.
func (f *file) items(list string) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		c := cursor{file: f}
		for {
			r, ok, err := c.next()
			if !ok && err == nil {
				return
			}
			var it item
			if err == nil {
				if it, err = r.item(list); err != nil {
					err = f.damaged(err)
				}
			}
			if !yield(it, err) || err != nil {
				return
			}
		}
	}
}

// verify reads the whole file, which must hold as many rows as it says, in order.
func (f *file) verify(ctx context.Context) error {
	c := cursor{file: f}
	var last row
	for n := 0; ; n++ {
		r, ok, err := c.next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if !ok && n != f.entries {
			return f.damaged(fmt.Errorf("it has %d entries of %d", n, f.entries))
		}
		if !ok {
			return nil
		}
		if n > 0 && (last.same(&r) || last.compare(&r) > 0) {
			return f.damaged(errors.New("its entries are in no order"))
		}
		last = r
	}
}
