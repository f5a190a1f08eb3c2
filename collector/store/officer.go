package store

import (
	"time"

	"nrd"
)

// OfficerEvent is what an officer did at a unit's screen, as central keeps it.
type OfficerEvent struct {
	nrd.OfficerEvent
	// Key is the event's own.
	Key nrd.Key
	// Filed is when it was done as far as is known: what it is searched and weeded
	// by. It is the unit's time, or that of the receipt where the unit's cannot be.
	Filed    time.Time
	Received time.Time
}

// OfficerQuery selects what officers did. To is exclusive; what is empty leaves a
// term open.
type OfficerQuery struct {
	From, To time.Time
	Device   string
	// Collar is an officer's collar number, VRM the mark of the hit or of the check.
	Collar string
	VRM    nrd.VRM
	// Action narrows to one.
	Action nrd.OfficerAction
	// Limit caps the answer; 0 means 100, at most 10,000.
	Limit int
}

// Dispositions counts, for each list, what became of the hits that it gave.
type Dispositions map[string]map[nrd.Disposition]uint64
