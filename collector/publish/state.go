package publish

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"nrd/hotlist/publication"
	"nrd/internal/sealed"
)

// stateFile holds, sealed, what is published.
const stateFile = "published"

// state is what is published. Number is that of the last metadata.
type state struct {
	Number int64
	Lists  map[string]*published
}

// published is one list. Deltas lead from the first of the snapshots to the
// newest version, one after the other; the newest snapshot is the last one.
type published struct {
	List
	Entries   int
	Snapshots []file
	Deltas    []file
}

// file is one file of a list, by the name fileName gives it.
type file struct {
	publication.Publication
	SHA256 [32]byte
	Length int64
}

const fileSuffix = ".sealed"

func (p *Publisher) path(f file) string {
	return filepath.Join(p.Dir, fmt.Sprintf("%x%s", f.SHA256, fileSuffix))
}

func (l *published) files() []file { return slices.Concat(l.Snapshots, l.Deltas) }

// trim lets go of deltas that a unit would not take, and of snapshots that no
// delta leads on from: all but the first and the last. The first is for a unit
// whose slow link is still at it.
func (l *published) trim() {
	length := func(files []file) (n int64) {
		for _, f := range files {
			n += f.Length
		}
		return n
	}
	newest := l.Snapshots[len(l.Snapshots)-1]
	for len(l.Deltas) > maxDeltas || length(l.Deltas) > newest.Length {
		l.Deltas = l.Deltas[1:]
	}
	from := newest.Version
	if len(l.Deltas) > 0 {
		from = l.Deltas[0].From
	}
	l.Snapshots = slices.DeleteFunc(l.Snapshots, func(f file) bool { return f.Version < from })
	if n := len(l.Snapshots); n > 2 {
		l.Snapshots = []file{l.Snapshots[0], l.Snapshots[n-1]}
	}
}

// maxDeltas is how many versions a unit may be behind and still need no snapshot:
// four days of a list that comes three times a day.
const maxDeltas = 12

func (s state) copy() state {
	lists := maps.Clone(s.Lists)
	if lists == nil {
		lists = map[string]*published{}
	}
	return state{Number: s.Number, Lists: lists}
}

func (s state) names() []string { return slices.Sorted(maps.Keys(s.Lists)) }

func (p *Publisher) readState() (state, error) {
	var s state
	box, err := os.ReadFile(filepath.Join(p.Dir, stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	text, err := p.key.Open(box, []byte(stateFile))
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", filepath.Join(p.Dir, stateFile), err)
	}
	return s, nil
}

func (p *Publisher) writeState(s state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return sealed.WriteFile(filepath.Join(p.Dir, stateFile), p.key.Seal(text, []byte(stateFile)), 0o600)
}

// sweep removes files that nothing published names, and at a start also the drafts
// that an interruption left: later each is somebody's who removes it. publishing is
// held.
func (p *Publisher) sweep(start bool) error {
	named := map[string]bool{stateFile: true}
	for _, l := range p.state.Lists {
		for _, f := range l.files() {
			named[filepath.Base(p.path(f))] = true
		}
	}
	found, err := os.ReadDir(p.Dir)
	errs := []error{err}
	for _, f := range found {
		if !named[f.Name()] && (start || !strings.HasPrefix(f.Name(), draftPrefix)) {
			errs = append(errs, os.Remove(filepath.Join(p.Dir, f.Name())))
		}
	}
	return errors.Join(errs...)
}
