package powercut

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// what is the kind of a step.
type what byte

const (
	create what = iota // name in folder node for other, which may be new
	mkdir
	write
	truncate
	unlink
	rename
	fsync
	promise
)

// step is one thing that the program did to the disk.
type step struct {
	what    what
	node    uint64 // the file, or the folder of a name; 0 is the disk's root
	other   uint64 // the file of a new name, or a rename's folder
	name    string
	newName string
	at      int64
	data    []byte
}

// Trace is everything that was done to a disk, in its order.
type Trace struct {
	steps []step
	// deaf says which fsyncs are taken to have been left out.
	deaf func(path string) bool
}

// Without gives a trace of a program that does the same but leaves out the fsyncs
// of the files and folders whose paths, from the disk's root ("."), match: a bug
// that a test should notice.
func (t *Trace) Without(path func(path string) bool) *Trace {
	return &Trace{steps: t.steps, deaf: path}
}

// Len is the number of steps. Promises are none.
func (t *Trace) Len() int {
	n := 0
	for _, s := range t.steps {
		if s.what != promise {
			n++
		}
	}
	return n
}

// block is what a disk writes at least.
const block = 4096

// Flash is how many bytes the disk had to write for what was fsynced: whole
// blocks, each once for all that was written to it between two fsyncs. What a
// file system writes for itself is not in it.
func (t *Trace) Flash() int64 {
	dirty := map[uint64]map[int64]bool{}
	var n int64
	for _, s := range t.steps {
		switch s.what {
		case write:
			if dirty[s.node] == nil {
				dirty[s.node] = map[int64]bool{}
			}
			for b := s.at / block; b*block < s.at+int64(len(s.data)); b++ {
				dirty[s.node][b] = true
			}
		case fsync:
			n += int64(len(dirty[s.node])) * block
			delete(dirty, s.node)
		}
	}
	return n
}

// Survival says what the disk holds of what was not fsynced when the power went.
type Survival string

// Nothing of it, all of it, or a part that is drawn at random: sectors of 512
// bytes of files, and of each folder the first so many of its changes.
const (
	Nothing Survival = "nothing"
	All     Survival = "all"
	Part    Survival = "part"
)

// Survivals are all of them.
var Survivals = []Survival{Nothing, All, Part}

// Cut is a moment at which the power goes.
type Cut struct {
	// After is how many steps came before.
	After int
	// Last says what the last of them was.
	Last string
	// Promises are what the program had promised.
	Promises []string

	state *state
}

// Cuts gives a cut before the first step and after every one. A cut is good until
// the next one is asked for.
func (t *Trace) Cuts() iter.Seq[Cut] {
	return func(yield func(Cut) bool) {
		s := newState()
		c := Cut{Last: "nothing was done", state: s}
		done := 0
		for _, next := range t.steps {
			if next.what == promise {
				c.Promises = append(c.Promises, string(next.data))
				continue
			}
			if c.After = done; !yield(c) {
				return
			}
			c.Last = s.describe(next)
			if next.what != fsync || t.deaf == nil || !t.deaf(s.path(next.node)) {
				s.do(next)
			}
			done++
		}
		c.After = done
		yield(c)
	}
}

// state is what is on the disk for sure, and what is not yet.
type state struct {
	nodes map[uint64]*held
	paths map[uint64]string // for people
}

// held is a file or folder.
type held struct {
	folder  bool
	data    []byte            // of a file, durable
	names   map[string]uint64 // of a folder, durable
	pending []step
}

func newState() *state {
	return &state{nodes: map[uint64]*held{0: {folder: true, names: map[string]uint64{}}}, paths: map[uint64]string{0: "."}}
}

func (s *state) path(id uint64) string { return s.paths[id] }

func (s *state) describe(next step) string {
	words := map[what]string{create: "create", mkdir: "mkdir", write: "write", truncate: "truncate", unlink: "unlink", rename: "rename", fsync: "fsync"}
	text := words[next.what] + " " + filepath.Join(s.paths[next.node], next.name)
	switch next.what {
	case write:
		text += fmt.Sprintf(" (%d bytes at %d)", len(next.data), next.at)
	case rename:
		text += " to " + next.newName
	}
	return text
}

// do makes a step, which is durable only with an fsync.
func (s *state) do(next step) {
	n := s.nodes[next.node]
	switch next.what {
	case fsync:
		for _, p := range n.pending {
			n.apply(p)
		}
		n.pending = nil
		return
	case create, mkdir:
		if s.nodes[next.other] == nil {
			s.nodes[next.other] = &held{folder: next.what == mkdir, names: map[string]uint64{}}
		}
		s.paths[next.other] = filepath.Join(s.paths[next.node], next.name)
	case rename:
		id := n.lookUp(next.name)
		s.paths[id] = filepath.Join(s.paths[next.other], next.newName)
		if to := s.nodes[next.other]; to != n {
			to.pending = append(to.pending, step{what: create, name: next.newName, other: id})
			next = step{what: unlink, name: next.name}
		}
	}
	n.pending = append(n.pending, next)
}

// lookUp gives what a name means now.
func (h *held) lookUp(name string) uint64 {
	now := held{names: map[string]uint64{}}
	for k, v := range h.names {
		now.names[k] = v
	}
	for _, p := range h.pending {
		now.apply(p)
	}
	return now.names[name]
}

// apply makes a pending step durable.
func (h *held) apply(p step) {
	switch p.what {
	case write:
		h.data = writeAt(h.data, p.data, p.at)
	case truncate:
		h.data = truncateTo(h.data, p.at)
	case create, mkdir:
		h.names[p.name] = p.other
	case unlink:
		delete(h.names, p.name)
	case rename:
		h.names[p.newName] = h.names[p.name]
		if p.newName != p.name {
			delete(h.names, p.name)
		}
	}
}

// End gives the cut after the last step.
func (t *Trace) End() Cut {
	var last Cut
	for cut := range t.Cuts() {
		last = cut
	}
	return last
}

// Restore writes what the disk may hold after the cut to a folder, which is made.
// The same seed draws the same part.
func (c Cut) Restore(dir string, survival Survival, seed uint64) error {
	return c.state.restore(0, dir, survival, rand.New(rand.NewPCG(seed, uint64(c.After))))
}

func (s *state) restore(id uint64, path string, survival Survival, rng *rand.Rand) error {
	n := s.nodes[id].after(survival, rng)
	if !n.folder {
		return os.WriteFile(path, n.data, 0o600)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	names := make([]string, 0, len(n.names))
	for name := range n.names {
		names = append(names, name)
	}
	slices.Sort(names) // so that a seed always draws the same
	for _, name := range names {
		if err := s.restore(n.names[name], filepath.Join(path, name), survival, rng); err != nil {
			return err
		}
	}
	return nil
}

// after gives a file or folder as the power's end may have left it.
func (h *held) after(survival Survival, rng *rand.Rand) held {
	left := held{folder: h.folder, data: slices.Clone(h.data), names: map[string]uint64{}}
	for k, v := range h.names {
		left.names[k] = v
	}
	pending := h.pending
	switch {
	case survival == Nothing:
		return left
	case survival == Part && h.folder:
		pending = pending[:rng.IntN(len(pending)+1)]
	}
	for _, p := range pending {
		if survival == Part && p.what == write {
			left.data = writeSectors(left.data, p, rng)
			continue
		}
		if survival == Part && p.what == truncate && rng.IntN(2) == 0 {
			continue
		}
		left.apply(p)
	}
	return left
}

const sector = 512

// writeSectors does some of a write: each sector is written or not. A file grows
// by whole blocks, or to the end of a write; what is missing there is zeros.
func writeSectors(data []byte, p step, rng *rand.Rand) []byte {
	end := p.at + int64(len(p.data))
	for from := p.at; from < end; {
		to := min((from/sector+1)*sector, end)
		if rng.IntN(2) == 0 {
			if whole := min((to+block-1)/block*block, end); whole > int64(len(data)) {
				data = truncateTo(data, whole)
			}
			data = writeAt(data, p.data[from-p.at:to-p.at], from)
		}
		from = to
	}
	return data
}
