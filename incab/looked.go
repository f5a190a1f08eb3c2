package incab

import (
	"slices"

	"nrd"
)

// gone is an entry that a live gateway took back.
type gone struct {
	nrd.Hit
	Why string
}

// less gives those of the hits whose entries are not among others.
func less(hits, others []nrd.Hit) []nrd.Hit {
	return slices.DeleteFunc(slices.Clone(hits), func(h nrd.Hit) bool {
		return slices.ContainsFunc(others, func(o nrd.Hit) bool { return o.SameEntry(&h) })
	})
}

// standing leaves out of hits what a live gateway took back and does not give
// again, and gives what is gone still.
func (a *alert) standing(hits []nrd.Hit) (stand []nrd.Hit, still []gone) {
	for _, g := range a.Gone {
		if !slices.ContainsFunc(hits, func(h nrd.Hit) bool { return h.Live && g.Hit.SameEntry(&h) }) {
			still = append(still, g)
		}
	}
	for _, h := range hits {
		if !slices.ContainsFunc(still, func(g gone) bool { return g.Hit.SameEntry(&h) }) {
			stand = append(stand, h)
		}
	}
	return stand, still
}

// takeBack notes entries as gone.
func (a *alert) takeBack(hits []nrd.Hit, why string) {
	for _, h := range hits {
		if !slices.ContainsFunc(a.Gone, func(g gone) bool { return g.Hit.SameEntry(&h) }) {
			a.Gone = append(a.Gone, gone{h, why})
		}
	}
}

// Looked tells what a live gateway says of a record: hits are its hits now, with the
// gateway's word in them. Where there are none left, the alert is withdrawn; where
// some are gone, officers are told which.
func (s *Screen) Looked(rec *nrd.Record, hits []nrd.Hit, gateway string, as Telling) {
	why := "no longer of interest, says " + gateway
	s.mu.Lock()
	a := s.current(rec.Read.VRM)
	switch {
	case len(hits) > 0:
		s.lookedPartly(a, rec, hits, why, as)
	case a != nil && a.Disposed == nil && a.Withdrawn == "":
		a.takeBack(a.Hits, why)
		a.withdraw(why)
	default:
		s.mu.Unlock()
		return
	}
	s.settle(true)
}

// lookedPartly takes what a gateway leaves of a record's hits, or adds. The lock is
// held.
func (s *Screen) lookedPartly(a *alert, rec *nrd.Record, hits []nrd.Hit, why string, as Telling) {
	var was alert
	if a != nil {
		was = *a
	}
	looked := *rec
	looked.Hits = hits
	// Only what was shown is missed.
	lost := slices.DeleteFunc(less(rec.Hits, hits), func(h nrd.Hit) bool {
		return !slices.ContainsFunc(was.Hits, func(w nrd.Hit) bool { return w.SameEntry(&h) })
	})
	if s.take(&looked, false, as) != a || a.Disposed != nil || len(lost) == 0 {
		return
	}
	a.takeBack(lost, why)
	if a.Sounds > was.Sounds {
		return // it sounds for more than that
	}
	// What stands and was not acknowledged goes on sounding by its own priority.
	a.Notice = was.Acknowledged != nil || was.priority() > a.priority()
	a.Acknowledged = nil
	a.Sounds++
}
