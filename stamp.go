package nrd

import "time"

// ClockSource says what a unit's clock was set by when it stamped a time.
type ClockSource string

// The sources of time, best first. ClockFile marks footage played from a file:
// its times are the file's, not an observation.
const (
	ClockGPS     ClockSource = "gps"
	ClockNTP     ClockSource = "ntp"
	ClockRTC     ClockSource = "rtc"
	ClockFile    ClockSource = "file"
	ClockUnknown ClockSource = "unknown"
)

// Stamp is one moment as the unit knew it: frozen at capture and never rounded
// or corrected afterwards. A penalty has been quashed over a clock that could
// not be proved, so the clock's own quality travels with the time.
type Stamp struct {
	// UTC is the unit's wall clock, to the nanosecond it gave.
	UTC time.Time
	// ClockError is how far the wall clock was known to be from true UTC
	// (positive: ahead); zero when unknown, see Proved.
	ClockError time.Duration
	// Source is what the clock was last set by.
	Source ClockSource
	// Proved is false until the clock was checked against GPS or NTP since
	// boot. BootID and Monotonic then let central order and correct it.
	Proved bool
	// BootID names this start of the unit's kernel.
	BootID string
	// Monotonic is the time since that boot; it never jumps.
	Monotonic time.Duration
	// ZoneOffset is local time minus UTC at the unit, for showing.
	ZoneOffset time.Duration
}

// True is the moment in UTC as far as it is known: the wall clock less its error.
func (s Stamp) True() time.Time { return s.UTC.Add(-s.ClockError) }

// Clock tells the time. Code asks an injected Clock, never the time package, so
// that a test can step it by ten years.
type Clock interface {
	// Now is the wall clock in UTC.
	Now() time.Time
	// Stamp is the same moment with everything known of the clock.
	Stamp() Stamp
}

// ClockCentral and ClockPerson are sources of a [Correction] only: central's own
// clock, and a person at central who knew the time of one record.
const (
	ClockCentral ClockSource = "central"
	ClockPerson  ClockSource = "person"
)

// Correction says what time it really was at one moment of one start of a unit:
// Monotonic after the boot BootID it was UTC. Monotonic time never jumps, so
// this gives every moment of that start its time, whatever the wall clock
// showed. A unit sends one as an event when its clock is proved; what it had
// stamped before stays as it was, and the corrected time stands beside it.
type Correction struct {
	BootID    string
	Monotonic time.Duration
	UTC       time.Time
	// ClockError is how far the wall clock was ahead of UTC at that moment.
	ClockError time.Duration
	// Source is what the time was known by.
	Source ClockSource
}

// Correction is this moment as an anchor for others of the same start; it holds
// for a proved stamp only.
func (s Stamp) Correction() (c Correction, ok bool) {
	return Correction{
		BootID: s.BootID, Monotonic: s.Monotonic, UTC: s.UTC.Add(-s.ClockError), ClockError: s.ClockError, Source: s.Source,
	}, s.Proved && s.BootID != ""
}

// Time gives the time at which a stamp of the same start was made.
func (c Correction) Time(s Stamp) time.Time { return c.UTC.Add(s.Monotonic - c.Monotonic) }
