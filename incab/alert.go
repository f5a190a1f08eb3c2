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
	sighting
	// Before is what was shown before the newest sighting, while that is
	// provisional and others were not.
	Before *before `json:",omitempty"`
	// Unseen is why the newest sighting was taken back, "" where it stands.
	Unseen string `json:",omitempty"`
	// Provisional says that no sighting is confirmed yet.
	Provisional bool
	Withdrawn   string // why
	// Gone are entries that a live gateway took back.
	Gone []gone `json:",omitempty"`
	// Notice says that the newest sound told of something that was taken back.
	Notice bool `json:",omitempty"`
	// OnDuty are the collar numbers signed on when it was first shown.
	OnDuty       []string
	Acknowledged *done
	Disposed     *done
	Disposition  nrd.Disposition

	heardAt time.Duration // when it was acknowledged, by the monotonic clock
}

// sighting is one passage of an alert's vehicle, with what was known by then.
type sighting struct {
	Hits []nrd.Hit // highest priority first
	// Record is the newest record, its zero value while there is only a
	// provisional hit.
	Record    nrd.Key
	Camera    string
	Direction nrd.Direction
	ReadAs    string `json:",omitempty"` // the raw text, where the read was repaired
	Passage   uint64
	Seen      time.Time // captured
	// Sighting counts all of the screen's, so that no clock that jumps changes the
	// order of the queue.
	Sighting uint64
	Times    int // read so often, see Telling
	// Sounds counts how often the alert was new, or is to be told again.
	Sounds int

	patch, overview []byte
	shown           time.Duration // by the monotonic clock
}

// before is a sighting and whether officers had acknowledged the alert by then.
type before struct {
	sighting
	Acknowledged bool
}

// done says who did something, and when.
type done struct {
	Collar string
	Role   role
	At     time.Time
}

// by reports whether the officer at a tablet did it.
func (d *done) by(t *tablet) bool {
	return d != nil && d.Collar == t.Officer.Collar && d.Role == t.Role
}

func (d done) String() string {
	return fmt.Sprintf("%s (%s) at %s", d.Collar, d.Role, d.At.Format("15:04:05"))
}

const (
	// mostAlerts bounds the queue; what is dealt with goes first.
	mostAlerts = 50
	// confirmWithin is how long a provisional hit may wait for its record.
	confirmWithin = time.Minute
	// acknowledgedFor is how long an acknowledgement keeps a vehicle silent that
	// stays, and that nobody has dealt with: by then it may be forgotten.
	acknowledgedFor = 30 * time.Minute
)

// Telling says how a record with hits is to be told. A vehicle that stays, parked
// or in front, is one alert: who gives the records knows when it has been told.
type Telling struct {
	// Times is how many passages of the vehicle this alert has seen: 1 says that it
	// is new, or was away and is back.
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
	a.Provisional, a.Before, a.Withdrawn, a.Acknowledged = false, nil, why, nil
	a.Sounds++
}

// unconfirmed takes the newest sighting back, which stays provisional for good: the
// alert with it, or that sighting alone where others were confirmed. It reports
// whether there was anything to take back.
func (a *alert) unconfirmed(why string) bool {
	switch {
	case a.Provisional:
		a.withdraw(why)
	case a.Before != nil:
		sounds, earlier := a.Sounds, a.Before
		a.sighting, a.Before = earlier.sighting, nil
		told := sounds > a.Sounds && !a.over()
		a.Sounds = sounds
		if told {
			a.Unseen, a.Notice, a.Acknowledged = why, earlier.Acknowledged, nil
			a.Sounds++
		}
	default:
		return false
	}
	return true
}

// ring has the alert sounded by its priority.
func (a *alert) ring() {
	a.Notice = false
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
	_ = s.save() // which has logged it
	s.deliver()
}

// letGo drops the alerts that are over when nobody is on duty any more, and at the
// latest a shift's length after the vehicle was seen. The lock is held.
func (s *Screen) letGo(now time.Duration) bool {
	n, off := len(s.state.Alerts), len(s.onDuty()) == 0
	s.state.Alerts = slices.DeleteFunc(s.state.Alerts, func(a *alert) bool {
		waits := slices.ContainsFunc(s.state.Unsent, func(u unsent) bool { return u.Alert == a.Number })
		return a.over() && !waits && (off || now-a.shown > longestShift)
	})
	return len(s.state.Alerts) < n
}

// lapse ends the acknowledgements of officers who are not on duty any more, where
// nobody has dealt with the vehicle: who is on duty now may never have seen the hit. The
// lock is held.
func (s *Screen) lapse() (changed bool) {
	on := s.onDuty()
	for _, a := range s.state.Alerts {
		if a.Acknowledged != nil && !a.over() && !slices.Contains(on, a.Acknowledged.Collar) {
			a.Acknowledged = nil
			a.ring()
			changed = true
		}
	}
	return changed
}

// unconfirm withdraws what was told of a passage whose final read is another. The
// lock is held.
func (s *Screen) unconfirm(rec *nrd.Record) bool {
	changed := false
	for _, a := range s.state.Alerts {
		if a.of(rec) && (a.VRM != rec.Read.VRM || !rec.IsHit()) {
			changed = a.unconfirmed("the final read is another") || changed
		}
	}
	return changed
}

// of reports whether the alert's newest sighting is the record's passage.
func (a *alert) of(rec *nrd.Record) bool {
	return a.Camera == rec.Camera.Name && a.Passage == rec.Passage.Number && a.Passage != 0
}

// take puts a record with hits into the queue and gives their alert. The lock is
// held.
func (s *Screen) take(rec *nrd.Record, provisional bool, as Telling) *alert {
	now := s.Clock.Stamp().Monotonic
	a := s.current(rec.Read.VRM)
	again := as.Now && a != nil && !a.of(rec)
	hits, taken := rec.Hits, []gone(nil)
	if a != nil && !again {
		hits, taken = a.standing(rec.Hits)
	}
	switch {
	case a == nil:
	case again && (a.Disposed != nil || a.Withdrawn != ""), a.Withdrawn != "" && len(hits) > 0:
		a = nil // it was dealt with or taken back, and is to be told again
	case len(hits) == 0:
		hits = a.Hits // there is nothing but what was taken back
	}
	if a == nil {
		s.state.Last++
		a = &alert{Number: s.state.Last, VRM: rec.Read.VRM, OnDuty: s.onDuty(), Provisional: provisional}
		a.ring()
		s.state.Alerts = append(s.state.Alerts, a)
	} else {
		a.sightAgain(rec, hits, provisional, again && !a.heard(as, now))
	}
	s.state.Sightings++
	a.Hits, a.Camera, a.Direction, a.Passage, a.Seen = hits, rec.Camera.Name, rec.Direction, rec.Passage.Number, rec.Captured.UTC
	a.Times, a.Sighting, a.shown, a.Gone, a.Unseen = as.Times, s.state.Sightings, now, taken, ""
	if !provisional {
		a.Provisional, a.Before, a.Record = false, nil, rec.Key
	}
	a.ReadAs = ""
	if rec.Read.Repaired {
		a.ReadAs = rec.Read.Raw
	}
	if len(rec.Patch.JPEG) > 0 {
		a.patch = rec.Patch.JPEG
	}
	if len(rec.Overview.JPEG) > 0 {
		a.overview = rec.Overview.JPEG
	}
	return a
}

// sightAgain sounds a known alert where it is told again, or its sighting asks for
// more than is known. A provisional one leaves behind what it may have to be taken back to.
func (a *alert) sightAgain(rec *nrd.Record, hits []nrd.Hit, provisional, again bool) {
	if provisional && !a.Provisional && a.Before == nil && !a.of(rec) {
		a.Before = &before{a.sighting, a.Acknowledged != nil}
	}
	switch {
	case a.Disposed != nil || a.Withdrawn != "":
	case again, a.escalates(hits):
		a.ring()
		a.Acknowledged = nil
	}
}

// heard reports whether officers who have acknowledged the alert are left in peace
// by a sighting that is to be told: the vehicle stays, and it was not long ago.
func (a *alert) heard(as Telling, now time.Duration) bool {
	return a.Acknowledged != nil && as.Times > 1 && now-a.heardAt <= acknowledgedFor
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
		known := slices.IndexFunc(a.Hits, func(k nrd.Hit) bool { return k.SameEntry(h) })
		if known < 0 || a.Hits[known].VerifyBeforeStop() && !h.VerifyBeforeStop() {
			return true
		}
	}
	return false
}

// current gives the newest alert that a read of a mark belongs to, nil for none:
// a misread was no alert of this vehicle, but what a live gateway took back was.
// The lock is held.
func (s *Screen) current(vrm nrd.VRM) *alert {
	var newest *alert
	for _, a := range s.state.Alerts {
		if a.VRM == vrm && (a.Withdrawn == "" || len(a.Gone) > 0) && (newest == nil || a.Sighting > newest.Sighting) {
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
