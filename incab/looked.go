package incab

import "nrd"

// Looked tells what a live gateway says of a record: hits are its hits now, with the
// gateway's word in them. Where there are none left, the alert is withdrawn.
func (s *Screen) Looked(rec *nrd.Record, hits []nrd.Hit, gateway string, as Telling) {
	s.mu.Lock()
	a := s.current(rec.Read.VRM)
	switch {
	case len(hits) > 0:
		looked := *rec
		looked.Hits = hits
		s.take(&looked, false, as)
	case a != nil && a.Disposed == nil:
		a.withdraw("no longer of interest, says " + gateway)
	default:
		s.mu.Unlock()
		return
	}
	s.settle(true)
}
