package incab

import (
	"fmt"
	"slices"

	"nrd"
)

// acknowledge says that an officer has seen an alert; the first one counts.
func (s *Screen) acknowledge(t *tablet, number uint64) error {
	return s.act(t, number, nrd.OfficerEvent{Action: nrd.OfficerAcknowledged})
}

// dispose says what became of it; the first word counts.
func (s *Screen) dispose(t *tablet, number uint64, d nrd.Disposition) error {
	if !slices.Contains(nrd.Dispositions, d) {
		return refusal{400, "There is no such disposition."}
	}
	return s.act(t, number, nrd.OfficerEvent{Action: nrd.OfficerActed, Disposition: d})
}

func (s *Screen) act(t *tablet, number uint64, e nrd.OfficerEvent) error {
	err := s.change(func() error {
		a := s.find(number)
		switch {
		case t.Officer == nil:
			return errSignOn
		case a == nil:
			return refusal{404, "This hit is not in the queue any more."}
		case e.Action == nrd.OfficerActed && a.Disposed.by(t) && a.Disposition == e.Disposition,
			e.Action == nrd.OfficerAcknowledged && a.Disposed == nil && a.Acknowledged.by(t):
			return nil // said again: the answer was lost, or it could not be kept
		case a.Disposed != nil:
			return refusal{409, fmt.Sprintf("Already %s, by %s.", a.Disposition, a.Disposed)}
		case a.Acknowledged != nil && e.Action == nrd.OfficerAcknowledged:
			return refusal{409, "Already acknowledged by " + a.Acknowledged.String() + "."}
		}
		by := &done{Collar: t.Officer.Collar, Role: t.Role, At: s.Clock.Now()}
		if a.Acknowledged == nil {
			a.Acknowledged, a.heardAt = by, s.Clock.Stamp().Monotonic
		}
		if e.Action == nrd.OfficerActed {
			a.Disposed, a.Disposition = by, e.Disposition
		}
		s.later(t, e, a)
		slices.SortStableFunc(s.state.Alerts, urgency)
		return nil
	})
	if err == nil {
		s.deliver()
	}
	return err
}
