package recognise

import (
	"image"
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
	// confidence sureRead, or after manyReads. again is the time after which
	// even then it is looked at.
	grown        = 1.15
	settledReads = 4
	manyReads    = 40
	sureRead     = 97
	again        = time.Second
	// legible is the width in pixels from which a plate is as good as larger.
	legible = 80
)

// track is one plate followed from frame to frame.
type track struct {
	// number is the passage's.
	number uint64
	// quad is where the plate was last seen, width its width, velocity its
	// centre's movement in pixels a second.
	quad     nrd.Quad
	width    float64
	velocity nrd.Point
	// first, last and best are the moments of the first, the last and the
	// best frame.
	first, last, best moment
	// unseen counts the frames since the last, seen those with the plate, and
	// certain adds up how sure the localiser was in them.
	unseen, seen int
	certain      float64
	// start is where the plate's centre was at first, strayed how far it has
	// been from there, in pixels.
	start   nrd.Point
	strayed float64
	course  course
	// votes gathers what was read, looks how often, heard when last.
	votes ballot
	looks int
	heard moment
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
	// view is the part of the frame that is looked at.
	view image.Rectangle
}

// since is the time from an earlier moment to this one. The wall clock may jump,
// so it counts only where there is nothing better.
func (m moment) since(earlier moment) time.Duration {
	if m.taken.BootID == earlier.taken.BootID && m.taken.Monotonic != earlier.taken.Monotonic {
		return max(0, m.taken.Monotonic-earlier.taken.Monotonic)
	}
	return max(0, m.taken.UTC.Sub(earlier.taken.UTC))
}

// cuts reports whether a plate touches the edge of what is looked at: the rest of
// it may lie outside.
func (m moment) cuts(q nrd.Quad) bool {
	const edge = 2
	b := q.Bounds()
	return !image.Rect(b.X, b.Y, b.X+b.W, b.Y+b.H).In(m.view.Inset(edge))
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
func (t *track) move(p Plate, now moment) {
	q := p.Quad
	if seconds := now.since(t.last).Seconds(); seconds > 0 {
		c, from := centre(q), centre(t.quad)
		v := nrd.Point{X: (c.X - from.X) / seconds, Y: (c.Y - from.Y) / seconds}
		if t.velocity != (nrd.Point{}) {
			v = nrd.Point{X: (v.X + t.velocity.X) / 2, Y: (v.Y + t.velocity.Y) / 2}
		}
		t.velocity = v
	}
	t.quad, t.last, t.unseen = q, now, 0
	t.seen++
	t.certain += p.Confidence
	t.strayed = max(t.strayed, distance(centre(q), t.start))
	if !now.cuts(q) {
		t.width, _ = size(q)
		t.course.add(now.since(t.first), t.width)
	}
}

// stay notes a frame in which nothing moves: the plate is where it was.
func (t *track) stay(now moment) {
	t.last, t.velocity = now, nrd.Point{}
}

// standing reports whether the plate hardly moves: less than a tenth of its width
// a second.
func (t *track) standing() bool {
	return math.Hypot(t.velocity.X, t.velocity.Y) < 0.1*t.width
}

// settled reports whether nothing more can be learnt of a plate that stays where
// it is.
func (t *track) settled() bool { return t.looks >= settledReads }

// wants reports whether the plate at q should be read.
func (t *track) wants(q nrd.Quad, now moment) bool {
	if !t.settled() || t.looks < manyReads && (!t.ok || t.read.Confidence < sureRead) {
		return true
	}
	w, _ := size(q)
	return !t.done && w > grown*t.bestWidth || now.since(t.heard) >= again
}

// hear takes a look at the plate.
func (t *track) hear(look []Glyphs, now moment, day time.Time) {
	t.looks++
	t.heard = now
	// What was read from afar, or hardly at all, says little against the rest.
	scale := min(1, t.width/legible)
	t.votes.add(look, (0.02+certainty(look))*scale*scale)
	t.read, t.ok = choose(t.votes.count(t.sharpness()), day)
}

// sharpness is how much the track's looks support each other. The frames of a
// passage are alike, so twice as many of them count for much less than twice the
// evidence.
func (t *track) sharpness() float64 { return min(2, 1+0.25*math.Log2(float64(t.looks))) }

// quality is how good a frame is as evidence: large, sure, and saying what the
// passage as a whole says. A frame without text is worth hardly anything, but more
// than none.
func (t *track) quality(look []Glyphs, q nrd.Quad) float64 {
	w, _ := size(q)
	quality := math.Sqrt(min(w, 240))
	switch {
	case len(look) == 0 || !t.ok:
		return quality * 1e-6
	case !alike(look[0].Text, string(t.read.VRM)):
		quality /= 4
	}
	return quality * certainty(look)
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
	t.number = earlier.number
	earlier.course.join(&t.course, t.first.since(earlier.first))
	t.course = earlier.course
	t.first, t.start = earlier.first, earlier.start
	t.seen += earlier.seen
	t.certain += earlier.certain
	t.strayed = max(t.strayed, earlier.strayed, distance(centre(t.quad), t.start))
	t.told, t.done = t.told || earlier.told, earlier.done
	t.looks += earlier.looks
	t.votes.join(&earlier.votes)
	t.read, t.ok = choose(t.votes.count(t.sharpness()), now)
	if earlier.score > t.score {
		t.score, t.best, t.bestWidth, t.bestQuad = earlier.score, earlier.best, earlier.bestWidth, earlier.bestQuad
		t.evidence, earlier.evidence = earlier.evidence, t.evidence
	}
}
