package collector

import (
	"cmp"
	"context"
	"path/filepath"
	"time"

	"nrd/collector/store"
)

// Lists lists all lists of vehicles of interest, with their use.
func (d *Desk) Lists(ctx context.Context) (all []ListState, err error) {
	return all, d.ask(ctx, "/list/list", nothing{}, &all)
}

// CreateList makes a list; ChangeList gives one other settings, those that are given.
func (d *Desk) CreateList(ctx context.Context, s ListSettings) error {
	return d.ask(ctx, "/list/create", s, &nothing{})
}

// ChangeList is documented at CreateList.
func (d *Desk) ChangeList(ctx context.Context, c ListChange) error {
	return d.ask(ctx, "/list/change", c, &nothing{})
}

// ReviewList notes that somebody looked whether a list is still needed.
func (d *Desk) ReviewList(ctx context.Context, name, note string, next time.Time) error {
	return d.ask(ctx, "/list/review", listAct{Name: name, Reason: note, Next: next}, &nothing{})
}

// WithdrawList takes a list out of force for good.
func (d *Desk) WithdrawList(ctx context.Context, name, reason string) error {
	return d.ask(ctx, "/list/withdraw", listAct{Name: name, Reason: reason}, &nothing{})
}

// ListEntries lists the entries of a local list, page by page as the query says.
func (d *Desk) ListEntries(ctx context.Context, q ListQuery) (entries []ListedEntry, err error) {
	q.Limit = cmp.Or(q.Limit, store.MaxLimit)
	for {
		var page []ListedEntry
		if err := d.ask(ctx, "/list/entries", q, &page); err != nil {
			return nil, err
		}
		if entries = append(entries, page...); len(page) < q.Limit {
			return entries, nil
		}
		last := page[len(page)-1]
		q.AfterVRM, q.AfterReference = last.VRM, last.Reference
	}
}

// PutListEntry adds an entry to a local list, or changes the one with its ID.
func (d *Desk) PutListEntry(ctx context.Context, e ListedEntry) error {
	return d.ask(ctx, "/list/put", e, &nothing{})
}

// RemoveListEntry takes an entry off a local list.
func (d *Desk) RemoveListEntry(ctx context.Context, list string, id uint64, reason string) error {
	return d.ask(ctx, "/list/remove", listAct{Name: list, ID: id, Reason: reason}, &nothing{})
}

// ImportList loads a list file.
func (d *Desk) ImportList(ctx context.Context, f ListFile) (i ListImport, err error) {
	if f.Path, err = filepath.Abs(f.Path); err != nil {
		return i, err
	}
	return i, d.ask(ctx, "/list/import", f, &i)
}

// ListImports lists the files that came, of one list or of all, newest first and
// without their reports.
func (d *Desk) ListImports(ctx context.Context, list string) (all []ListImport, err error) {
	return all, d.ask(ctx, "/list/imports", named{list}, &all)
}

// ListImport gives one import with its report.
func (d *Desk) ListImport(ctx context.Context, id uint64) (i ListImport, err error) {
	return i, d.ask(ctx, "/list/report", listAct{ID: id}, &i)
}

// DecideImport approves or rejects a file that waits.
func (d *Desk) DecideImport(ctx context.Context, id uint64, approve bool, reason string) error {
	path := "/list/reject"
	if approve {
		path = "/list/approve"
	}
	return d.ask(ctx, path, listAct{ID: id, Reason: reason}, &nothing{})
}

// ExportList gives a local list as a file; to is the agency that it goes to, "" for
// none.
func (d *Desk) ExportList(ctx context.Context, name, to, reason string) (text string, err error) {
	return text, d.ask(ctx, "/list/export", listAct{Name: name, To: to, Reason: reason}, &text)
}

// ShareList names another agency that exports of a local list may go to, UnshareList
// ends it.
func (d *Desk) ShareList(ctx context.Context, a ListAgency) error {
	return d.ask(ctx, "/list/share", a, &nothing{})
}

// UnshareList is documented at ShareList.
func (d *Desk) UnshareList(ctx context.Context, name, agency, reason string) error {
	return d.ask(ctx, "/list/unshare", listAct{Name: name, To: agency, Reason: reason}, &nothing{})
}

// AcknowledgeHit notes that somebody has seen a hit, and answers it as it stands: who
// was first stays.
func (d *Desk) AcknowledgeHit(ctx context.Context, s SeenHit) (hit ListHit, err error) {
	return hit, d.ask(ctx, "/list/acknowledge", s, &hit)
}

// ListHits lists the newest hit alarms of a list, or of all.
func (d *Desk) ListHits(ctx context.Context, list, reason string) (hits []ListHit, err error) {
	return hits, d.ask(ctx, "/list/hits", listAct{Name: list, Reason: reason}, &hits)
}
