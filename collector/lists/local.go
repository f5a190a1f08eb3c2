package lists

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/store"
	"nrd/hotlist/voi"
	"nrd/internal/identity"
)

// NewList is a list to be made, or the settings of one that is changed.
type NewList struct {
	Name string
	// Source is what the names of the list's files begin with, SOURCE_LIST, and Every
	// how often one is due, each day where it is 0; empty for a local list.
	Source string
	Every  time.Duration
	// Owner answers for the list; Review is when it must be looked at again, a year
	// from now where it is not given.
	Owner      string
	Purpose    store.ListPurpose
	Recipients []string
	Near       bool
	// Status is for a list of tens of millions of entries that say few different
	// things, such as "no insurance". It comes in files, and stays what it is.
	Status bool
	Review time.Time
}

var (
	listName   = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	sourceName = regexp.MustCompile(`^[A-Za-z0-9-]+_[A-Za-z0-9_-]+$`)
)

func (n NewList) check(ctx context.Context, st store.Store) error {
	say := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	switch {
	case !listName.MatchString(n.Name):
		return say("a list's name is 1 to 64 of a-z, 0-9 and hyphen, not %q", n.Name)
	case n.Source != "" && !sourceName.MatchString(n.Source):
		return say("%q is not SOURCE_LIST, as the names of files begin", n.Source)
	case n.Source == "" && n.Every != 0:
		return say("a local list is made here: no file of it is ever due")
	case n.Source == "" && n.Status:
		return say("a list of statuses comes in files: a local list is none")
	case n.Near && n.Status:
		return say("a list of statuses is too large for look-alikes")
	case n.Every < 0 || n.Every > 0 && n.Every < time.Minute:
		return say("a file is due every minute at the most")
	case !strings.ContainsFunc(n.Owner, unicode.IsLetter):
		return say("who answers for the list is missing")
	case n.Purpose != store.ForResponse && n.Purpose != store.ForIntelligence:
		return say("the purpose is %s or %s, not %q", store.ForResponse, store.ForIntelligence, n.Purpose)
	}
	for _, r := range n.Recipients {
		if n.Source == "" && fleet.National(r) {
			return fmt.Errorf("%w: %w: %q", ErrInvalid, ErrNational, r)
		}
		if err := identity.ValidDevice(r); err != nil {
			return say("recipient %q: %v", r, err)
		}
		if _, err := st.Device(ctx, r); errors.Is(err, store.ErrNotFound) {
			return say("recipient %q is no device of this site", r)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// Create makes a list. The error is ErrInvalid where something is wrong with it, and
// ErrNational beside it where a local list was to go to a national recipient. A name
// is never given twice.
func (l *Lists) Create(ctx context.Context, by access.By, n NewList) error {
	n = l.filled(n)
	if err := l.authorise(ctx, by, access.ManageLists, "list create", n.subject(), ""); err != nil {
		return err
	}
	if err := n.check(ctx, l.Store); err != nil {
		return err
	}
	if n.Source != "" {
		if other, err := l.listOf(ctx, n.Source); err == nil {
			return fmt.Errorf("%w: the list %s takes the files of %s", ErrInvalid, other.Name, n.Source)
		}
	}
	err := l.Store.ChangeList(ctx, n.Name, func(list *store.List) error {
		if !list.Created.IsZero() {
			return fmt.Errorf("%w: the name %s is taken, and a name is never given twice", ErrInvalid, n.Name)
		}
		list.Created, list.CreatedBy, list.Source, list.Status = l.Clock.Now(), by.Account, n.Source, n.Status
		l.set(list, n)
		return nil
	})
	if err != nil || n.Source != "" {
		return err
	}
	defer l.turns.Take(n.Name)()
	return l.build(ctx, n.Name)
}

func (n NewList) subject() string {
	to := "every device"
	if len(n.Recipients) > 0 {
		to = strings.Join(n.Recipients, " ")
	}
	kind := "local"
	if n.Source != "" {
		kind = "from files " + n.Source
	}
	if n.Status {
		kind += ", statuses"
	}
	text := fmt.Sprintf("%s, %s, for %s, owner %s, to %s", n.Name, kind, n.Purpose, n.Owner, to)
	if n.Every > 0 {
		text += ", a file due every " + n.Every.String()
	}
	if n.Near {
		text += ", look-alikes too"
	}
	if !n.Review.IsZero() {
		text += ", to be reviewed on " + n.Review.UTC().Format(time.DateOnly)
	}
	return text
}

// dueEvery is how often a file of a list is due where nobody says: a list that comes in
// files is never without an alarm for the one that is missing.
const dueEvery = 24 * time.Hour

// due is how often a file of a list is due; 0 for a local one.
func due(list *store.List) time.Duration {
	if list.Local() {
		return 0
	}
	return cmp.Or(list.Every, dueEvery)
}

// filled fills in what was left out of a list's settings.
func (l *Lists) filled(n NewList) NewList {
	if n.Source != "" && n.Every == 0 {
		n.Every = dueEvery
	}
	if n.Review.IsZero() {
		n.Review = l.Clock.Now().AddDate(1, 0, 0)
	}
	return n
}

// settingsOf gives the settings of a list as they are.
func settingsOf(list *store.List) NewList {
	return NewList{
		Name: list.Name, Source: list.Source, Every: list.Every, Owner: list.Owner, Purpose: list.Purpose, Recipients: slices.Clone(list.Recipients), Near: list.Near,
		Status: list.Status, Review: list.Review,
	}
}

func (l *Lists) set(list *store.List, n NewList) {
	list.Every, list.Owner, list.Purpose, list.Near, list.Review = n.Every, n.Owner, n.Purpose, n.Near, n.Review
	list.Recipients = nil // every device
	if len(n.Recipients) > 0 {
		list.Recipients = slices.Clone(n.Recipients)
	}
}

// Change gives a list other settings: alter, which may be called more than once, gets
// them as they are and alters some. Its name, whether it is local and whether it is of
// statuses stay. The units get it anew. The errors are Create's, and store.ErrNotFound.
func (l *Lists) Change(ctx context.Context, by access.By, name string, alter func(*NewList)) error {
	defer l.turns.Take(name)()
	list, err := l.standing(ctx, name)
	altered := func(list *store.List) NewList {
		n := settingsOf(list)
		alter(&n)
		n.Name, n.Source, n.Status = name, list.Source, list.Status
		return l.filled(n)
	}
	n := altered(&list)
	if denied := l.authorise(ctx, by, access.ManageLists, "list change", n.subject(), ""); denied != nil {
		return denied
	}
	if err != nil {
		return err
	}
	if err := n.check(ctx, l.Store); err != nil {
		return err
	}
	err = l.Store.ChangeList(ctx, name, func(held *store.List) error {
		l.set(held, altered(held))
		if held.File != "" {
			held.InForce.Version++
			held.InForce.Expires = l.expires(held, held.InForce.Issued)
		}
		list = *held
		return nil
	})
	if err == nil {
		l.renew(list)
		wake(l.publishing)
	}
	return err
}

// standing gives a list that was not withdrawn.
func (l *Lists) standing(ctx context.Context, name string) (store.List, error) {
	list, err := l.Store.List(ctx, name)
	if err == nil && !list.Withdrawn.IsZero() {
		err = fmt.Errorf("%w: the list %s was withdrawn", ErrInvalid, name)
	}
	return list, err
}

// Review notes that somebody looked whether a list is still needed, and when that is
// due again: a year from now where next is not given.
func (l *Lists) Review(ctx context.Context, by access.By, name, note string, next time.Time) error {
	if err := l.authorise(ctx, by, access.ManageLists, "list review", name, note); err != nil {
		return err
	}
	if err := access.CheckReason(note); err != nil {
		return err
	}
	if _, err := l.standing(ctx, name); err != nil {
		return err
	}
	return l.Store.ChangeList(ctx, name, func(list *store.List) error {
		list.Reviewed, list.ReviewedBy = l.Clock.Now(), by.Account
		if list.Review = next; next.IsZero() {
			list.Review = list.Reviewed.AddDate(1, 0, 0)
		}
		return nil
	})
}

// Withdraw takes a list out of force for good, here and on the units, and removes
// its entries.
func (l *Lists) Withdraw(ctx context.Context, by access.By, name, reason string) error {
	if err := l.authorise(ctx, by, access.ManageLists, "list withdraw", name, reason); err != nil {
		return err
	}
	if err := access.CheckReason(reason); err != nil {
		return err
	}
	defer l.turns.Take(name)()
	list, err := l.standing(ctx, name)
	if err != nil {
		return err
	}
	file := list.File
	if err := l.Store.ChangeEntries(ctx, name, store.EntryChange{All: true}, store.Retrospect{}); err != nil {
		return err
	}
	err = l.Store.ChangeList(ctx, name, func(held *store.List) error {
		held.Withdrawn, held.File = l.Clock.Now(), ""
		list = *held
		return nil
	})
	if err != nil {
		return err
	}
	err = l.open(list)
	l.discard(file)
	wake(l.publishing)
	l.supersede(ctx, &store.ListImport{List: name, Issued: l.Clock.Now()}, "the list was withdrawn")
	return errors.Join(err, l.watch(ctx))
}

// local says whether a list's entries are made here.
func (l *Lists) local(ctx context.Context, name string) error {
	list, err := l.standing(ctx, name)
	if err == nil && !list.Local() {
		err = fmt.Errorf("%w: the entries of %s come in files from %s", ErrInvalid, name, list.Source)
	}
	return err
}

// change changes the entries of a local list and puts them in force.
func (l *Lists) change(ctx context.Context, name string, by access.By, c store.EntryChange, marks []nrd.VRM, reason string) error {
	retrospect := l.lookingBack(store.Retrospect{List: name, At: l.Clock.Now(), By: by.Account, Reason: reason, Marks: marks, Unmade: unsearched(marks)})
	if err := l.Store.ChangeEntries(ctx, name, c, retrospect); err != nil {
		return err
	}
	return l.build(ctx, name)
}

// reviewAfter is when an entry is to be looked at again where nobody says.
const reviewAfter = 28

// complete fills in what was left out of an entry and checks it.
func (l *Lists) complete(e *store.ListEntry, account string) error {
	say := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	mark, err := nrd.ParseVRM(string(e.VRM))
	if err != nil {
		return say("%v", err)
	}
	e.VRM = mark
	now := l.Clock.Now()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	e.Creator, e.Created = account, now
	if e.Action == "" && e.Priority != nrd.PriorityNone {
		e.Action = e.Priority.String()
	}
	if e.Review.IsZero() {
		if e.Review = today.AddDate(0, 0, reviewAfter); e.Review.After(e.Weed) {
			e.Review = e.Weed
		}
	}
	switch {
	case e.Weed.IsZero():
		return say("the weed date is missing: an entry does not stay for ever")
	case e.Weed.Before(today):
		return say("the weed date %s has passed", e.Weed.Format(time.DateOnly))
	case e.Review.After(e.Weed):
		return say("the review is due after the weed date")
	case e.Priority != nrd.PriorityNone && access.CheckReason(e.Rationale) != nil:
		return say("why the entry has its priority is missing")
	}
	if _, err := voi.FormatLine(&e.Entry); err != nil {
		return say("%v", err)
	}
	return nil
}
