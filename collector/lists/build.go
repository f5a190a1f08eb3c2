package lists

import (
	"context"
	"errors"

	"nrd"
	"nrd/collector/store"
)

// build makes the next version of a local list from its entries in the store.
func (l *Lists) build(ctx context.Context, name string) error {
	list, err := l.Store.List(ctx, name)
	if err != nil {
		return err
	}
	before, now := list.File, l.Clock.Now()
	file := newName()
	entries, err := l.write(ctx, file, &stored{ctx: ctx, store: l.Store, list: name})
	if err != nil {
		return err
	}
	err = l.Store.ChangeList(ctx, name, func(held *store.List) error {
		held.File, held.Built = file, list.Changes
		held.InForce = nrd.ListVersion{
			List: name, Version: held.InForce.Version + 1, Issued: now, Loaded: now, Expires: l.expires(held, now), Entries: entries,
		}
		list = *held
		return nil
	})
	if err != nil {
		return errors.Join(err, l.drop(file))
	}
	if err := l.open(list); err != nil {
		return err
	}
	l.discard(before)
	wake(l.publishing)
	wake(l.searching)
	return nil
}

// stored gives the entries of a local list in the store, which are in order.
type stored struct {
	ctx   context.Context // of one build
	store store.Store
	list  string
	page  []store.ListEntry
	after store.EntryKey
	ended bool
}

func (s *stored) next() (row, bool, error) {
	if len(s.page) == 0 && !s.ended {
		page, err := s.store.Entries(s.ctx, store.EntryQuery{List: s.list, After: s.after, Limit: 1000})
		if err != nil {
			return row{}, false, err
		}
		s.page, s.ended = page, len(page) < 1000
	}
	if len(s.page) == 0 {
		return row{}, false, nil
	}
	e := &s.page[0]
	s.page = s.page[1:]
	s.after = store.EntryKey{VRM: e.VRM, Reference: e.Reference}
	return rowOf(&item{e.Entry, e.Covert}), true, nil
}
