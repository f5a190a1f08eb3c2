package alarm

import (
	"fmt"
	"strings"
	"time"

	"nrd"
	"nrd/collector/fleet"
	"nrd/collector/store"
)

// judge says what is wrong with a device. A kind that is left out is well.
func (w *Watch) judge(d *store.Device, known *watched, now time.Time) map[string]finding {
	found := map[string]finding{}
	if !inUse(d) {
		return found
	}
	defer papers(d, now, found) // whatever is found, or unknown, above
	if d.LastSeen.IsZero() {
		return found // it is not expected to say anything yet
	}
	// What was not heard while central itself was down is no silence.
	quiet := now.Sub(later(d.LastSeen, w.began))
	if quiet > w.Limits.Silent || d.Status == nil {
		for _, kind := range Kinds {
			found[kind] = finding{unknown: true}
		}
		found[Silent], known.lacks = finding{}, nil // it can take nothing
		if quiet > w.Limits.Silent {
			found[Silent] = finding{text: fmt.Sprintf("it was last heard %s ago", now.Sub(d.LastSeen).Round(time.Minute))}
		}
		return found
	}
	s := d.Status
	found[Backlog] = finding{text: w.backlog(s)}
	found[Clock] = finding{text: w.clock(s)}
	if n := s.Dropped["record"]; known.drops.lately(n, now) {
		found[Dropped] = finding{text: fmt.Sprintf("its buffer was full and has dropped reads, %d since it was made", n)}
	}
	if n := s.Dropped["refused"]; known.refusals.lately(n, now) {
		found[Full] = finding{text: fmt.Sprintf("its buffer is full of hits, or its disk of other things, and has refused records, %d since it was made", n)}
	}
	found[List] = finding{text: w.lists(s, now)}
	found[Behind] = w.behind(d, known, now)
	found[Blind] = w.blind(known, now)
	if s.DiskFree < w.Limits.DiskFree {
		found[Disk] = finding{text: fmt.Sprintf("%d MB are free on its disk, %d MB should be", s.DiskFree/1e6, w.Limits.DiskFree/1e6)}
	}
	if s.DeadLetters > 0 {
		found[Refused] = finding{text: fmt.Sprintf("%d items are set aside on it, refused by central or damaged", s.DeadLetters)}
	}
	return found
}

// papers judges what central holds of a device itself, heard or not.
func papers(d *store.Device, now time.Time, found map[string]finding) {
	found[Copied], found[Certificate], found[Review] = finding{}, finding{}, finding{}
	if fleet.Copied(*d, now) {
		found[Copied] = finding{text: fmt.Sprintf("two units may use its identity: at %s one came with a certificate that was given up, or two fought for its connection or sent records in turns",
			d.Copied.UTC().Format(time.RFC3339))}
	}
	if fleet.Expiring(*d, now) {
		found[Certificate] = finding{text: fmt.Sprintf("its certificate ends on %s and was not renewed", d.Certificate.NotAfter.UTC().Format(time.DateOnly))}
	}
	if fleet.ReviewOverdue(*d, now) {
		found[Review] = finding{text: fmt.Sprintf("the review of its location was due on %s", d.Review.UTC().Format(time.DateOnly))}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *Watch) backlog(s *nrd.Status) string {
	age := backlog(s)
	if age <= w.Limits.Backlog {
		return ""
	}
	return fmt.Sprintf("%d records wait on it, the oldest for %s", s.Waiting, age.Round(time.Minute))
}

func (w *Watch) clock(s *nrd.Status) string {
	switch {
	case s.Clock.Source == nrd.ClockFile:
		return ""
	case !s.Clock.Proved:
		return "nothing vouches for its clock: neither NTP nor GPS has set it since it started"
	case s.Clock.ClockError.Abs() > w.Limits.Clock:
		return fmt.Sprintf("its clock is off by %s", s.Clock.ClockError.Round(time.Millisecond))
	default:
		return ""
	}
}

// growth is a count of a device's as of its last status, once known, and when it
// grew last.
type growth struct {
	n     uint64
	known bool
	grew  time.Time
}

// lately reports whether the count has grown within droppedFor. One that fell is
// that of a new buffer.
func (g *growth) lately(n uint64, now time.Time) bool {
	if g.known && n > g.n {
		g.grew = now
	}
	g.n, g.known = n, true
	return !g.grew.IsZero() && now.Sub(g.grew) < droppedFor
}

func (w *Watch) lists(s *nrd.Status, now time.Time) string {
	var stale []string
	for _, l := range s.Lists {
		if w.Profile.Freshness(l.Age(now)) == nrd.Stale {
			stale = append(stale, fmt.Sprintf("%s (%d h old)", l.List, int(l.Age(now).Hours())))
		}
	}
	if stale == nil {
		return ""
	}
	return "stale on it: " + strings.Join(stale, ", ")
}
