package nrd

import (
	"math"
	"testing"
)

func TestUnknownSpeedCountsAsMoving(t *testing.T) {
	for _, c := range []struct {
		fix    Fix
		moving bool
	}{
		{Fix{}, true},
		{Fix{Speed: 0}, true},
		{Fix{SpeedKnown: true, Speed: 0}, false},
		{Fix{SpeedKnown: true, Speed: 1.5}, false},
		{Fix{SpeedKnown: true, Speed: 1.6}, true},
		{Fix{SpeedKnown: true, Speed: math.NaN()}, true},
		{Fix{SpeedKnown: true, Speed: -3}, true},
	} {
		if got := c.fix.Moving(); got != c.moving {
			t.Errorf("%+v: moving %v, want %v", c.fix, got, c.moving)
		}
	}
}

func TestAPositionMustLieOnTheEarth(t *testing.T) {
	for _, c := range []struct {
		latitude, longitude float64
		valid               bool
	}{
		{51.5, -0.1, true}, {-90, 180, true}, {90.1, 0, false}, {0, -180.1, false},
		{math.NaN(), 0, false}, {0, math.NaN(), false}, {math.Inf(1), 0, false},
	} {
		if got := (Fix{Latitude: c.latitude, Longitude: c.longitude}).Valid(); got != c.valid {
			t.Errorf("%v, %v: valid %v, want %v", c.latitude, c.longitude, got, c.valid)
		}
	}
}

func TestOnlyAStaticOrGPSFixHoldsAPosition(t *testing.T) {
	for source, known := range map[FixSource]bool{FixStatic: true, FixGPS: true, FixNone: false, "": false} {
		if got := (Fix{Source: source}).Known(); got != known {
			t.Errorf("%q: known %v, want %v", source, got, known)
		}
	}
}

func TestTheBoundsOfATiltedPlateHoldAllItsCorners(t *testing.T) {
	q := Quad{{10.2, 5.5}, {60.9, 8}, {60, 20.1}, {9.7, 18}}
	if got, want := q.Bounds(), (Box{X: 9, Y: 5, W: 52, H: 16}); got != want {
		t.Errorf("bounds %+v, want %+v", got, want)
	}
	if got, want := (Quad{{-1.5, -2.5}, {3, -2}, {3, 4}, {-1, 4}}).Bounds(), (Box{X: -2, Y: -3, W: 5, H: 7}); got != want {
		t.Errorf("bounds %+v, want %+v", got, want)
	}
}

func TestAKeyIsShownAsDeviceEpochSequence(t *testing.T) {
	if got := (Key{Device: "car-7", Epoch: 0xbeef, Sequence: 12}).String(); got != "car-7/000000000000beef/12" {
		t.Errorf("the key is shown as %s", got)
	}
}
