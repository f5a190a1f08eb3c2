package lists

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// Upload is a list file that a person brings. What the sixteen columns do not say
// stands for all entries of a local list's file.
type Upload struct {
	Rationale string
	// Weed is for entries whose line gives none.
	Weed, Review time.Time
	Covert       bool
	// Sure lets a local list lose more than the limit.
	Sure bool
}

// maxLocal is how many entries a local list may have.
const maxLocal = 100_000

// Import loads a file that a person brings into a list, and says what became of it:
// the import has its report. What is broken is refused, and changes nothing. The
// error is ErrShrinks where a local list would lose much, or a file for one is cut off; a list that comes in files
// then waits for whoever may approve it.
func (l *Lists) Import(ctx context.Context, by access.By, name string, f *voi.File, u Upload) (store.ListImport, error) {
	if err := l.mayImport(ctx, by, name, f.Name, u); err != nil {
		return store.ListImport{}, err
	}
	return l.bring(ctx, by, name, f, u)
}

func (l *Lists) bring(ctx context.Context, by access.By, name string, f *voi.File, u Upload) (store.ListImport, error) {
	list, err := l.standing(ctx, name)
	if err != nil {
		return store.ListImport{}, err
	}
	if list.Local() {
		return l.importLocal(ctx, by, name, f, u)
	}
	if f.Source != "" && f.Source != list.Source {
		return store.ListImport{}, fmt.Errorf("%w: the list %s takes the files of %s, not of %s", ErrInvalid, name, list.Source, f.Source)
	}
	i, err := l.load(ctx, list, f, by.Account)
	return i, errors.Join(err, l.watch(ctx))
}

func (l *Lists) importLocal(ctx context.Context, by access.By, name string, f *voi.File, u Upload) (store.ListImport, error) {
	defer l.turns.Take(name)()
	list, err := l.standing(ctx, name)
	if err != nil {
		return store.ListImport{}, err
	}
	now := l.Clock.Now()
	i := store.ListImport{
		List: name, By: by.Account, File: f.Name, Operation: operations[f.Operation], Received: now, Issued: now, Before: list.InForce.Entries,
	}
	entries, err := l.readLocal(ctx, name, f, u, by.Account, &i)
	if why, refused := refusal(err); refused {
		i.State, i.Why = store.ImportRefused, why
		return l.Store.PutImport(ctx, i)
	}
	if err != nil {
		return i, err
	}
	held, err := l.allEntries(ctx, name)
	if err != nil {
		return i, err
	}
	change, marks := merge(held, entries, f.Operation, &i.Report)
	i.Entries = len(held) - len(change.Remove) + len(marks)
	switch {
	case i.Entries > maxLocal:
		return i, fmt.Errorf("%w: a local list has at most %d entries", ErrInvalid, maxLocal)
	case !u.Sure && i.Report.Cut:
		return i, fmt.Errorf("%w: %w: %s ends within a line, the rest seems to have been cut off", ErrInvalid, ErrShrinks, f.Name)
	case !u.Sure && float64(len(held)-i.Entries) > l.Limits.Shrink*float64(len(held)):
		return i, fmt.Errorf("%w: %w: from %d to %d entries", ErrInvalid, ErrShrinks, len(held), i.Entries)
	}
	if err := l.change(ctx, name, by, change, marks, u.Rationale); err != nil {
		return i, err
	}
	i.State = store.ImportLoaded
	if l.Limits.Retrospect > 0 {
		i.Unsearched = unsearched(marks)
	}
	return l.Store.PutImport(ctx, i)
}

// readLocal reads a file's good lines as entries of a local list, each once.
func (l *Lists) readLocal(ctx context.Context, name string, f *voi.File, u Upload, account string, i *store.ListImport) ([]store.ListEntry, error) {
	var entries []store.ListEntry
	lines := map[store.EntryKey]int{}
	unusable := map[int]string{}
	report, err := voi.Parse(f, voi.Options{File: f.Name, List: name, Now: l.Clock.Now()}, func(e nrd.Entry) error {
		unguard(&e)
		entry := store.ListEntry{Entry: e, Rationale: u.Rationale, Review: u.Review, Covert: u.Covert}
		if entry.Weed.IsZero() {
			entry.Weed = u.Weed
		}
		if entry.Review.After(entry.Weed) {
			entry.Review = entry.Weed
		}
		key := store.EntryKey{VRM: e.VRM, Reference: e.Reference}
		if f.Operation != voi.Delete {
			if err := l.complete(&entry, account); err != nil {
				unusable[e.Line] = strings.TrimPrefix(err.Error(), ErrInvalid.Error()+": ")
				return ctx.Err()
			}
		}
		if first, twice := lines[key]; twice {
			unusable[e.Line] = fmt.Sprintf("has the same VRM and source reference as line %d", first)
			return ctx.Err()
		}
		lines[key] = e.Line
		if entries = append(entries, entry); len(entries) > maxLocal {
			return fmt.Errorf("%w: a local list has at most %d entries", ErrInvalid, maxLocal)
		}
		return ctx.Err()
	})
	for line, why := range inOrder(unusable) {
		report.Accepted--
		report.Refuse(line, "", why)
	}
	i.Report = *report
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("%s: %w", f.Name, voi.ErrNoEntries)
	}
	return entries, err
}

func (l *Lists) allEntries(ctx context.Context, name string) (map[store.EntryKey]store.ListEntry, error) {
	all := map[store.EntryKey]store.ListEntry{}
	var after store.EntryKey
	for {
		page, err := l.Store.Entries(ctx, store.EntryQuery{List: name, After: after, Limit: store.MaxLimit})
		if err != nil {
			return nil, err
		}
		for _, e := range page {
			after = store.EntryKey{VRM: e.VRM, Reference: e.Reference}
			all[after] = e
		}
		if len(page) < store.MaxLimit {
			return all, nil
		}
	}
}

// merge gives what a file changes of the entries held, and the marks that it adds.
// Whoever made an entry that is there already stays its maker. No file makes a covert
// entry open, and none with another reference in its place: the sixteen columns do not
// say what is covert, so that what was exported would come back open.
func merge(held map[store.EntryKey]store.ListEntry, entries []store.ListEntry, operation voi.Operation, report *voi.Report) (c store.EntryChange, added []nrd.VRM) {
	named := map[store.EntryKey]bool{}
	for _, e := range entries {
		named[store.EntryKey{VRM: e.VRM, Reference: e.Reference}] = true
	}
	wasCovert := map[nrd.VRM]bool{}
	if operation == voi.Replace {
		for key, e := range held {
			if !named[key] {
				c.Remove = append(c.Remove, e.ID)
				wasCovert[key.VRM] = wasCovert[key.VRM] || e.Covert
			}
		}
	}
	for _, e := range entries {
		before, there := held[store.EntryKey{VRM: e.VRM, Reference: e.Reference}]
		if operation == voi.Delete {
			if there {
				c.Remove = append(c.Remove, before.ID)
			} else {
				report.Warn(e.Line, "", "is not in the list")
			}
			continue
		}
		if !e.Covert && (before.Covert || !there && wasCovert[e.VRM]) {
			e.Covert = true
			report.Warn(e.Line, "", "stays covert: it goes to no vehicle")
		}
		if there {
			e.ID, e.Creator, e.Created = before.ID, before.Creator, before.Created
		} else {
			added = append(added, e.VRM)
		}
		c.Put = append(c.Put, e)
	}
	return c, added
}
