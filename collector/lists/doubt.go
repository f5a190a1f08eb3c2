package lists

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// maxWaiting is how many files of a list may wait for a person.
const maxWaiting = 50

// doubt says why a person must look at an import first, or "".
func (l *Lists) doubt(ctx context.Context, list *store.List, i *store.ListImport, v version) (string, error) {
	r := &i.Report
	switch {
	case i.Entries == 0:
		return "it would empty the list", nil
	case v.after == 0:
		return fmt.Sprintf("it would empty the list: all %d entries have expired", i.Entries), nil
	case float64(v.before-v.after) > l.Limits.Shrink*float64(v.before):
		return fmt.Sprintf("the list would shrink from %d to %d entries%s", v.before, v.after, expired(i.Expired)), nil
	case r.Cut:
		return "it ends within a line: the rest seems to have been cut off", nil
	case float64(r.Refused) > l.Limits.Shrink*float64(r.Lines):
		return fmt.Sprintf("%d of its %d lines are refused", r.Refused, r.Lines), nil
	}
	if i.Operation == operations[voi.Replace] {
		return l.replayed(ctx, list, i)
	}
	waiting, err := l.heldOf(ctx, list.Name)
	if len(waiting) > 0 {
		return fmt.Sprintf("import %d of the same list waits, and this file changes what that one makes", waiting[0].ID), err
	}
	return "", err
}

// replayed says whether a whole list is one that was in force before and has been
// taken the place of: an old one, sent again.
func (l *Lists) replayed(ctx context.Context, list *store.List, i *store.ListImport) (string, error) {
	if i.Text == list.Text {
		return "", nil
	}
	before, err := l.Store.WholeImport(ctx, list.Name, i.Text)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return fmt.Sprintf("it says the same as the file of import %d (%s), and other files came since: an old list may have been sent again",
		before.ID, before.Issued.Format(time.RFC3339)), nil
}

// expired says how many entries do not count because they have.
func expired(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d expired ones not counted", n)
}

func (l *Lists) heldOf(ctx context.Context, list string) ([]store.ListImport, error) {
	all, err := l.Store.HeldImports(ctx)
	var of []store.ListImport
	for _, i := range all {
		if i.List == list {
			of = append(of, i)
		}
	}
	return of, err
}

// supersede ends the waiting of files that a newer whole list makes pointless.
func (l *Lists) supersede(ctx context.Context, by *store.ListImport, reason string) {
	waiting, err := l.heldOf(ctx, by.List)
	for _, i := range waiting {
		if i.ID == by.ID || i.Issued.After(by.Issued) && !l.ahead(i.Issued) {
			continue
		}
		candidate := i.Candidate
		i.State, i.Decided, i.DecidedBy, i.Candidate = store.ImportRejected, l.Clock.Now(), byCentral, ""
		i.Reason = reason
		_, putErr := l.Store.PutImport(ctx, i)
		if putErr == nil {
			putErr = l.drop(candidate)
		}
		err = errors.Join(err, putErr)
	}
	if err != nil {
		l.Log.Error("files that wait for nothing any more are still listed", "list", by.List, "error", err)
	}
}
