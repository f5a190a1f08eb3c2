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
	// Sighting counts all of the screen's, so that no clock that jumps changes the
	// order of the queue; this one is the newest.
	Sighting uint64
	Times    int // read so often, see Telling
	// Sounds counts how often the alert was new, or is to be told again.
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
)

// Telling says how a record with hits is to be told. A vehicle that stays, parked
// or in front, is one alert: who gives the records knows when it has been told.
type Telling struct {
	// Times is how many passages of the vehicle this alert has seen.
	Times int
	// Now says that it is to be told now: the first time, or again, by time and
	// place.
	Now bool
}

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

// withdraw takes the alert back. Who has acknowledged it is asked again: they may be
// about to act on it.
func (a *alert) withdraw(why string) {
	a.Provisional, a.Withdrawn, a.Acknowledged = false, why, nil
	a.Sounds++
}

// over says that nothing more is asked of officers.
func (a *alert) over() bool {
	return a.Disposed != nil || a.Withdrawn != "" && a.Acknowledged != nil
}

// urgency compares alerts by how much they need an officer, the most urgent first.
func urgency(a, b *alert) int {
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(b.priority(), a.priority()),
		cmp.Compare(b.Sighting, a.Sighting),
	)
}

func rank(a *alert) int {
	switch {
	case a.over():
		return 3
	case a.Withdrawn != "":
		return 1
	case a.Acknowledged != nil:
		return 2
	}
	return 0
}

// Provisional tells of a hit before its passage is over; Recorded confirms or
// withdraws it.
func (s *Screen) Provisional(rec *nrd.Record, as Telling) { s.see(rec, true, as) }

// Recorded tells of a record that is final. Only hits are kept of it.
func (s *Screen) Recorded(rec *nrd.Record, as Telling) { s.see(rec, false, as) }

func (s *Screen) see(rec *nrd.Record, provisional bool, as Telling) {
	s.mu.Lock()
	changed := !provisional && s.unconfirm(rec)
	if rec.IsHit() {
		s.take(rec, provisional, as)
		changed = true
	}
	s.settle(changed)
}

// settle orders the queue, shows what has changed, keeps it, and lets the lock go.
func (s *Screen) settle(changed bool) {
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

// unconfirm withdraws what was told of a passage whose final read is another. The
// lock is held.
func (s *Screen) unconfirm(rec *nrd.Record) bool {
	changed := false
	for _, a := range s.state.Alerts {
		if a.Provisional && a.of(rec) && (a.VRM != rec.Read.VRM || !rec.IsHit()) {
			a.withdraw("the final read is another")
			changed = true
		}
	}
	return changed
}

// of reports whether the alert's newest sighting is the record's passage.
func (a *alert) of(rec *nrd.Record) bool {
	return a.Camera == rec.Camera.Name && a.Passage == rec.Passage.Number && a.Passage != 0
}

// take puts a record with hits into the queue. The lock is held.
func (s *Screen) take(rec *nrd.Record, provisional bool, as Telling) {
	a := s.current(rec.Read.VRM)
	if a != nil && a.Disposed != nil && as.Now && !a.of(rec) {
		a = nil // it was dealt with, and is to be told again
	}
	switch {
	case a == nil:
		s.state.Last++
		a = &alert{Number: s.state.Last, VRM: rec.Read.VRM, OnDuty: s.onDuty(), Sounds: 1, Provisional: provisional}
		s.state.Alerts = append(s.state.Alerts, a)
	case a.Disposed != nil:
	case a.escalates(rec.Hits):
		a.Sounds++
		a.Acknowledged = nil
	case as.Now && a.Acknowledged == nil && !a.of(rec):
		a.Sounds++
	}
	s.state.Sightings++
	a.Hits, a.Camera, a.Direction, a.Passage, a.Seen = rec.Hits, rec.Camera.Name, rec.Direction, rec.Passage.Number, rec.Captured.UTC
	a.Times, a.Sighting, a.shown = as.Times, s.state.Sightings, s.Clock.Stamp().Monotonic
	if !provisional {
		a.Provisional, a.Record = false, rec.Key
	}
	if len(rec.Patch.JPEG) > 0 {
		a.patch = rec.Patch.JPEG
	}
	if len(rec.Overview.JPEG) > 0 {
		a.overview = rec.Overview.JPEG
	}
}

// escalates reports whether hits ask for more than those that officers have been
// told of: a higher priority, an entry that is new, or one that needs no
// verification any more.
func (a *alert) escalates(hits []nrd.Hit) bool {
	if hits[0].Entry.Priority > a.priority() {
		return true
	}
	for i := range hits {
		h := &hits[i]
		known := slices.IndexFunc(a.Hits, func(k nrd.Hit) bool { return k.List.List == h.List.List && k.Entry.Reference == h.Entry.Reference })
		if known < 0 || a.Hits[known].VerifyBeforeStop() && !h.VerifyBeforeStop() {
			return true
		}
	}
	return false
}

// current gives the newest alert that a read of a mark belongs to, nil for none.
// The lock is held.
func (s *Screen) current(vrm nrd.VRM) *alert {
	var newest *alert
	for _, a := range s.state.Alerts {
		if a.VRM == vrm && a.Withdrawn == "" && (newest == nil || a.Sighting > newest.Sighting) {
			newest = a
		}
	}
	return newest
}

// find gives an alert by its number. The lock is held.
func (s *Screen) find(number uint64) *alert {
	i := slices.IndexFunc(s.state.Alerts, func(a *alert) bool { return a.Number == number })
	if i < 0 {
		return nil
	}
	return s.state.Alerts[i]
}
