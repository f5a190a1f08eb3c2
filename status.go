package nrd

import "time"

// Status is what a unit says of itself, once a minute and on request.
type Status struct {
	Device   string
	At       time.Time
	Software string
	Started  time.Time
	// Frames and Reads count since the start; Passages the vehicles followed.
	Frames, Passages, Reads, Hits uint64
	// Waiting records are in the buffer without a receipt; OldestWaiting is
	// the capture time of the first of them. Dropped counts by kind what a
	// full buffer had to let go.
	Waiting       int
	OldestWaiting time.Time
	Dropped       map[string]uint64
	// DeadLetters counts records that central refused for good.
	DeadLetters int
	// DiskFree is in bytes, of the volume the buffer is on; BufferBytes is what
	// the buffer takes up of it.
	DiskFree    uint64
	BufferBytes uint64
	// Temperature is the hottest of the unit's sensors in degrees Celsius, nil
	// where it has none.
	Temperature *float64
	// DroppedFrames counts, since the start, frames that came while the reader
	// was still busy. The rates are those of the last minute.
	DroppedFrames                   uint64
	FramesPerMinute, ReadsPerMinute float64
	// Lists in force on the unit.
	Lists []ListVersion
	Clock Stamp
	Fix   Fix
	// Problems are sentences for a person, worst first.
	Problems []string
	// Configuration is what became of the one that central ordered last.
	Configuration ConfigurationState
	// Wiped is the number of central's order by which the unit destroyed its
	// keys, 0 for none.
	Wiped uint64
}

// ConfigurationState is what became of a configuration from central: Order is
// its number (0: none came yet), State one of the words below, Reason why it is
// not in force.
type ConfigurationState struct {
	Order         uint64
	State, Reason string
}

// The states of a configuration from central. One on trial is in use until
// central is reached with it, or is rolled back.
const (
	ConfigurationTrial      = "trial"
	ConfigurationInForce    = "in force"
	ConfigurationRolledBack = "rolled back"
	ConfigurationRefused    = "refused"
)
