package alarm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"nrd/collector/store"
)

// syncMargin is how long a unit may be at a list beside the time until it looks: a
// snapshot takes its time on a slow link.
const syncMargin = time.Hour

// lacking says since when a device was seen without the version of a list that is
// published, and which one it had.
type lacking struct {
	held  uint64
	since time.Time
}

// lookAtLists notes which lists units are given.
func (w *Watch) lookAtLists(ctx context.Context) error {
	all, err := w.Store.Lists(ctx)
	if err != nil {
		return err
	}
	w.published = slices.DeleteFunc(all, func(l store.List) bool { return !l.Withdrawn.IsZero() || l.Published == 0 })
	return nil
}

// syncPatience is how long a unit may be without what is published while it is heard:
// without a notice it looks as often as the profile says.
func (w *Watch) syncPatience() time.Duration {
	return 24*time.Hour/time.Duration(max(1, w.Profile.ListSyncsPerDay)) + syncMargin
}

// behind names the lists that a device is entitled to and has not, or in an older
// version than is published, for longer than the patience. A unit that goes on from
// version to version is at it. Until that is known, as after a start of central, an
// alarm that stands stays.
func (w *Watch) behind(d *store.Device, known *watched, now time.Time) finding {
	held := map[string]uint64{}
	for _, l := range d.Status.Lists {
		held[l.List] = l.Version
	}
	lacks := map[string]lacking{}
	var late []string
	for i := range w.published {
		list := &w.published[i]
		if !entitled(list, d.Name) || held[list.Name] >= list.Published {
			continue
		}
		l, seen := known.lacks[list.Name]
		if !seen || l.held != held[list.Name] {
			l = lacking{held[list.Name], now}
		}
		lacks[list.Name] = l
		if now.Sub(l.since) >= w.syncPatience() {
			late = append(late, fmt.Sprintf("%s (%s, version %d is published)", list.Name, versionOf(l.held), list.Published))
		}
	}
	known.lacks = lacks
	switch {
	case late != nil:
		return finding{text: fmt.Sprintf("for %d h it does not have what it should: %s", int(w.syncPatience().Hours()), strings.Join(late, ", "))}
	case len(lacks) > 0:
		return finding{unknown: true}
	}
	return finding{}
}

// entitled says that a device is to have a list.
func entitled(list *store.List, device string) bool {
	return len(list.Recipients) == 0 || slices.Contains(list.Recipients, device)
}

func versionOf(held uint64) string {
	if held == 0 {
		return "none on it"
	}
	return fmt.Sprintf("version %d on it", held)
}
