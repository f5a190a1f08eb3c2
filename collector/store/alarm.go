package store

import "time"

// Alarm is something about a device that a person should see to. At most one of
// a kind stands for a device at a time.
type Alarm struct {
	Device string
	Kind   string // e.g. "silent", see package alarm
	Raised time.Time
	// Cleared is zero while the alarm stands.
	Cleared time.Time
	// Text is a sentence for a person, as it was when the alarm was raised.
	Text string
}

// Traffic is what a device saw in one hour, as far as Covered says that it was
// heard of. Blind says that it stood under an alarm for seeing nothing, so that
// the hour is no measure for others.
type Traffic struct {
	Device        string
	Hour          time.Time // its beginning
	Frames, Reads uint64
	Covered       time.Duration
	Blind         bool
}
