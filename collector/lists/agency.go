package lists

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/store"
)

// Share names another law enforcement agency that exports of a local list may go to:
// what for, and the last day on which they may. An agency that is named already gets
// the new purpose and day. The error is ErrInvalid where something is wrong with it,
// and ErrNational beside it for a national one.
func (l *Lists) Share(ctx context.Context, by access.By, name string, a store.Agency) error {
	a.Name, a.Purpose = strings.Join(strings.Fields(a.Name), " "), strings.TrimSpace(a.Purpose)
	if err := l.authorise(ctx, by, access.ExportLists, "list share", fmt.Sprintf("list %s, to %s until %s", name, a.Name, a.Until.Format(time.DateOnly)), a.Purpose); err != nil {
		return err
	}
	if err := l.local(ctx, name); err != nil {
		return err
	}
	if err := l.checkAgency(a); err != nil {
		return err
	}
	a.By, a.Since = by.Account, l.Clock.Now()
	return l.Store.ChangeList(ctx, name, func(list *store.List) error {
		list.Agencies = append(without(list.Agencies, a.Name), a)
		return nil
	})
}

func (l *Lists) checkAgency(a store.Agency) error {
	say := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case !strings.ContainsFunc(a.Name, unicode.IsLetter) || len(a.Name) > 100 || strings.ContainsFunc(a.Name, unicode.IsControl):
		return say("which agency it is is missing, or has more than 100 characters")
	case fleet.National(a.Name) || slices.ContainsFunc(strings.Fields(a.Name), fleet.National):
		return fmt.Errorf("%w: %w: %q", ErrInvalid, ErrNational, a.Name)
	case a.Until.IsZero():
		return say("until when it may go to %s is missing", a.Name)
	case a.Ended(l.Clock.Now()):
		return say("the day until which it may go to %s, %s, has passed", a.Name, a.Until.Format(time.DateOnly))
	case a.Until.After(l.Clock.Now().AddDate(1, 0, 1)):
		return say("it may go to %s for a year at the most; name it anew then", a.Name)
	}
	return nil
}

// Unshare ends that exports go to an agency. The error is store.ErrNotFound where it
// is not named.
func (l *Lists) Unshare(ctx context.Context, by access.By, name, agency, reason string) error {
	if err := l.authorise(ctx, by, access.ExportLists, "list unshare", fmt.Sprintf("list %s, to %s", name, agency), reason); err != nil {
		return err
	}
	if err := l.local(ctx, name); err != nil {
		return err
	}
	return l.Store.ChangeList(ctx, name, func(list *store.List) error {
		left := without(list.Agencies, agency)
		if len(left) == len(list.Agencies) {
			return fmt.Errorf("agency %q: %w", agency, store.ErrNotFound)
		}
		list.Agencies = left
		return nil
	})
}

func without(agencies []store.Agency, name string) []store.Agency {
	return slices.DeleteFunc(slices.Clone(agencies), func(a store.Agency) bool { return strings.EqualFold(a.Name, name) })
}

// mayGoTo says that an export may go to an agency today.
func (l *Lists) mayGoTo(list *store.List, agency string) error {
	i := slices.IndexFunc(list.Agencies, func(a store.Agency) bool { return strings.EqualFold(a.Name, agency) })
	switch {
	case i < 0:
		return fmt.Errorf("%w: %s is not named as one that %s may go to", ErrInvalid, agency, list.Name)
	case list.Agencies[i].Ended(l.Clock.Now()):
		return fmt.Errorf("%w: it might go to %s until %s", ErrInvalid, agency, list.Agencies[i].Until.Format(time.DateOnly))
	}
	return nil
}
