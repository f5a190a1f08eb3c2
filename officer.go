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

// OfficerAction is what an officer did at the unit's screen, or what the unit told
// there.
type OfficerAction string

// The actions at the screen. Checked is a mark that was typed in, acted is a
// disposition, and confirmed says after many hours that the officer is still there.
const (
	OfficerSignedOn     OfficerAction = "signed on"
	OfficerConfirmed    OfficerAction = "confirmed"
	OfficerSignedOff    OfficerAction = "signed off"
	OfficerAcknowledged OfficerAction = "acknowledged"
	OfficerActed        OfficerAction = "acted"
	OfficerChecked      OfficerAction = "checked"
)

// What the unit itself did at the screen: it told a hit that its record does not
// have, because a live gateway knew more than the unit's lists, or it took one back.
const (
	OfficersAlerted   OfficerAction = "alerted"
	OfficersWithdrawn OfficerAction = "withdrawn"
)

// RoleUnit is the role where the unit did something by itself.
const RoleUnit = "unit"

// OfficerEvent is one action at the screen of a unit, kept for central.
type OfficerEvent struct {
	Action OfficerAction
	At     time.Time
	// Officer is who was signed on, Role the tablet's: driver or observer. Role is
	// RoleUnit, and Officer empty, where the unit did it by itself.
	Officer Officer
	Role    string
	// Record is the record of the hit that was acknowledged or acted on; its
	// zero value where a provisional hit was withdrawn before there was one.
	Record Key
	// VRM is the mark of that hit, or the one that was checked.
	VRM VRM
	// Disposition says what became of the hit.
	Disposition Disposition
	// Reason is why a mark was checked, or a hit told or withdrawn, and Hits how
	// many entries a checked mark matched.
	Reason string
	Hits   int
	// Lists are those that the hit's entries stand in, each once.
	Lists []string
	// Told are the hits that the unit told or took back by itself; a unit may not
	// say them.
	Told []Hit
}
