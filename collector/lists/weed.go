package lists

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nrd/collector/store"
)

// byCentral is who does what central does by itself.
const byCentral = "central"

// weed removes, once a day, the entries of local lists whose weed date passed long
// enough ago, for good and with a line in the access log. A clock that nothing vouches
// for removes none: it may be years ahead.
func (l *Lists) weed(ctx context.Context) error {
	now := l.Clock.Stamp()
	day := daySince1970(now.True())
	if !now.Proved || day == l.weeded {
		return nil
	}
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, list := range all {
		if list.Local() && list.Withdrawn.IsZero() {
			errs = append(errs, l.weedOne(ctx, list.Name, now.True().Add(-l.Limits.Expired)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	l.weeded = day
	return nil
}

// weedOne removes the entries of a list that had expired by then.
func (l *Lists) weedOne(ctx context.Context, name string, then time.Time) error {
	defer l.turns.Take(name)()
	entries, err := l.allEntries(ctx, name)
	if err != nil {
		return err
	}
	var gone store.EntryChange
	for _, e := range entries {
		if e.Expired(then) {
			gone.Remove = append(gone.Remove, e.ID)
		}
	}
	if len(gone.Remove) == 0 {
		return nil
	}
	_, err = l.Store.Log(ctx, store.Access{
		At: l.Clock.Now(), Account: byCentral, Action: "list weed", From: byCentral, Reason: "their weed dates have passed", Outcome: "ok",
		Subject: fmt.Sprintf("list %s: %d entries that had expired by %s", name, len(gone.Remove), then.Format(time.DateOnly)),
	})
	if err != nil {
		return err
	}
	if err := l.Store.ChangeEntries(ctx, name, gone, store.Retrospect{}); err != nil {
		return err
	}
	return l.build(ctx, name)
}
