package aim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"nrd"
)

// passing is one plate going by: while aiming it is enough to know how often and
// how well it was seen, so it is followed by its place alone.
type passing struct {
	quad nrd.Quad
	// frames is in how many it was seen, unseen how many frames ago.
	frames, unseen int
	last           time.Duration
	// width is its greatest, in pixels, sharpness that at its greatest width.
	width, sharpness int
	// confidence is that of its best read, 0 where it was never read.
	confidence int
	text       nrd.VRM
}

const (
	// near is how many plate widths a plate may move from frame to frame.
	near = 2.5
	// A plate is gone when it was not seen in so many frames and so long.
	goneFrames = 3
	gone       = 1200 * time.Millisecond
	// most bounds how many plates are followed at once.
	most = 64
)

// follower follows the plates of one camera.
type follower struct{ under []*passing }

// see takes the plates of the next frame and gives the passings that are over.
func (f *follower) see(plates []Plate, now time.Duration) (over []*passing) {
	for _, p := range f.under {
		p.unseen++
	}
	type pair struct {
		plate int
		of    *passing
		away  float64
	}
	var pairs []pair
	for i := range plates {
		if !plates[i].Counted {
			continue
		}
		for _, of := range f.under {
			if away := of.away(&plates[i]); away < near {
				pairs = append(pairs, pair{i, of, away})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.away, b.away) })
	taken := make([]bool, len(plates))
	for _, p := range pairs {
		if !taken[p.plate] && p.of.unseen > 0 {
			taken[p.plate] = true
			p.of.take(&plates[p.plate], now)
		}
	}
	for i := range plates {
		if plates[i].Counted && !taken[i] && len(f.under) < most {
			begun := &passing{}
			begun.take(&plates[i], now)
			f.under = append(f.under, begun)
		}
	}
	f.under = slices.DeleteFunc(f.under, func(p *passing) bool {
		done := p.unseen >= goneFrames && now-p.last >= gone
		if done {
			over = append(over, p)
		}
		return done
	})
	return over
}

// flush ends every passing: the scene is another one.
func (f *follower) flush() []*passing {
	over := f.under
	f.under = nil
	return over
}

// away is how many plate widths a plate lies from a passing's last place; 0 where
// both say the same, and infinite where they cannot be one.
func (p *passing) away(plate *Plate) float64 {
	w, was := width(plate.quad), width(p.quad)
	if ratio := w / max(was, 1); ratio < 0.5 || ratio > 2 {
		return math.Inf(1)
	}
	if plate.text != "" && plate.text == p.text {
		return 0
	}
	a, b := centre(plate.quad), centre(p.quad)
	return math.Hypot(a.X-b.X, a.Y-b.Y) / max(w, was, 1)
}

func (p *passing) take(plate *Plate, now time.Duration) {
	p.quad, p.unseen, p.last = plate.quad, 0, now
	p.frames++
	if plate.Width >= p.width {
		p.width, p.sharpness = plate.Width, plate.Sharpness
	}
	if plate.confidence >= p.confidence {
		p.confidence, p.text = plate.confidence, plate.text
	}
}

// counts reports whether it is a vehicle's: something that was found once and not
// read may be anything.
func (p *passing) counts() bool { return p.frames >= 2 || p.confidence > 0 }

// width is a quad's, the mean of its upper and lower side.
func width(q nrd.Quad) float64 {
	return (math.Hypot(q[1].X-q[0].X, q[1].Y-q[0].Y) + math.Hypot(q[2].X-q[3].X, q[2].Y-q[3].Y)) / 2
}

func centre(q nrd.Quad) (c nrd.Point) {
	for _, p := range q {
		c.X += p.X / 4
		c.Y += p.Y / 4
	}
	return c
}
