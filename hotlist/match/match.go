// Package match decides what an entry of a list means for a read. The unit and
// central match with it alike, each with a store of entries of its own:
//
//	hits := match.Hits(entries, read, match.Moment{List: version, Now: clock.Stamp(), Profile: profile})
//	for _, near := range match.NewLookAlikes(profile).Near(read) { … look near up … }
//
// A read matches exactly or, where a list asks for it, nearly: with look-alikes in
// the place of one or two characters. That changes the hit and never the read.
package match

import (
	"cmp"
	"slices"
	"time"

	"nrd"
)

// Moment is what entries are judged by: the list that holds them, the clock, and
// the profile's limits.
type Moment struct {
	List    nrd.ListVersion
	Now     nrd.Stamp
	Profile nrd.Profile
	// Good is the last time that is known to have been right; zero where nobody
	// keeps one.
	Good time.Time
}

// farAhead is how far a clock that nothing proves may be ahead of the last good time
// to be believed: no unit is left alone for so long.
const farAhead = 365 * 24 * time.Hour

// Hits gives a hit for each entry that has not expired. The entries are those with
// the read's VRM or with one of its near ones.
func Hits(entries []nrd.Entry, read nrd.VRM, m Moment) []nrd.Hit {
	if len(entries) == 0 {
		return nil
	}
	hits := make([]nrd.Hit, 0, len(entries))
	now := m.Now.True()
	for i := range entries {
		e := &entries[i]
		if e.Expired(m.today()) {
			continue
		}
		h := nrd.Hit{
			Entry: *e, List: m.List, ListAge: m.List.Age(now), Match: nrd.MatchExact,
			Freshness: m.Profile.ListFreshness(m.List, m.Now), Differs: differences(read, e.VRM),
		}
		if e.VRM != read {
			h.Match = nrd.MatchNear
		}
		hits = append(hits, h)
	}
	return hits
}

// today is when it is at the earliest: a clock that went back to 1970 wakes no
// expired entry, because it is at least as late as the list is old. Nor does one in
// 2099 end all that have a last day: unless it is proved the last good time counts,
// and the list is stale by it, so that the hit asks for somebody's word.
func (m Moment) today() time.Time {
	now := m.Now.True()
	if !m.Now.Proved && !m.Good.IsZero() && now.Sub(m.Good) > farAhead {
		now = m.Good
	}
	if m.List.Issued.After(now) {
		return m.List.Issued
	}
	return now
}

// Sort puts the highest priority first and, of one priority, what matched exactly.
func Sort(hits []nrd.Hit) {
	slices.SortStableFunc(hits, func(a, b nrd.Hit) int {
		return cmp.Or(cmp.Compare(b.Entry.Priority, a.Entry.Priority), cmp.Compare(len(a.Differs), len(b.Differs)))
	})
}

// differences are the places in which two marks differ.
func differences(read, entry nrd.VRM) []int {
	var places []int
	for i := range min(len(read), len(entry)) {
		if read[i] != entry[i] {
			places = append(places, i)
		}
	}
	return places
}
