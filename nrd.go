// Package nrd holds the words of a number plate reading device: what a read is,
// what is kept of it as evidence, which list entry it hit and what became of
// that hit.
//
// Every other package of this module speaks in these types; this one imports
// nothing but the standard library. Nothing here does input or output.
//
// A [Record] is made once, on the unit, when a vehicle has gone by. From then on
// it never changes: what is learnt later (a proved time, a withdrawn hit) is an
// event beside it. Its [Key] is drawn by the unit's buffer and identifies it for
// ever; its digest (uplink/wire) says whether two copies are the same.
package nrd

import "fmt"

// Key identifies a record everywhere and for ever.
//
// Device is the name in the unit's certificate. Epoch is drawn at random when a
// unit's buffer is made, so that a unit that was re-imaged and counts from one
// again never reuses a key. Sequence counts from 1 within an epoch and never
// comes from a clock.
type Key struct {
	Device   string
	Epoch    uint64
	Sequence uint64
}

// String gives the key as device/epoch/sequence with the epoch in hexadecimal,
// the form in which logs and addresses show it.
func (k Key) String() string { return fmt.Sprintf("%s/%016x/%d", k.Device, k.Epoch, k.Sequence) }

// Box is an upright rectangle in pixels of the frame it belongs to; X and Y are
// its top left corner.
type Box struct{ X, Y, W, H int }

// Empty reports whether the box holds no pixel.
func (b Box) Empty() bool { return b.W <= 0 || b.H <= 0 }

// Point is a position in pixels, fractions included.
type Point struct{ X, Y float64 }

// Quad is a plate's outline in pixels: top left, top right, bottom right and
// bottom left corner as the plate is read.
type Quad [4]Point

// Bounds gives the smallest upright box that holds the quad.
func (q Quad) Bounds() Box {
	minX, minY, maxX, maxY := q[0].X, q[0].Y, q[0].X, q[0].Y
	for _, p := range q[1:] {
		minX, maxX = min(minX, p.X), max(maxX, p.X)
		minY, maxY = min(minY, p.Y), max(maxY, p.Y)
	}
	x, y := floor(minX), floor(minY)
	return Box{X: x, Y: y, W: ceil(maxX) - x, H: ceil(maxY) - y}
}

func floor(f float64) int {
	i := int(f)
	if float64(i) > f {
		i--
	}
	return i
}

func ceil(f float64) int { return -floor(-f) }
