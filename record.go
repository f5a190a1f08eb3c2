package nrd

import "time"

// Alternative is another VRM that the same pixels may show.
type Alternative struct {
	VRM        VRM
	Confidence int // 0-100
}

// Read is the interpretation of one vehicle's plate. Raw, chosen and
// alternatives are all kept: a grammar makes garbage plausible, so whoever
// looks at a read later must see what was read and what was made of it.
type Read struct {
	// VRM is the mark chosen, normalised.
	VRM VRM
	// Raw is the text as the reader gave it, before any repair.
	Raw string
	// Confidence is 0-100: how often reads like this one are right.
	Confidence int
	// Characters holds the confidence of each character of VRM, 0-100.
	Characters []int
	// Syntax names the layout that VRM follows, "" for none known.
	Syntax string
	// Repaired says that a look-alike was replaced to fit the layout.
	Repaired bool
	// Alternatives are ordered, surest first; VRM itself is not among them.
	Alternatives []Alternative
	// Engine names the reader and the version of its weights.
	Engine string
}

// Direction is the vehicle's way relative to the camera.
type Direction string

// The directions of the capture record.
const (
	DirectionUnknown Direction = "unknown"
	DirectionTowards Direction = "towards"
	DirectionAway    Direction = "away"
)

// PTZ is where a movable camera pointed.
type PTZ struct {
	Preset          int
	Pan, Tilt, Zoom float64
}

// Passage is one vehicle going by: the frames in which it was followed.
type Passage struct {
	// Number counts the passages of a camera since the unit started, from 1:
	// a provisional record and the final one have the same. 0: not known.
	Number uint64
	// FirstFrame and LastFrame are sequence numbers of the camera, Frame the
	// one that is kept as evidence, Frames how many were read.
	FirstFrame, LastFrame, Frame uint64
	Frames                       int
	// FirstSeen and LastSeen are the unit's wall clock in UTC.
	FirstSeen, LastSeen time.Time
}

// ImageKind tells the two images of a record apart.
type ImageKind string

// ImagePatch is the plate alone, ImageOverview the vehicle in its scene.
const (
	ImagePatch    ImageKind = "patch"
	ImageOverview ImageKind = "overview"
)

// Image is a JPEG within the profile's caps. A record without its image (not
// yet arrived, dropped to save room, never taken) keeps the zero value.
type Image struct {
	JPEG          []byte
	Width, Height int
}

// Camera identifies a camera as the police back-office interface does: three
// separate 16-bit numbers, beside the name people use.
type Camera struct {
	Feed, Source, Camera uint16
	Name                 string
}

// Record is a capture record: one read of one passage with its time, place,
// images and everything needed to check it later. A vehicle that went by and
// whose plate could not be read (covered, dirty, made not to be read) has a record
// too, with the pictures and without a mark.
type Record struct {
	Key Key
	// Camera is the camera that saw the vehicle.
	Camera Camera
	// Captured is the time of the frame that was read.
	Captured Stamp
	// Fix is the position at that moment.
	Fix Fix
	// Direction of the vehicle and, for a movable camera, where it pointed.
	Direction Direction
	PTZ       *PTZ
	Read      Read
	Passage   Passage
	// Plate is the plate's outline in the frame that was read; FrameWidth and
	// FrameHeight are that frame's size.
	Plate                   Quad
	FrameWidth, FrameHeight int
	// Profile names the standard whose limits the record was made under.
	Profile string
	// Controller is the data controller: the force that owns the unit.
	Controller string
	// Deployment is the incident-log reference under whose authority a
	// vehicle-mounted unit was in use; empty for static units.
	Deployment string
	// Software is the agent's version.
	Software string
	// Hits are the entries that matched on the unit, highest priority first.
	Hits []Hit
	// Patch and Overview are the two images.
	Patch, Overview Image
}

// IsHit reports whether the record matched a list on the unit.
func (r *Record) IsHit() bool { return len(r.Hits) > 0 }

// Unread reports whether the plate could not be read: the record has no mark,
// matches no list and answers no search for a mark.
func (r *Record) Unread() bool { return r.Read.VRM == "" }
