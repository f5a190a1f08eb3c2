package lists

import (
	"context"
	"fmt"
	"strings"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// PutEntry adds an entry to a local list, or changes the one with its ID: its maker
// stays, its national ID and action do where no others are given, and a covert one
// stays so. The error is ErrInvalid where something is wrong with it, store.ErrExists
// where the list has its mark and reference already.
func (l *Lists) PutEntry(ctx context.Context, by access.By, name string, e store.ListEntry) error {
	action, subject := "list entry add", fmt.Sprintf("list %s: %s", name, told(&e))
	if e.ID != 0 {
		action, subject = "list entry change", fmt.Sprintf("list %s: entry %d, now %s", name, e.ID, told(&e))
	}
	if err := l.authorise(ctx, by, access.ManageLists, action, subject, e.Rationale); err != nil {
		return err
	}
	defer l.turns.Take(name)()
	if err := l.local(ctx, name); err != nil {
		return err
	}
	var held store.ListEntry
	if e.ID != 0 {
		var err error
		if held, err = l.entry(ctx, name, e.ID); err != nil {
			return err
		}
		if held.Covert && !e.Covert {
			return fmt.Errorf("%w: entry %d is covert and stays so; for vehicles to have it, remove it and add it anew", ErrInvalid, e.ID)
		}
		keep(&e, &held)
	}
	if err := l.complete(&e, by.Account); err != nil {
		return err
	}
	if e.ID != 0 {
		e.Creator, e.Created = held.Creator, held.Created
	}
	return l.change(ctx, name, by, store.EntryChange{Put: []store.ListEntry{e}}, []nrd.VRM{e.VRM}, e.Rationale)
}

// told is what the access log is told of an entry.
func told(e *store.ListEntry) string {
	text := strings.TrimSpace(string(e.VRM)+" "+e.Reference) + ", priority " + e.Priority.String()
	if e.Covert {
		text += ", covert"
	}
	return text
}

// keep keeps what no form shows of the entry that is changed. An action names the
// priority, so with another priority it is another one.
func keep(e, held *store.ListEntry) {
	if e.NationalID == "" {
		e.NationalID = held.NationalID
	}
	if e.Action == "" && e.Priority == held.Priority {
		e.Action = held.Action
	}
}

// entry gives the entry of a local list with an ID. The error is store.ErrNotFound.
func (l *Lists) entry(ctx context.Context, name string, id uint64) (store.ListEntry, error) {
	var after store.EntryKey
	for {
		page, err := l.Store.Entries(ctx, store.EntryQuery{List: name, After: after, Limit: store.MaxLimit})
		if err != nil {
			return store.ListEntry{}, err
		}
		for _, held := range page {
			if held.ID == id {
				return held, nil
			}
			after = store.EntryKey{VRM: held.VRM, Reference: held.Reference}
		}
		if len(page) < store.MaxLimit {
			return store.ListEntry{}, fmt.Errorf("entry %d of %s: %w", id, name, store.ErrNotFound)
		}
	}
}

// RemoveEntry takes an entry off a local list. The error is store.ErrNotFound where
// it has none with the ID.
func (l *Lists) RemoveEntry(ctx context.Context, by access.By, name string, id uint64, reason string) error {
	subject := fmt.Sprintf("list %s: entry %d", name, id)
	held, missing := l.entry(ctx, name, id)
	if missing == nil {
		subject += ", " + told(&held)
	}
	if err := l.authorise(ctx, by, access.ManageLists, "list entry remove", subject, reason); err != nil {
		return err
	}
	if err := access.CheckReason(reason); err != nil {
		return err
	}
	defer l.turns.Take(name)()
	if err := l.local(ctx, name); err != nil {
		return err
	}
	if missing != nil {
		return missing
	}
	return l.change(ctx, name, by, store.EntryChange{Remove: []uint64{id}}, nil, reason)
}
