package nrd

import "time"

// Officer is who is on duty at a unit and under whose authority it is out.
type Officer struct {
	// Collar is the officer's collar number.
	Collar string
	// Authoriser gave the authority for the deployment, Reference is its place
	// in the incident log.
	Authoriser, Reference string
	// Since is when the officer signed on.
	Since time.Time
}

// OfficerAction is what an officer did at the unit's screen.
type OfficerAction string

// The actions at the screen. Checked is a mark that was typed in, and acted is a
// disposition.
const (
	OfficerSignedOn     OfficerAction = "signed on"
	OfficerSignedOff    OfficerAction = "signed off"
	OfficerAcknowledged OfficerAction = "acknowledged"
	OfficerActed        OfficerAction = "acted"
	OfficerChecked      OfficerAction = "checked"
)

// OfficerEvent is one action at the screen of a unit, kept for central.
type OfficerEvent struct {
	Action OfficerAction
	At     time.Time
	// Officer is who was signed on, Role the tablet's: driver or observer.
	Officer Officer
	Role    string
	// Record is the record of the hit that was acknowledged or acted on; its
	// zero value where a provisional hit was withdrawn before there was one.
	Record Key
	// VRM is the mark of that hit, or the one that was checked.
	VRM VRM
	// Disposition says what became of the hit.
	Disposition Disposition
	// Reason is why a mark was checked, and Hits how many entries it matched.
	Reason string
	Hits   int
}
