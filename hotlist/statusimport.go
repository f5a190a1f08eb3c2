package hotlist

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"nrd"
	"nrd/internal/sealed"
)

// statusesPerRun are sorted in memory at a time: 24 MB.
const statusesPerRun = 1 << 20

// buildStatuses writes a list of statuses; old is the one that the file changes,
// or nil. Runs that were sorted in memory go to files of statuses of their own,
// sealed under a key that nobody keeps, and are merged.
func (i *importer) buildStatuses(path string, old *statusList) error {
	var lines []string
	if old != nil {
		lines = old.Kinds
	}
	k, err := newKinds(lines)
	if err != nil {
		return err
	}
	s := &statusSorter{dir: i.work, key: sealed.NewKey()}
	err = i.each(func(e nrd.Entry, _ []byte) error {
		kind, err := k.number(e)
		if err != nil {
			return err
		}
		return s.add(status{packVRM(e.VRM), uint32(e.Line), kind}) //nolint:gosec // a file has fewer lines than 4 GiB bytes
	})
	if err != nil {
		return err
	}
	changes, err := s.merge()
	defer changes.close()
	if err != nil {
		return err
	}
	c := &statusChange{kinds: k, remove: i.remove, report: i.report, changes: vehicles{from: changes}}
	if old != nil {
		c.old.from = &statuses{file: old.statusFile}
	}
	w, err := createStatusFile(path, i.cache.key.Derive("lists of statuses"))
	if err != nil {
		return err
	}
	if err := i.copyStatuses(w, c); err != nil {
		return errors.Join(err, w.file.Close())
	}
	return w.finish(i.about, k.lines, true)
}

func (i *importer) copyStatuses(w *statusWriter, c *statusChange) error {
	for n := 0; ; n++ {
		of, ok, err := c.next()
		if err != nil || !ok {
			return err
		}
		for _, s := range of {
			if err := w.add(s); err != nil {
				return err
			}
		}
		if n%entriesPerCommit == 0 && i.ctx.Err() != nil {
			return i.ctx.Err()
		}
	}
}

// statusSorter sorts more statuses than memory holds.
type statusSorter struct {
	dir  string
	key  *sealed.Key
	run  []status
	runs []string
}

func (s *statusSorter) add(st status) error {
	s.run = append(s.run, st)
	if len(s.run) < statusesPerRun {
		return nil
	}
	return s.flush()
}

func (s *statusSorter) flush() error {
	slices.SortFunc(s.run, compareStatuses)
	path := filepath.Join(s.dir, fmt.Sprintf("run-%d", len(s.runs)))
	w, err := createStatusFile(path, s.key)
	if err != nil {
		return err
	}
	s.runs = append(s.runs, path)
	for _, st := range s.run {
		if err := w.add(st); err != nil {
			return errors.Join(err, w.file.Close())
		}
	}
	s.run = s.run[:0]
	return w.finish(header{}, nil, false)
}

func compareStatuses(a, b status) int {
	return cmp.Or(a.vrm.compare(b.vrm), cmp.Compare(a.line, b.line))
}

// merge gives all in order. The caller closes the result, also beside an error.
func (s *statusSorter) merge() (*mergedStatuses, error) {
	m := &mergedStatuses{}
	if err := s.flush(); err != nil {
		return m, err
	}
	s.run = nil
	for _, path := range s.runs {
		f, err := openStatusFile(path, s.key)
		if err != nil {
			return m, err
		}
		m.files = append(m.files, f)
		r := &statusRun{from: statuses{file: f}}
		more, err := r.advance()
		if err != nil {
			return m, err
		}
		if more {
			m.runs = append(m.runs, r)
		}
	}
	heap.Init(m)
	return m, nil
}

// statusRun is one sorted file and its first status that was not given yet.
type statusRun struct {
	from statuses
	head status
}

func (r *statusRun) advance() (more bool, err error) {
	r.head, more, err = r.from.next()
	return more, err
}

// mergedStatuses is a heap of runs; the one with the first status is on top.
type mergedStatuses struct {
	runs  []*statusRun
	files []*statusFile
}

func (m *mergedStatuses) Len() int { return len(m.runs) }
func (m *mergedStatuses) Less(i, j int) bool {
	return compareStatuses(m.runs[i].head, m.runs[j].head) < 0
}
func (m *mergedStatuses) Swap(i, j int) { m.runs[i], m.runs[j] = m.runs[j], m.runs[i] }
func (m *mergedStatuses) Push(x any)    { m.runs = append(m.runs, x.(*statusRun)) } //nolint:errcheck // heap.Interface
func (m *mergedStatuses) Pop() any {
	last := m.runs[len(m.runs)-1]
	m.runs = m.runs[:len(m.runs)-1]
	return last
}

func (m *mergedStatuses) next() (status, bool, error) {
	if len(m.runs) == 0 {
		return status{}, false, nil
	}
	first := m.runs[0].head
	more, err := m.runs[0].advance()
	if err != nil {
		return status{}, false, err
	}
	if more {
		heap.Fix(m, 0)
	} else {
		heap.Pop(m)
	}
	return first, true, nil
}

func (m *mergedStatuses) close() {
	for _, f := range m.files {
		f.file.Close() //nolint:errcheck // it was only read
	}
}
