// Package fetch brings a unit's lists to what central has published for it.
//
//	f := &fetch.Fetcher{Cache: cache, Trust: client, Log: log}
//	result, err := f.Sync(ctx)
//
// A sync asks the signed repository what the unit may have (internal/trust), takes
// what brings each list to its newest version with the fewest bytes, and removes
// what central has withdrawn. Whatever goes wrong with a list, and wherever it is
// cut, leaves its version before in force and the other lists to go on; the next
// sync goes on where a download ended.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"syscall"

	"nrd/hotlist"
	"nrd/hotlist/publication"
	"nrd/internal/trust"
)

// Fetcher syncs one cache with one repository. Fill the fields. One sync runs at a
// time.
type Fetcher struct {
	Cache *hotlist.Cache
	Trust *trust.Client
	// Own says of a list's name that the unit has a file for it, which counts.
	Own func(name string) bool
	Log *slog.Logger
}

// Result is what a sync did.
type Result struct {
	// Number is that of what central has published.
	Number int64
	// Loaded and Removed are names of lists.
	Loaded, Removed []string
	// Bytes is how much was downloaded for the lists.
	Bytes int64
}

// target is one file of a list.
type target struct {
	publication.Publication
	file trust.Target
}

// listed are the files of one list.
type listed struct{ snapshots, deltas []target }

// newest is the last version.
func (l listed) newest() target {
	return slices.MaxFunc(l.snapshots, func(a, b target) int { return int(int64(a.Version) - int64(b.Version)) }) //nolint:gosec // versions are no more than counts or times
}

// chain gives the deltas that lead from a version to the newest; ok is false where
// none do.
func (l listed) chain(from uint64) (chain []target, ok bool) {
	for newest := l.newest().Version; from != newest; {
		at := slices.IndexFunc(l.deltas, func(d target) bool { return d.From == from })
		if at < 0 || l.deltas[at].Version > newest {
			return nil, false
		}
		chain = append(chain, l.deltas[at])
		from = l.deltas[at].Version
	}
	return chain, true
}

// Sync brings the lists to what is published. The result holds beside an error
// too.
func (f *Fetcher) Sync(ctx context.Context) (Result, error) {
	var r Result
	repository, err := f.Trust.Refresh(ctx)
	if err != nil {
		return r, err
	}
	r.Number = repository.Number
	lists, err := sortOut(repository.Targets)
	if err != nil {
		return r, err
	}
	errs := []error{f.Trust.Clear(repository.Targets...)}
	held := f.Cache.Published()
	for _, name := range slices.Sorted(maps.Keys(held)) {
		if _, published := lists[name]; published {
			continue
		}
		if err := f.Cache.Remove(name); err != nil {
			errs = append(errs, fmt.Errorf("list %s: %w", name, err))
			continue
		}
		f.Log.Info("a list that central has withdrawn is removed", "list", name)
		r.Removed = append(r.Removed, name)
	}
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		if f.Own != nil && f.Own(name) {
			f.Log.Warn("central's list is not taken: the unit has a file for it", "list", name)
			continue
		}
		s := &step{f: f, repository: repository, list: lists[name], result: &r}
		changed, err := s.bring(ctx, held[name])
		if err != nil {
			errs = append(errs, fmt.Errorf("list %s: %w", name, err))
		}
		if changed {
			r.Loaded = append(r.Loaded, name)
		}
	}
	return r, errors.Join(errs...)
}

// sortOut puts files to their lists.
func sortOut(targets []trust.Target) (map[string]listed, error) {
	lists := map[string]listed{}
	for _, t := range targets {
		p, err := publication.Parse(t.Custom)
		if err != nil {
			return nil, err
		}
		l := lists[p.List]
		if p.From == 0 {
			l.snapshots = append(l.snapshots, target{p, t})
		} else {
			l.deltas = append(l.deltas, target{p, t})
		}
		lists[p.List] = l
	}
	for name, l := range lists {
		if len(l.snapshots) == 0 {
			return nil, fmt.Errorf("%w: %s has no snapshot", publication.ErrMalformed, name)
		}
	}
	return lists, nil
}

// step is one list being brought to its newest version.
type step struct {
	f          *Fetcher
	repository trust.Repository
	list       listed
	result     *Result
}

// bring says whether the list in force has changed.
func (s *step) bring(ctx context.Context, held publication.Publication) (changed bool, err error) {
	newest := s.list.newest()
	if held.Version == newest.Version && held.Content == newest.Content {
		return false, nil
	}
	if chain, ok := s.list.chain(held.Version); ok && len(chain) > 0 {
		for _, d := range chain {
			err = s.take(ctx, d)
			changed = changed || err == nil
			if err != nil {
				break
			}
		}
		if !errors.Is(err, hotlist.ErrBase) && !errors.Is(err, hotlist.ErrDamaged) {
			return changed, err
		}
		s.f.Log.Warn("a change of a list does not fit; the whole is taken", "list", newest.List, "error", err)
	}
	// One that has come in part already is taken before a newer one.
	snapshot := newest
	for _, older := range s.list.snapshots {
		if _, leads := s.list.chain(older.Version); leads && s.f.Trust.Begun(older.file) {
			snapshot = older
		}
	}
	if err := s.take(ctx, snapshot); err != nil {
		return changed, err
	}
	chain, _ := s.list.chain(snapshot.Version)
	for _, d := range chain {
		if err := s.take(ctx, d); err != nil {
			return true, err
		}
	}
	return true, nil
}

// take downloads a file and puts what it makes in force.
func (s *step) take(ctx context.Context, t target) error {
	path, err := s.f.Trust.Download(ctx, s.repository, t.file)
	if err != nil {
		return err
	}
	s.result.Bytes += t.file.Length
	err = s.apply(ctx, t, path)
	if err == nil {
		s.f.Log.Info("a list from central is in force", "list", t.List, "version", t.Version, "entries", t.Entries)
	}
	// What was interrupted is used again; what is of no use, or leaves the disk no
	// room, is not kept.
	if err == nil || ctx.Err() == nil || errors.Is(err, syscall.ENOSPC) {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

func (s *step) apply(ctx context.Context, t target, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	lines, err := t.Open(file)
	if err != nil {
		return err
	}
	defer lines.Close()
	if t.From == 0 {
		return s.f.Cache.Replace(ctx, t.Publication, lines)
	}
	return s.f.Cache.Change(ctx, t.Publication, lines)
}
