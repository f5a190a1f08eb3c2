package incab

import (
	"slices"
	"time"

	"nrd"
)

// unsent is an event that central's buffer does not hold yet: Alert's record may
// not have come.
type unsent struct {
	Number uint64
	Event  nrd.OfficerEvent
	Alert  uint64
}

// mostUnsent bounds what waits for the buffer; the oldest goes first, and is logged.
const mostUnsent = 1000

// retry says when what has failed is tried again: after a second, then after twice
// as long each time, up to a minute.
type retry struct{ pause, at time.Duration } // by the monotonic clock

// note takes how a try ended.
func (r *retry) note(err error, clock nrd.Clock) {
	if err == nil {
		*r = retry{}
		return
	}
	r.pause = min(max(2*r.pause, time.Second), time.Minute)
	r.at = clock.Stamp().Monotonic + r.pause
}

func (r *retry) failed() bool { return r.pause > 0 }

func (r *retry) due(clock nrd.Clock) bool { return clock.Stamp().Monotonic >= r.at }

// later keeps an event until the buffer has it. The lock is held.
func (s *Screen) later(t *tablet, e nrd.OfficerEvent, a *alert) {
	e.At, e.Role = s.Clock.Now(), string(t.Role)
	if t.Officer != nil {
		e.Officer = *t.Officer
	}
	if len(s.state.Unsent) >= mostUnsent {
		s.Log.Error("an officer's action is lost: too many wait for the buffer", "action", string(s.state.Unsent[0].Event.Action), "at", s.state.Unsent[0].Event.At)
		s.state.Unsent = slices.Delete(s.state.Unsent, 0, 1)
	}
	s.state.LastEvent++
	u := unsent{Number: s.state.LastEvent, Event: e}
	if a != nil {
		u.Alert, u.Event.VRM, u.Event.Record, u.Event.Lists = a.Number, a.VRM, a.Record, a.lists()
	}
	s.state.Unsent = append(s.state.Unsent, u)
}

// deliver gives the buffer what it does not have yet. An event about a hit whose
// record is still to come waits for it.
func (s *Screen) deliver() {
	s.saving.Lock()
	if !s.telling.due(s.Clock) {
		s.saving.Unlock()
		return
	}
	s.mu.Lock()
	waiting := slices.Clone(s.state.Unsent)
	s.mu.Unlock()
	var told []uint64
	for _, u := range waiting {
		event, ready := s.addressed(u)
		if !ready {
			continue
		}
		err := s.Tell(event)
		s.telling.note(err, s.Clock)
		if err != nil {
			s.Log.Error("an officer's action waits: it could not be kept for central", "error", err)
			break
		}
		told = append(told, u.Number)
	}
	s.mu.Lock()
	s.state.Unsent = slices.DeleteFunc(s.state.Unsent, func(u unsent) bool { return slices.Contains(told, u.Number) })
	s.mu.Unlock()
	s.saving.Unlock()
	if len(told) == 0 {
		return
	}
	_ = s.save() // which has logged it
}

// addressed gives the event with its record, where that has come.
func (s *Screen) addressed(u unsent) (nrd.OfficerEvent, bool) {
	if u.Alert == 0 || u.Event.Record != (nrd.Key{}) {
		return u.Event, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.find(u.Alert)
	if a == nil {
		return u.Event, true
	}
	u.Event.Record = a.Record
	return u.Event, !a.Provisional
}
