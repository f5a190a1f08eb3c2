package lists

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"nrd"
	"nrd/collector/store"
)

// Publication is what the units are told of one version of a list.
type Publication struct {
	Name    string
	Version uint64
	// Made is when the list's owner made it, Expires when its next version is due
	// at the latest; zero where nobody said.
	Made, Expires time.Time
	// Near matches look-alikes too; Status is of many entries that say few different
	// things.
	Near, Status bool
	// Recipients are devices; none: every approved one.
	Recipients []string
	// Entries is how many the list has at central, the covert ones included.
	Entries int
}

// Publisher takes lists to the units.
type Publisher interface {
	// Publish makes a version the one that units get. The entries come in the order
	// of their VRMs, and an error among them ends it. The error is ErrPublished where
	// a higher version was published before.
	Publish(ctx context.Context, p Publication, entries iter.Seq2[nrd.Entry, error]) error
	// Withdraw takes a list away from the units. One that is not published is no
	// error.
	Withdraw(ctx context.Context, name string) error
}

// publishEvery is how often it is looked at what is not published, beside at once.
const publishEvery = time.Minute

// publish hands to the publisher what it was not given yet, and vouches anew for
// local lists, whose owner is here: half-way to their expiry they are issued again.
func (l *Lists) publish(ctx context.Context) error {
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, list := range all {
		errs = append(errs, l.reissue(ctx, &list))
		if l.Publisher == nil {
			continue
		}
		if list.Status {
			l.publishAside(ctx, list.Name)
			continue
		}
		if err := l.publishOne(ctx, list); err != nil {
			errs = append(errs, fmt.Errorf("list %s: %w", list.Name, err))
		}
	}
	return errors.Join(errs...)
}

// publishAside publishes a list of statuses, which takes minutes, while others go on.
// Where one is being published already it has its turn at a later look.
func (l *Lists) publishAside(ctx context.Context, name string) {
	l.aside.Start(func() {
		list, err := l.Store.List(ctx, name) // as it is now
		if err == nil && behind(&list) {
			err = l.publishOne(ctx, list)
			if err == nil {
				wake(l.publishing) // for what has waited
			}
		}
		if err != nil && ctx.Err() == nil {
			l.Log.Error("a list of statuses is not published and is tried again", "list", name, "error", err)
		}
	})
}

// reissue makes the next version of a local list out of the same entries.
func (l *Lists) reissue(ctx context.Context, list *store.List) error {
	now, issued := l.Clock.Now(), list.InForce.Issued
	if !list.Local() || list.File == "" || !list.Withdrawn.IsZero() {
		return nil
	}
	if now.Sub(issued) < list.InForce.Expires.Sub(issued)/2 && !l.ahead(issued) {
		return nil
	}
	defer l.turns.Take(list.Name)()
	err := l.Store.ChangeList(ctx, list.Name, func(held *store.List) error {
		held.InForce.Version++
		held.InForce.Issued, held.InForce.Expires = now, l.expires(held, now)
		*list = *held
		return nil
	})
	if err == nil {
		l.renew(*list)
	}
	return err
}

func (l *Lists) publishOne(ctx context.Context, list store.List) error {
	gone := !list.Withdrawn.IsZero()
	switch {
	case gone && list.Published != 0:
		if err := l.Publisher.Withdraw(ctx, list.Name); err != nil {
			return err
		}
	case gone, list.File == "", list.Published == list.InForce.Version:
		return nil
	default:
		err := l.hand(ctx, list)
		if errors.Is(err, ErrPublished) {
			return errors.Join(err, l.leap(ctx, list.Name))
		}
		if err != nil {
			return err
		}
	}
	return l.Store.ChangeList(ctx, list.Name, func(held *store.List) error {
		held.Published = list.InForce.Version
		if gone {
			held.Published = 0
		}
		return nil
	})
}

// versionLeap is how far a list's version leaps over those that were published and
// that a restored store knows nothing of.
const versionLeap = 1000

// leap makes the list's version a higher one, to be published at the next look.
func (l *Lists) leap(ctx context.Context, name string) error {
	defer l.turns.Take(name)()
	var list store.List
	err := l.Store.ChangeList(ctx, name, func(held *store.List) error {
		held.InForce.Version += versionLeap
		list = *held
		return nil
	})
	if err == nil {
		l.renew(list)
		wake(l.publishing)
	}
	return err
}

// hand gives a version to the publisher. It opens the file for itself, so that the
// list may change meanwhile.
func (l *Lists) hand(ctx context.Context, list store.List) (err error) {
	f, err := openFile(l.path(list.File), l.keyOf(list.File))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	v, alike := list.InForce, near(&list)
	if list.Near && !alike {
		l.Log.Warn("a list is too large for look-alikes, and is matched exactly", "list", list.Name, "entries", v.Entries, "limit", NearLimit)
	}
	return l.Publisher.Publish(ctx, Publication{
		Name: list.Name, Version: v.Version, Made: v.Issued, Expires: v.Expires, Near: alike, Status: list.Status,
		Recipients: list.Recipients, Entries: v.Entries,
	}, l.forUnits(ctx, f, list.Name))
}

// forUnits leaves out what no vehicle gets: covert entries and those that have
// expired.
func (l *Lists) forUnits(ctx context.Context, f *file, name string) iter.Seq2[nrd.Entry, error] {
	now := l.Clock.Now()
	return func(yield func(nrd.Entry, error) bool) {
		n := 0
		for it, err := range f.items(name) {
			if n++; n%askEvery == 0 {
				err = errors.Join(err, l.stillStands(ctx, name))
			}
			if err == nil && (it.covert || it.Expired(now)) {
				continue
			}
			if !yield(it.Entry, err) || err != nil {
				return
			}
		}
	}
}

// askEvery is after how many entries it is asked whether the list was withdrawn: a
// large one that was is not published first.
const askEvery = 100_000

func (l *Lists) stillStands(ctx context.Context, name string) error {
	_, err := l.standing(ctx, name)
	return err
}
