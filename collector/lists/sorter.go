package lists

import (
	"container/heap"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"nrd/internal/sealed"
)

// stream gives rows in order; ok is false behind the last.
type stream interface {
	next() (r row, ok bool, err error)
}

// runBytes is about how much of a list is sorted in memory at a time.
const runBytes = 16 << 20

// sorter sorts more rows than memory holds: sorted runs go to files in dir, sealed
// under a key that nobody keeps, and are merged. Close it.
type sorter struct {
	dir   string
	key   *sealed.Key
	run   []row
	bytes int
	runs  []*file
}

func newSorter(dir string) *sorter { return &sorter{dir: dir, key: sealed.NewKey()} }

func (s *sorter) add(r row) error {
	s.run = append(s.run, r)
	if s.bytes += len(r.data); s.bytes < runBytes {
		return nil
	}
	return s.flush()
}

func (s *sorter) flush() error {
	s.sort()
	path := filepath.Join(s.dir, fmt.Sprintf("run-%d", len(s.runs)))
	w, err := newWriter(path, s.key)
	if err != nil {
		return err
	}
	for _, r := range s.run {
		if err := w.add(r); err != nil {
			return errors.Join(err, w.abandon())
		}
	}
	if err := w.finish(); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	s.run, s.bytes = nil, 0
	f, err := openFile(path, s.key)
	if err == nil {
		s.runs = append(s.runs, f)
	}
	return err
}

func (s *sorter) sort() { slices.SortFunc(s.run, func(a, b row) int { return a.compare(&b) }) }

// sorted gives all rows in order.
func (s *sorter) sorted() (stream, error) {
	s.sort()
	m := &merged{}
	streams := []stream{&inMemory{s.run}}
	for _, f := range s.runs {
		streams = append(streams, &cursor{file: f})
	}
	for _, from := range streams {
		r, ok, err := from.next()
		if err != nil {
			return nil, err
		}
		if ok {
			m.heads = append(m.heads, head{r, from})
		}
	}
	heap.Init(m)
	return m, nil
}

func (s *sorter) close() error {
	var errs []error
	for _, f := range s.runs {
		errs = append(errs, f.close(), os.Remove(f.disk.Name()))
	}
	return errors.Join(errs...)
}

type inMemory struct{ rows []row }

func (m *inMemory) next() (row, bool, error) {
	if len(m.rows) == 0 {
		return row{}, false, nil
	}
	r := m.rows[0]
	m.rows = m.rows[1:]
	return r, true, nil
}

// head is a stream and its first row that was not given yet.
type head struct {
	row
	from stream
}

// merged is a heap of streams; the one with the first row is on top.
type merged struct{ heads []head }

func (m *merged) Len() int           { return len(m.heads) }
func (m *merged) Less(i, j int) bool { return m.heads[i].compare(&m.heads[j].row) < 0 }
func (m *merged) Swap(i, j int)      { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }
func (m *merged) Push(x any)         { m.heads = append(m.heads, x.(head)) } //nolint:errcheck // heap.Interface
func (m *merged) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}

func (m *merged) next() (row, bool, error) {
	if len(m.heads) == 0 {
		return row{}, false, nil
	}
	r := m.heads[0].row
	following, ok, err := m.heads[0].from.next()
	switch {
	case err != nil:
		return row{}, false, err
	case ok:
		m.heads[0].row = following
		heap.Fix(m, 0)
	default:
		heap.Pop(m)
	}
	return r, true, nil
}
