package lists

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// PutEntry adds an entry to a local list, or changes the one with its ID: its maker
// stays, its national ID and action do where no others are given, and a covert one
// stays so. The error is ErrInvalid where something is wrong with it, store.ErrExists
// where the list has its mark and reference already.
func (l *Lists) PutEntry(ctx context.Context, by access.By, name string, e store.ListEntry) error {
	defer l.turns.Take(name)()
	var held store.ListEntry
	var missing error
	if e.ID != 0 {
		if held, missing = l.entry(ctx, name, e.ID); missing == nil {
			keep(&e, &held)
		}
	}
	wrong := l.complete(&e, by.Account)
	action, subject := "list entry add", fmt.Sprintf("list %s: %s", name, told(&e))
	if e.ID != 0 {
		action, subject = "list entry change", fmt.Sprintf("list %s: entry %d, now %s", name, e.ID, told(&e))
		if missing == nil {
			subject += toldChange(&held, &e)
		}
	}
	if err := l.authorise(ctx, by, access.ManageLists, action, subject, e.Rationale); err != nil {
		return err
	}
	if err := l.local(ctx, name); err != nil {
		return err
	}
	switch {
	case missing != nil:
		return missing
	case held.Covert && !e.Covert:
		return fmt.Errorf("%w: entry %d is covert and stays so; for vehicles to have it, remove it and add it anew", ErrInvalid, e.ID)
	case wrong != nil:
		return wrong
	case e.ID != 0:
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

// toldChange is what the access log is told of a change of an entry: how its mark,
// its dates and its priority were, and what else is another. What the words of an
// entry say of people stays in the entry.
func toldChange(held, e *store.ListEntry) string {
	var changed []string
	say := func(what, from, to string) {
		if from != to {
			changed = append(changed, fmt.Sprintf("%s %s to %s", what, cmp.Or(from, "none"), cmp.Or(to, "none")))
		}
	}
	say("mark", string(held.VRM), string(e.VRM))
	say("reference", held.Reference, e.Reference)
	say("priority", held.Priority.String(), e.Priority.String())
	say("weed date", dayOf(held.Weed), dayOf(e.Weed))
	say("review", dayOf(held.Review), dayOf(e.Review))
	for _, field := range []struct {
		name string
		same bool
	}{
		{"rationale", held.Rationale == e.Rationale}, {"reason", held.Reason == e.Reason}, {"information", held.Information == e.Information},
		{"markers", slices.Equal(held.Markers, e.Markers)}, {"action", held.Action == e.Action}, {"instructions", held.Instructions == e.Instructions},
		{"vehicle", held.Make == e.Make && held.Model == e.Model && held.Colour == e.Colour}, {"grading", held.Intelligence == e.Intelligence},
		{"force", held.Force == e.Force}, {"marking", held.Marking == e.Marking}, {"CAD", held.CAD == e.CAD}, {"national ID", held.NationalID == e.NationalID},
		{"covert", held.Covert == e.Covert},
	} {
		if !field.same {
			changed = append(changed, field.name)
		}
	}
	if changed == nil {
		return ", nothing changed"
	}
	return ", changed: " + strings.Join(changed, ", ")
}

// dayOf writes a day, "" for none.
func dayOf(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
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
