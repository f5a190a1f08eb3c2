package nrd

import (
	"math"
	"time"
)

// FixSource says where a position comes from.
type FixSource string

// FixStatic is a surveyed position from the configuration of a roadside unit,
// FixGPS a receiver's, FixNone no position at all.
const (
	FixNone   FixSource = "none"
	FixStatic FixSource = "static"
	FixGPS    FixSource = "gps"
)

// Fix is a position at the moment of capture with what is known of its quality.
// The zero value is "no position".
type Fix struct {
	Source FixSource
	// Latitude and Longitude are degrees in WGS 84, north and east positive.
	Latitude, Longitude float64
	// Satellites and HDOP are the receiver's; zero when unknown or static.
	Satellites int
	HDOP       float64
	// SpeedKnown is false where the receiver gave none: unknown speed counts
	// as moving. Speed is in metres a second, Course in degrees from true
	// north.
	SpeedKnown bool
	Speed      float64
	Course     float64
	// Age is how old the fix was when the frame was taken.
	Age time.Duration
	// Time is the receiver's own UTC; zero when it gave none.
	Time time.Time
}

// Known reports whether the fix holds a position.
func (f Fix) Known() bool { return f.Source == FixStatic || f.Source == FixGPS }

// Metres is how far g is away, on a sphere; 0 where either place is not known.
func (f Fix) Metres(g Fix) float64 {
	if !f.Known() || !g.Known() {
		return 0
	}
	const degree, radius = math.Pi / 180, 6_371_000
	north := math.Sin((g.Latitude - f.Latitude) * degree / 2)
	east := math.Sin((g.Longitude - f.Longitude) * degree / 2)
	h := north*north + math.Cos(f.Latitude*degree)*math.Cos(g.Latitude*degree)*east*east
	return 2 * radius * math.Asin(math.Sqrt(min(h, 1)))
}

// Valid reports whether latitude and longitude lie on the Earth.
func (f Fix) Valid() bool {
	return f.Latitude >= -90 && f.Latitude <= 90 && f.Longitude >= -180 && f.Longitude <= 180
}

// Moving reports whether the vehicle must be taken as moving: anything above
// walking pace, and every speed that is not known (SI 1986/1078 reg. 109).
func (f Fix) Moving() bool {
	standing := f.SpeedKnown && f.Speed >= 0 && f.Speed <= 1.5 // not a number is neither
	return !standing
}
