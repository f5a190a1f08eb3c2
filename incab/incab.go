// Package incab is the officer's screen: a web page that a unit in a vehicle
// serves to a tablet, over HTTPS, to nobody but the tablets that were paired with
// it.
//
// A [Screen] is told of each record by [Screen.Provisional] and
// [Screen.Recorded], and keeps the hits until officers have dealt with them. Each
// tablet has a role. The observer sees everything. The driver, while the vehicle
// moves or its speed is not known, is sent symbols and their colour and nothing
// else: what a driver may not see never leaves the unit (SI 1986/1078 reg. 109).
//
// The page lives by a heartbeat a second, which is given only when the unit has
// answered how it is; without one the page says within three seconds that contact
// is lost.
package incab

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"nrd"
)

// Screen serves the page. Fill in the fields, Initialize, then Run it once.
type Screen struct {
	Listener net.Listener
	// Certificate is one that the tablets' own store trusts; without it the
	// screen makes its own and keeps it.
	Certificate *tls.Certificate
	// Names gives the names and addresses under which tablets come, the one to be
	// shown first; nil is the listener's address alone. The screen asks now and then.
	Names func() []string
	// Load and Save keep what the screen must remember: one text, which holds
	// keys and personal data. Load's error is fs.ErrNotExist where nothing was
	// saved. Save returns when it is on stable storage.
	Load func() ([]byte, error)
	Save func([]byte) error
	// Profile says how old a list may be.
	Profile nrd.Profile
	// StandingSpeed is the speed in metres a second up to which the vehicle
	// stands.
	StandingSpeed float64
	// Pictures says that a hit is shown with its plate and its overview.
	Pictures bool
	// Fix is the position and speed now, Status how the unit is.
	Fix    func() nrd.Fix
	Status func() Status
	// Check gives the entries for a mark that the officer with this collar number
	// checks, for a reason; live says that a live gateway has answered.
	Check func(ctx context.Context, vrm nrd.VRM, officer, reason string) (hits []nrd.Hit, live bool)
	// Tell keeps an event for central; it returns when that is on stable
	// storage.
	Tell func(nrd.OfficerEvent) error
	// Good gives the last time that is known to have been right; nil for none. While
	// the clock is not proved the own certificate goes by it.
	Good  func() time.Time
	Clock nrd.Clock
	Log   *slog.Logger

	mu      sync.Mutex
	state   state
	door    door
	status  Status
	beat    uint64
	changed chan struct{} // closed and replaced with each change
	own     tls.Certificate
	// renewed is when the own certificate was last looked at, by the monotonic clock.
	renewed time.Duration

	saving sync.Mutex // one Save at a time, the newest state last
	// What has failed and is tried again; saving guards them.
	keeping, telling retry
}

// Status is how the unit is, for the bar at the top of the page. Its zero value says
// that nothing is well.
type Status struct {
	Cameras          []Camera
	GPS, Link, Clock bool
	// Lists are those in force, Missing the names of those that should be and are not.
	Lists   []nrd.ListVersion
	Missing []string
	// Behind says that the lists cannot be brought to their newest versions.
	Behind bool
	// Waiting is how many records central does not have yet; Losing says that new
	// ones cannot be kept until it has.
	Waiting int
	Losing  bool
}

// Camera is one of the unit's; Sees says that it gives pictures.
type Camera struct {
	Name string
	Sees bool
}

// state is what outlasts a restart. Pictures do not.
type state struct {
	Certificate, Key []byte // DER, of the screen's own certificate
	// Issuer vouches for it.
	Issuer, IssuerKey []byte
	Tablets           []*tablet
	Alerts            []*alert
	Last, Sightings   uint64 // the last alert's number, and the last sighting's
	Unsent            []unsent
	LastEvent         uint64 // the last event's number
	SignedOn          uint64 // so many sign-ons were there
}

// Initialize reads what the screen kept.
func (s *Screen) Initialize() error {
	s.changed = make(chan struct{})
	text, err := s.Load()
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(text, &s.state); err != nil {
			return fmt.Errorf("%w: %w", ErrState, err)
		}
	}
	now := s.Clock.Stamp().Monotonic
	for _, a := range s.state.Alerts {
		a.unconfirmed("the unit was restarted before the read was confirmed") // its passage ended with the last run
		a.shown, a.heardAt = now, now
	}
	return s.certify()
}

// Run serves the page until ctx ends.
func (s *Screen) Run(ctx context.Context) error {
	s.pulse()
	beating := make(chan struct{})
	ctx, stop := context.WithCancel(ctx)
	go func() {
		defer close(beating)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				s.pulse()
			}
		}
	}()
	err := s.serve(ctx)
	stop()
	<-beating
	return err
}

// pulse is one heartbeat: it asks the unit how it is, which a unit that hangs
// does not answer.
func (s *Screen) pulse() {
	status := s.Status()
	s.deliver()
	s.renewNow()
	if s.beatOnce(status) || s.owes() {
		_ = s.save() // which has logged it
	}
}

// beatOnce takes how the unit is and what time has ended, and gives the heartbeat.
func (s *Screen) beatOnce(status Status) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
	changed = s.endShifts()
	now := s.Clock.Stamp().Monotonic
	for _, a := range s.state.Alerts {
		if now-a.shown > confirmWithin {
			changed = a.unconfirmed("the read was not confirmed") || changed
		}
	}
	changed = s.lapse() || changed
	changed = s.letGo(now) || changed
	if changed {
		slices.SortStableFunc(s.state.Alerts, urgency)
	}
	s.beat++
	s.broadcast()
	return changed
}

// broadcast wakes every stream. The lock is held.
func (s *Screen) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// change does something to the state, wakes the streams and makes it durable.
func (s *Screen) change(do func() error) error {
	s.mu.Lock()
	err := do()
	s.broadcast()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.save(); err != nil {
		return errNotKept
	}
	return nil
}

// save keeps the state as it is now, and logs why it cannot.
func (s *Screen) save() error {
	s.saving.Lock()
	defer s.saving.Unlock()
	s.mu.Lock()
	text, err := json.Marshal(&s.state)
	s.mu.Unlock()
	if err == nil {
		err = s.Save(text)
	}
	s.keeping.note(err, s.Clock)
	if err != nil {
		s.Log.Error("the screen's state could not be kept", "error", err)
	}
	return err
}

// owes reports whether the newest state was not kept and is to be tried again.
func (s *Screen) owes() bool {
	s.saving.Lock()
	defer s.saving.Unlock()
	return s.keeping.failed() && s.keeping.due(s.Clock)
}
