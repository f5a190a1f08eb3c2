package incab

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"nrd"
)

// alert is a vehicle of interest that officers are told of: one for each mark,
// however often the vehicle is read, until it is dealt with.
type alert struct {
	Number uint64
	VRM    nrd.VRM
	Hits   []nrd.Hit // highest priority first
	// Record is the newest record, its zero value while there is only a
	// provisional hit.
	Record    nrd.Key
	Camera    string
	Direction nrd.Direction
	Passage   uint64
	Seen      time.Time // captured, the newest
	Times     int       // read so often
	// Sounds counts how often the alert was new or became more urgent.
	Sounds      int
	Provisional bool
	Withdrawn   string // why
	// OnDuty are the collar numbers signed on when it was first shown.
	OnDuty       []string
	Acknowledged *done
	Disposed     *done
	Disposition  nrd.Disposition

	patch, overview []byte
	shown           time.Duration // by the monotonic clock
}

// done says who did something, and when.
type done struct {
	Collar string
	Role   role
	At     time.Time
}

func (d done) String() string {
	return fmt.Sprintf("%s (%s) at %s", d.Collar, d.Role, d.At.Format("15:04:05"))
}

const (
	// mostAlerts bounds the queue; what is dealt with goes first.
	mostAlerts = 50
	// confirmWithin is how long a provisional hit may wait for its record.
	confirmWithin = time.Minute
	// sameAlert is how long a vehicle that was dealt with is quiet when it is
	// read again: parked, or behind it in the queue.
	sameAlert = 5 * time.Minute
)

func (a *alert) priority() nrd.Priority { return a.Hits[0].Entry.Priority }

// lists gives the names of the lists that the alert's entries stand in, each once.
func (a *alert) lists() []string {
	var names []string
	for i := range a.Hits {
		if name := a.Hits[i].List.List; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (a *alert) withdraw(why string) { a.Provisional, a.Withdrawn = false, why }

// over says that nothing more is asked of officers.
func (a *alert) over() bool {
	return a.Disposed != nil || a.Withdrawn != "" && a.Acknowledged != nil
}

// urgency compares alerts by how much they need an officer, the most urgent first.
func urgency(a, b *alert) int {
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(b.priority(), a.priority()),
		b.Seen.Compare(a.Seen),
		cmp.Compare(b.Number, a.Number),
	)
}

func rank(a *alert) int {
	switch {
	case a.over():
		return 3
	case a.Withdrawn != "":
		return 2
	case a.Acknowledged != nil:
		return 1
	}
	return 0
}

// Provisional tells of a hit before its passage is over; Recorded confirms or
// withdraws it.
func (s *Screen) Provisional(rec *nrd.Record) { s.see(rec, true) }

// Recorded tells of a record that is final. Only hits are kept of it.
func (s *Screen) Recorded(rec *nrd.Record) { s.see(rec, false) }

func (s *Screen) see(rec *nrd.Record, provisional bool) {
	s.mu.Lock()
	changed := s.take(rec, provisional)
	if changed {
		slices.SortStableFunc(s.state.Alerts, urgency)
		s.state.Alerts = s.state.Alerts[:min(len(s.state.Alerts), mostAlerts)]
		s.broadcast()
	}
	s.mu.Unlock()
	if !changed {
		return
	}
	if err := s.save(); err != nil {
		s.Log.Error("the screen's state could not be kept", "error", err)
	}
	s.deliver()
}

// take puts a record into the queue. The lock is held.
func (s *Screen) take(rec *nrd.Record, provisional bool) bool {
	changed := false
	if !provisional {
		for _, a := range s.state.Alerts {
			if a.Provisional && a.Camera == rec.Camera.Name && a.Passage == rec.Passage.Number && (a.VRM != rec.Read.VRM || !rec.IsHit()) {
				a.withdraw("the final read is another")
				changed = true
			}
		}
	}
	if !rec.IsHit() {
		return changed
	}
	a := s.current(rec)
	if a == nil {
		s.state.Last++
		a = &alert{Number: s.state.Last, VRM: rec.Read.VRM, OnDuty: s.onDuty(), Sounds: 1, Provisional: provisional}
		s.state.Alerts = append(s.state.Alerts, a)
	} else if rec.Hits[0].Entry.Priority > a.priority() {
		a.Sounds++
		a.Acknowledged = nil
	}
	if a.Camera != rec.Camera.Name || a.Passage != rec.Passage.Number || a.Passage == 0 {
		a.Times++
	}
	a.Hits, a.Camera, a.Direction, a.Passage, a.Seen = rec.Hits, rec.Camera.Name, rec.Direction, rec.Passage.Number, rec.Captured.UTC
	a.shown = s.Clock.Stamp().Monotonic
	if !provisional {
		a.Provisional, a.Record = false, rec.Key
	}
	if len(rec.Patch.JPEG) > 0 {
		a.patch = rec.Patch.JPEG
	}
	if len(rec.Overview.JPEG) > 0 {
		a.overview = rec.Overview.JPEG
	}
	return true
}

// current gives the alert that a read of the same mark belongs to, nil for none.
func (s *Screen) current(rec *nrd.Record) *alert {
	for _, a := range s.state.Alerts {
		switch {
		case a.VRM != rec.Read.VRM || a.Withdrawn != "":
		case a.Disposed == nil, rec.Captured.UTC.Sub(a.Seen).Abs() < sameAlert:
			return a
		}
	}
	return nil
}

// find gives an alert by its number. The lock is held.
func (s *Screen) find(number uint64) *alert {
	i := slices.IndexFunc(s.state.Alerts, func(a *alert) bool { return a.Number == number })
	if i < 0 {
		return nil
	}
	return s.state.Alerts[i]
}

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
		case a.Disposed != nil:
			return refusal{409, fmt.Sprintf("Already %s, by %s.", a.Disposition, a.Disposed)}
		case a.Acknowledged != nil && e.Action == nrd.OfficerAcknowledged:
			return refusal{409, "Already acknowledged by " + a.Acknowledged.String() + "."}
		}
		by := &done{Collar: t.Officer.Collar, Role: t.Role, At: s.Clock.Now()}
		if a.Acknowledged == nil {
			a.Acknowledged = by
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
