// Package gps tells where the unit is: the Positions of package capture.
//
// A roadside unit has a surveyed position from its configuration: [Static]. A
// vehicle has a [Receiver], on a serial line or behind gpsd. Footage that was
// recorded with its receiver's sentences is played together with them: a [Log].
//
// All of them speak NMEA 0183: RMC for position, speed, course and date, GGA or
// GNS for satellites and HDOP, VTG for the speed where there is no RMC. The
// talker (GP, GN, GL, ...) does not matter. A sentence with a wrong checksum or a
// field that makes no sense is counted and skipped.
//
// A position that is too old is none: a read with a wrong place is worse than a
// read without one. So a fix carries its age, its speed counts as unknown when
// it is older than three seconds, and after ten seconds, a few hundred metres on
// a fast road, there is no fix.
package gps

import (
	"time"

	"nrd"
)

// How long a receiver's word counts. Receivers speak once a second or more often.
const (
	maxAge      = 10 * time.Second
	maxSpeedAge = 3 * time.Second
)

// none is no position.
var none = nrd.Fix{Source: nrd.FixNone}

// aged gives a fix as it is so much later.
func aged(f nrd.Fix, age time.Duration) nrd.Fix {
	if !f.Known() || age > maxAge {
		return none
	}
	f.Age = max(age, 0)
	if age > maxSpeedAge {
		f.SpeedKnown, f.Speed, f.Course = false, 0, 0
	}
	return f
}

// Static is the surveyed position of a unit that stands still, in degrees.
type Static struct{ Latitude, Longitude float64 }

// Fix is always the same place.
func (s Static) Fix(nrd.Stamp) nrd.Fix {
	return nrd.Fix{Source: nrd.FixStatic, Latitude: s.Latitude, Longitude: s.Longitude, SpeedKnown: true}
}
