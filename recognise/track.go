package recognise

import (
	"math"
	"time"

	"nrd"
)

const (
	// A plate is found again within near plate widths of where it is
	// expected, and within far where a sure text says that it is the same.
	near, far = 1.0, 8.0
	// sureText is the certainty from which two texts are compared.
	sureText = 0.6
	// grown is how many times larger a plate must be than the best one read
	// to be read again when its text is settled: after settledReads with
	// confidence settled, or after manyReads. again is the number of frames
	// after which even then it is looked at.
	grown        = 1.15
	settledReads = 4
	manyReads    = 40
	settled      = 97
	again        = 10
	// legible is the width in pixels from which a plate is as good as larger.
	legible = 80
	// turned is the change of size from which a vehicle comes or goes.
	turned = 1.15
)

// track is one plate followed from frame to frame.
type track struct {
	// quad is where the plate was last seen, width its width, velocity its
	// centre's movement in pixels a second.
	quad     nrd.Quad
	width    float64
	velocity nrd.Point
	// first, last and best are the moments of the first, the last and the
	// best frame.
	first, last, best moment
	firstWidth        float64
	// unseen counts the frames since the last.
	unseen int
	// votes gathers what was read, looks how often, unread the frames since.
	votes  ballot
	looks  int
	unread int
	// read is the choice so far; ok is false while there is none.
	read nrd.Read
	ok   bool
	// score is how good the best frame is, bestWidth and bestQuad the plate
	// in it.
	score     float64
	bestWidth float64
	bestQuad  nrd.Quad
	evidence  *evidence
	// told says that a provisional record went out, done the final one.
	told, done bool
}

// moment is what a track remembers of a frame.
type moment struct {
	sequence uint64
	taken    nrd.Stamp
	fix      nrd.Fix
	w, h     int
}

// since is the time from an earlier moment to this one. The wall clock may jump,
// so it counts only where there is nothing better.
func (m moment) since(earlier moment) time.Duration {
	if m.taken.BootID == earlier.taken.BootID && m.taken.Monotonic != earlier.taken.Monotonic {
		return max(0, m.taken.Monotonic-earlier.taken.Monotonic)
	}
	return max(0, m.taken.UTC.Sub(earlier.taken.UTC))
}

// cuts reports whether a plate touches the edge of the frame: the rest of it may
// lie outside.
func (m moment) cuts(q nrd.Quad) bool {
	const edge = 2
	b := q.Bounds()
	return b.X < edge || b.Y < edge || b.X+b.W > m.w-edge || b.Y+b.H > m.h-edge
}

// away is how many plate widths a quad lies from where the track expects its
// plate; infinite where the sizes do not fit.
func (t *track) away(q nrd.Quad, now moment) float64 {
	w, _ := size(q)
	if ratio := w / max(t.width, 1); ratio < 0.55 || ratio > 1.8 {
		return math.Inf(1)
	}
	c, from := centre(q), centre(t.quad)
	seconds := min(now.since(t.last).Seconds(), 1)
	expected := nrd.Point{X: from.X + t.velocity.X*seconds, Y: from.Y + t.velocity.Y*seconds}
	// A vehicle may brake or be seen for the second time only: where it was
	// counts as well.
	return min(distance(c, expected), distance(c, from)) / max(t.width, w, 1)
}

// move takes the plate's new place.
func (t *track) move(q nrd.Quad, now moment) {
	if seconds := now.since(t.last).Seconds(); seconds > 0 {
		c, from := centre(q), centre(t.quad)
		v := nrd.Point{X: (c.X - from.X) / seconds, Y: (c.Y - from.Y) / seconds}
		if t.velocity != (nrd.Point{}) {
			v = nrd.Point{X: (v.X + t.velocity.X) / 2, Y: (v.Y + t.velocity.Y) / 2}
		}
		t.velocity = v
	}
	t.quad, t.last, t.unseen = q, now, 0
	if !now.cuts(q) {
		t.width, _ = size(q)
	}
	t.unread++
}

// wants reports whether the plate at q should be read.
func (t *track) wants(q nrd.Quad) bool {
	if t.looks < settledReads || t.looks < manyReads && (!t.ok || t.read.Confidence < settled) {
		return true
	}
	w, _ := size(q)
	return !t.done && w > grown*t.bestWidth || t.unread >= again
}

// hear takes a look at the plate.
func (t *track) hear(look []Glyphs, now time.Time) {
	t.looks++
	t.unread = 0
	// What was read from afar, or hardly at all, says little against the rest.
	scale := min(1, t.width/legible)
	t.votes.add(look, (0.02+certainty(look))*scale*scale)
	t.read, t.ok = choose(t.votes.count(t.sharpness()), now)
}

// sharpness is how much the track's looks support each other. The frames of a
// passage are alike, so twice as many of them count for much less than twice the
// evidence.
func (t *track) sharpness() float64 { return min(2, 1+0.25*math.Log2(float64(t.looks))) }

// quality is how good a frame is as evidence: sure, large, and saying what the
// passage as a whole says.
func (t *track) quality(look []Glyphs, q nrd.Quad) float64 {
	if len(look) == 0 || !t.ok {
		return 0
	}
	w, _ := size(q)
	quality := certainty(look) * math.Sqrt(min(w, 240))
	if !alike(look[0].Text, string(t.read.VRM)) {
		quality /= 4
	}
	return quality
}

// agreement compares a look with the track's text.
type agreement int

const (
	unknown agreement = iota
	same
	other
)

// compare says whether a sure look shows the track's plate or another one.
func (t *track) compare(look []Glyphs) agreement {
	if !t.ok || t.read.Confidence < 100*sureText || certainty(look) < sureText {
		return unknown
	}
	switch d := differences(look[0].Text, string(t.read.VRM)); {
	case d <= 1:
		return same
	case 2*d > len(t.read.VRM):
		return other
	default:
		return unknown
	}
}

// differences counts the characters that must be added, taken away or replaced
// to make b of a.
func differences(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if !alike(a[i:i+1], b[j:j+1]) {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// returns reports whether a later track shows this one's plate again.
func (t *track) returns(later *track) bool {
	return t.ok && later.ok && !later.done && later.first.sequence > t.last.sequence && later.read.VRM == t.read.VRM
}

// inherit takes over what an earlier track of the same plate knows.
func (t *track) inherit(earlier *track, now time.Time) {
	t.first, t.firstWidth = earlier.first, earlier.firstWidth
	t.told, t.done = t.told || earlier.told, earlier.done
	t.looks += earlier.looks
	t.votes.join(&earlier.votes)
	t.read, t.ok = choose(t.votes.count(t.sharpness()), now)
	if earlier.score > t.score {
		t.score, t.best, t.bestWidth, t.bestQuad = earlier.score, earlier.best, earlier.bestWidth, earlier.bestQuad
		t.evidence, earlier.evidence = earlier.evidence, t.evidence
	}
}

// direction tells from the plate's size whether the vehicle comes nearer to the
// camera or not. A camera that moves itself sees a car come nearer that it
// overtakes.
func (t *track) direction() nrd.Direction {
	switch ratio := t.width / max(t.firstWidth, 1); {
	case t.looks < 2:
		return nrd.DirectionUnknown
	case ratio > turned:
		return nrd.DirectionTowards
	case ratio < 1/turned:
		return nrd.DirectionAway
	default:
		return nrd.DirectionUnknown
	}
}
