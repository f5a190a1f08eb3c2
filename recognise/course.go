package recognise

import (
	"math"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"nrd"
)

const (
	// turned is the change of size over a passage from which a vehicle comes
	// or goes, steady how well a steady change must explain the widths.
	turned = 1.15
	steady = 0.5
	// agreed is how many frames more must show one colour than the other.
	agreed = 2
)

// course is what a passage shows of the vehicle's way: how its plate grows, and
// whether it is a white one, which British vehicles have in front, or a yellow
// one, which they have behind.
type course struct {
	// Sums over the frames for a line through the logarithm of the width.
	n, t, tt, y, yy, ty float64
	white, yellow       int
}

// add takes the plate's width in pixels so long after the passage began.
func (c *course) add(at time.Duration, width float64) {
	t, y := at.Seconds(), math.Log(max(width, 1))
	c.n++
	c.t += t
	c.tt += t * t
	c.y += y
	c.yy += y * y
	c.ty += t * y
}

// see takes the colour of the plate in one frame.
func (c *course) see(p paint) {
	switch p {
	case paintWhite:
		c.white++
	case paintYellow:
		c.yellow++
	}
}

// join adds a course that began so much later.
func (c *course) join(later *course, after time.Duration) {
	d := after.Seconds()
	c.n += later.n
	c.t += later.t + later.n*d
	c.tt += later.tt + 2*d*later.t + later.n*d*d
	c.y += later.y
	c.yy += later.yy
	c.ty += later.ty + d*later.y
	c.white += later.white
	c.yellow += later.yellow
}

// growth is by what factor the plate grew in that time, 1 where its width does
// not change steadily.
func (c *course) growth(over time.Duration) float64 {
	tt, yy, ty := c.tt*c.n-c.t*c.t, c.yy*c.n-c.y*c.y, c.ty*c.n-c.t*c.y
	if c.n < 2 || tt <= 0 || yy <= 0 || ty*ty < steady*tt*yy {
		return 1
	}
	return math.Exp(ty / tt * over.Seconds())
}

// direction tells whether the vehicle's front or its rear is towards the camera.
//
// A fixed camera sees the plate of a vehicle that comes grow. A moving one sees
// the plate of every vehicle grow that it comes nearer to, those that it overtakes
// and those that are parked as well: there only the colour of a British plate can
// tell, and in the dark and in infrared nothing can.
func (c *course) direction(over time.Duration, moving, british bool) nrd.Direction {
	if moving {
		switch {
		case c.yellow >= c.white+agreed:
			return nrd.DirectionAway
		case c.white >= c.yellow+agreed && british:
			return nrd.DirectionTowards
		}
		return nrd.DirectionUnknown
	}
	switch ratio := c.growth(over); {
	case ratio > turned:
		return nrd.DirectionTowards
	case ratio < 1/turned:
		return nrd.DirectionAway
	}
	return nrd.DirectionUnknown
}

// paint is the colour of a plate's ground.
type paint int

const (
	paintUnknown paint = iota
	paintWhite
	paintYellow
)

// paintOf looks at points all over a plate in an 8-bit BGR image. Where the
// picture has no colour, as in infrared, it cannot tell.
func paintOf(img gocv.Mat, q nrd.Quad) paint {
	pixels, err := img.DataPtrUint8()
	if err != nil || !coloured(pixels) {
		return paintUnknown // no pixels: a part of another image; frames are whole
	}
	const across, down = 24, 8
	var points [across * down]struct{ grey, blue, rest int }
	m := quadFromUnit(q)
	w, h := img.Cols(), img.Rows()
	for i := range points {
		u, v := (float64(i%across)+0.5)/across, (float64(i/across)+0.5)/down
		z := m[6]*u + m[7]*v + m[8]
		x, y := int((m[0]*u+m[1]*v+m[2])/z), int((m[3]*u+m[4]*v+m[5])/z)
		if x < 0 || y < 0 || x >= w || y >= h {
			return paintUnknown
		}
		p := pixels[3*(y*w+x):]
		b, g, r := int(p[0]), int(p[1]), int(p[2])
		points[i].grey, points[i].blue, points[i].rest = b+g+r, b, (g+r)/2
	}
	slices.SortFunc(points[:], func(a, b struct{ grey, blue, rest int }) int { return b.grey - a.grey })
	// The ground is the brighter part of a plate, and most of it.
	blue, rest := 0, 0
	for _, p := range points[:len(points)/2] {
		blue += p.blue
		rest += p.rest
	}
	dark := points[len(points)-1].grey
	ground := points[len(points)/4].grey
	if ground < 3*60 || ground < 2*dark || points[len(points)/2].grey < (ground+dark)/2 {
		return paintUnknown
	}
	switch ratio := float64(blue) / float64(max(rest, 1)); {
	case ratio < 0.55:
		return paintYellow
	case ratio > 0.8:
		return paintWhite
	}
	return paintUnknown
}

// coloured reports whether a picture's pixels have colours: at least a fiftieth of
// some that are spread over all of it.
func coloured(pixels []uint8) bool {
	const samples, chroma = 500, 16
	n, step := 0, len(pixels)/3/samples
	for i := range samples {
		p := pixels[3*i*step:]
		if len(p) >= 3 && int(max(p[0], p[1], p[2]))-int(min(p[0], p[1], p[2])) >= chroma {
			n++
		}
	}
	return n >= samples/50
}
