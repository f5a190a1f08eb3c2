package clock

import (
	"fmt"
	"sync"
	"time"

	"nrd"
)

// Manual is a clock for tests: it stands still until it is told to move. It may
// be used from several goroutines.
type Manual struct {
	mu    sync.Mutex
	boots int
	stamp nrd.Stamp
}

var _ nrd.Clock = (*Manual)(nil)

// NewManual gives a clock that shows this time, proved by NTP, an hour after
// boot.
func NewManual(at time.Time) *Manual {
	m := &Manual{}
	m.Reboot()
	m.stamp.UTC, m.stamp.Monotonic = at.UTC().Round(0), time.Hour
	m.stamp.Source, m.stamp.Proved = nrd.ClockNTP, true
	return m
}

// Now is the wall clock in UTC.
func (m *Manual) Now() time.Time { return m.Stamp().UTC }

// Stamp is the same moment with everything known of the clock.
func (m *Manual) Stamp() nrd.Stamp {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stamp
}

// Advance lets time pass: wall clock and monotonic time move together.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stamp.UTC = m.stamp.UTC.Add(d)
	m.stamp.Monotonic += d
}

// Set steps the wall clock, as a hand or a time service does; monotonic time
// goes on as if nothing had happened.
func (m *Manual) Set(at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stamp.UTC = at.UTC().Round(0)
}

// Prove is [SystemClock.Prove].
func (m *Manual) Prove(source nrd.ClockSource, ahead time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stamp.Source, m.stamp.ClockError, m.stamp.Proved = source, ahead, true
}

// Doubt ends the proof, as [SystemClock] does when somebody sets the clock.
func (m *Manual) Doubt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stamp.Source, m.stamp.ClockError, m.stamp.Proved = nrd.ClockUnknown, 0, false
}

// Reboot starts the unit again without a battery-backed clock: another boot id,
// monotonic time from zero, and a wall clock in 1970 that nothing proves.
func (m *Manual) Reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boots++
	m.stamp = nrd.Stamp{
		UTC:    time.Unix(0, 0).UTC(),
		Source: nrd.ClockUnknown,
		BootID: fmt.Sprintf("00000000-0000-4000-8000-%012d", m.boots),
	}
}
