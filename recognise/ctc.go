package recognise

import (
	"cmp"
	"math"
	"slices"
)

// The reader's network gives for each of its frames (narrow upright strips of
// the plate, left to right) a logit for "no character" and for each glyph. The
// same text can be spread over the frames in many ways; connectionist temporal
// classification (CTC) adds up all of them. A prefix beam search finds the
// likely texts; then the exact sum over all spreadings gives, for each position,
// how likely each other glyph would be there.

const (
	// glyphs is how many there are, classes one more: class 0 is the blank.
	glyphs  = len(Alphabet)
	classes = glyphs + 1
	// maxFrames and maxText bound what a network can make the decoder do.
	maxFrames = 128
	maxText   = 16
	// beams is how many prefixes are followed, unlikely the share of the best
	// one below which another is not.
	beams    = 12
	unlikely = 1e-4
	// readings is how many texts of different length are kept, faint the
	// share below which one is not.
	readings = 3
	faint    = 0.005
)

// frame holds the probabilities of the classes in one frame.
type frame [classes]float64

// softmax turns logits, stored class after class, into frames. Anything that is
// no number counts as impossible.
func softmax(logits []float32) []frame {
	steps := min(len(logits)/classes, maxFrames)
	stride := len(logits) / classes
	frames := make([]frame, steps)
	for t := range frames {
		top := math.Inf(-1)
		for k := range classes {
			if v := float64(logits[k*stride+t]); !math.IsNaN(v) && !math.IsInf(v, 0) {
				top = max(top, v)
			}
		}
		if math.IsInf(top, -1) {
			frames[t][0] = 1
			continue
		}
		sum := 0.0
		for k := range classes {
			v := float64(logits[k*stride+t])
			if math.IsNaN(v) || math.IsInf(v, 0) {
				continue
			}
			// The floor keeps products of a hundred frames above zero.
			frames[t][k] = max(math.Exp(v-top), 1e-7)
			sum += frames[t][k]
		}
		for k := range classes {
			frames[t][k] /= sum
		}
	}
	return frames
}

// prefix is a text that the frames so far may show: with its last frame blank,
// or with its last frame on its last glyph.
type prefix struct {
	text         [maxText]uint8
	length       int
	blank, glyph float64
}

func (p *prefix) total() float64 { return p.blank + p.glyph }

// last is the class of the prefix's last glyph, 0 when it is empty.
func (p *prefix) last() int {
	if p.length == 0 {
		return 0
	}
	return int(p.text[p.length-1])
}

// search gives the likeliest texts, surest first.
func search(frames []frame) []prefix {
	now := append(make([]prefix, 0, beams), prefix{blank: 1})
	next := make([]prefix, 0, beams*8)
	for t := range frames {
		f := &frames[t]
		next = next[:0]
		for _, p := range now {
			stay := p
			stay.blank = p.total() * f[0]
			stay.glyph = p.glyph * f[p.last()]
			next = append(next, stay)
		}
		for i := range now {
			next = grow(next, &now[i], f, len(now), unlikely*now[0].total())
		}
		slices.SortFunc(next, func(a, b prefix) int { return cmp.Compare(b.total(), a.total()) })
		now = append(now[:0], next[:min(beams, len(next))]...)
	}
	return now
}

// grow adds to next what p becomes with each glyph that frame f may begin. A
// longer text that is followed already is among the first old of next; every
// other one is new. What has less than least is not worth following.
func grow(next []prefix, p *prefix, f *frame, old int, least float64) []prefix {
	if p.length == maxText {
		return next
	}
	for k := 1; k < classes; k++ {
		from := p.total()
		if k == p.last() {
			from = p.blank
		}
		mass := from * f[k]
		if mass < least {
			continue
		}
		longer := prefix{text: p.text, length: p.length + 1}
		longer.text[p.length] = uint8(k)
		at := slices.IndexFunc(next[:old], func(q prefix) bool { return q.length == longer.length && q.text == longer.text })
		if at < 0 {
			at = len(next)
			next = append(next, longer)
		}
		next[at].glyph += mass
	}
	return next
}

// decode gives what the logits of one line may say, for each likely length the
// likeliest text with its weight, surest first. The weights add up to at most 1;
// what is missing is the weight of "no text at all".
func decode(logits []float32) []Glyphs {
	frames := softmax(logits)
	var out []Glyphs
	for _, p := range search(frames) {
		if p.length == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(g Glyphs) bool { return len(g.Text) == p.length })
		switch {
		case i >= 0:
			out[i].Weight += p.total()
		case len(out) < readings && p.total() >= faint:
			out = append(out, Glyphs{
				Text:          spell(p.text[:p.length]),
				Probabilities: substitutes(frames, p.text[:p.length]),
				Lines:         1,
				Weight:        p.total(),
			})
		}
	}
	for i := range out {
		out[i].likeliest()
	}
	slices.SortStableFunc(out, func(a, b Glyphs) int { return cmp.Compare(b.Weight, a.Weight) })
	return out
}

func spell(text []uint8) string {
	s := make([]byte, len(text))
	for i, k := range text {
		s[i] = Alphabet[k-1]
	}
	return string(s)
}

// substitutes gives, for each position of text, the probability of each glyph
// there when the rest of the text stands.
func substitutes(frames []frame, text []uint8) [][]float32 {
	before, after := forward(frames, text), backward(frames, text)
	rows := make([][]float32, len(text))
	for i := range text {
		var row [glyphs]float64
		sum := likelihood(frames, slices.Delete(slices.Clone(text), i, i+1))
		for g := range row {
			row[g] = substitute(frames, text, i, uint8(g+1), before, after)
			sum += row[g]
		}
		rows[i] = make([]float32, glyphs)
		if sum <= 0 {
			continue
		}
		for g := range row {
			rows[i][g] = float32(row[g] / sum)
		}
	}
	return rows
}

// trellis holds a probability for each frame and state. State 2j is the blank
// after j characters, state 2j-1 the j-th character.
type trellis [][]float64

func newTrellis(frames, states int) trellis {
	cells := make([]float64, frames*states)
	t := make(trellis, frames)
	for i := range t {
		t[i] = cells[i*states : (i+1)*states]
	}
	return t
}

// class is what a state of the trellis shows.
func class(text []uint8, state int) uint8 {
	if state%2 == 0 {
		return 0
	}
	return text[state/2]
}

// skips reports whether a state can be entered from the character before it
// without a blank between: only where the two differ.
func skips(text []uint8, state int) bool {
	return state%2 == 1 && state >= 2 && text[state/2] != text[state/2-1]
}

// forward gives the probability of the frames up to and with each one, ending in
// each state.
func forward(frames []frame, text []uint8) trellis {
	states := 2*len(text) + 1
	a := newTrellis(len(frames), states)
	for t := range frames {
		for s := range states {
			var sum float64
			if t == 0 {
				if s < 2 {
					sum = 1
				}
			} else {
				sum = a[t-1][s]
				if s >= 1 {
					sum += a[t-1][s-1]
				}
				if skips(text, s) {
					sum += a[t-1][s-2]
				}
			}
			a[t][s] = sum * frames[t][class(text, s)]
		}
	}
	return a
}

// backward gives the probability of the frames from each one on, beginning in
// each state.
func backward(frames []frame, text []uint8) trellis {
	states := 2*len(text) + 1
	b := newTrellis(len(frames), states)
	for t := len(frames) - 1; t >= 0; t-- {
		for s := range states {
			var sum float64
			if t == len(frames)-1 {
				if s >= states-2 {
					sum = 1
				}
			} else {
				sum = b[t+1][s]
				if s+1 < states {
					sum += b[t+1][s+1]
				}
				if s+2 < states && skips(text, s+2) {
					sum += b[t+1][s+2]
				}
			}
			b[t][s] = sum * frames[t][class(text, s)]
		}
	}
	return b
}

// likelihood is the probability of a text, over all its spreadings.
func likelihood(frames []frame, text []uint8) float64 {
	if len(frames) == 0 {
		return 0
	}
	last := forward(frames, text)[len(frames)-1]
	if len(text) == 0 {
		return last[0]
	}
	return last[2*len(text)] + last[2*len(text)-1]
}

// substitute is the probability of text with glyph k at position i.
func substitute(frames []frame, text []uint8, i int, k uint8, before, after trellis) float64 {
	state := 2*i + 1
	var inside, sum float64
	for t := range frames {
		switch {
		case t > 0:
			inside += before[t-1][state-1]
			if i > 0 && text[i-1] != k {
				inside += before[t-1][state-2]
			}
		case i == 0:
			inside = 1
		}
		inside *= frames[t][k]
		var leave float64
		switch {
		case t < len(frames)-1:
			leave = after[t+1][state+1]
			if i+1 < len(text) && text[i+1] != k {
				leave += after[t+1][state+2]
			}
		case i == len(text)-1:
			leave = 1
		}
		sum += inside * leave
	}
	return sum
}
