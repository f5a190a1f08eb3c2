package hotlist

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// item is one sealed entry on its way into a list.
type item struct {
	key  []byte
	line int
	box  []byte
}

func (a item) compare(b item) int {
	return cmp.Or(bytes.Compare(a.key, b.key), cmp.Compare(a.line, b.line))
}

// stream gives items in the order of their keys; ok is false after the last.
type stream interface {
	next() (it item, ok bool, err error)
}

// runBytes is about how much of a file is sorted in memory at a time. Keys are
// hashes, so their order is none of the file's; writing a bbolt file in any other
// order than that of keys would write every page many times.
const runBytes = 8 << 20

// sorter sorts more items than memory holds: runs of them, sorted and already
// sealed, go to files in dir and are merged.
type sorter struct {
	dir   string
	run   []item
	bytes int
	runs  []string
}

func (s *sorter) add(it item) error {
	s.run = append(s.run, it)
	if s.bytes += len(it.key) + len(it.box); s.bytes < runBytes {
		return nil
	}
	return s.flush()
}

func (s *sorter) flush() error {
	slices.SortFunc(s.run, item.compare)
	f, err := os.Create(filepath.Join(s.dir, fmt.Sprintf("run-%d", len(s.runs))))
	if err != nil {
		return err
	}
	s.runs = append(s.runs, f.Name())
	w := bufio.NewWriter(f)
	for _, it := range s.run {
		head := binary.AppendUvarint(bytes.Clone(it.key), uint64(it.line))
		head = binary.AppendUvarint(head, uint64(len(it.box)))
		w.Write(head)   //nolint:errcheck // Flush tells
		w.Write(it.box) //nolint:errcheck // Flush tells
	}
	s.run, s.bytes = s.run[:0], 0
	return errors.Join(w.Flush(), f.Close())
}

// merge gives all items in order. The caller closes the result.
func (s *sorter) merge() (*merged, error) {
	if err := s.flush(); err != nil {
		return nil, err
	}
	m := &merged{}
	for _, path := range s.runs {
		f, err := os.Open(path)
		if err != nil {
			m.close()
			return nil, err
		}
		r := &run{file: f, r: bufio.NewReader(f)}
		m.runs = append(m.runs, r)
		if err := r.advance(); err != nil {
			m.close()
			return nil, err
		}
	}
	m.runs = slices.DeleteFunc(m.runs, (*run).ended)
	heap.Init(m)
	return m, nil
}

// run is one sorted file and its first item that was not given yet.
type run struct {
	file *os.File
	r    *bufio.Reader
	head item
}

func (r *run) ended() bool { return r.head.key == nil }

// advance reads the next item; at the end the run has none and is closed.
func (r *run) advance() error {
	r.head = item{}
	key := make([]byte, keySize)
	if _, err := io.ReadFull(r.r, key); errors.Is(err, io.EOF) {
		return r.file.Close()
	} else if err != nil {
		return err
	}
	line, err := binary.ReadUvarint(r.r)
	if err != nil {
		return err
	}
	size, err := binary.ReadUvarint(r.r)
	if err != nil {
		return err
	}
	box := make([]byte, size)
	if _, err := io.ReadFull(r.r, box); err != nil {
		return err
	}
	r.head = item{key: key, line: int(line), box: box}
	return nil
}

// merged is a heap of runs; the one with the first item is on top.
type merged struct{ runs []*run }

func (m *merged) Len() int           { return len(m.runs) }
func (m *merged) Less(i, j int) bool { return m.runs[i].head.compare(m.runs[j].head) < 0 }
func (m *merged) Swap(i, j int)      { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }
func (m *merged) Push(x any)         { m.runs = append(m.runs, x.(*run)) } //nolint:errcheck // heap.Interface
func (m *merged) Pop() any {
	last := m.runs[len(m.runs)-1]
	m.runs = m.runs[:len(m.runs)-1]
	return last
}

func (m *merged) next() (item, bool, error) {
	if len(m.runs) == 0 {
		return item{}, false, nil
	}
	it := m.runs[0].head
	if err := m.runs[0].advance(); err != nil {
		return item{}, false, err
	}
	if m.runs[0].ended() {
		heap.Pop(m)
	} else {
		heap.Fix(m, 0)
	}
	return it, true, nil
}

// close closes the runs that were not read to their end.
func (m *merged) close() {
	for _, r := range m.runs {
		r.file.Close() //nolint:errcheck // it was only read
	}
}
