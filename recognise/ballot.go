package recognise

import (
	"cmp"
	"math"
	"slices"
)

// ballot adds up what several looks at one plate saw: the crops of one image, or
// the frames of one passage. Looks of different length vote for their length;
// within a length the probabilities are averaged, position by position.
type ballot struct {
	votes   float64
	lengths [2*maxText + 1]tally
}

// tally is what was voted for one length.
type tally struct {
	weight float64
	// rows adds up the probabilities, lines the number of lines, both
	// weighted.
	rows  [][glyphs]float64
	lines float64
}

// add casts the votes of one look. An empty look votes for "no text".
func (b *ballot) add(look []Glyphs, votes float64) {
	b.votes += votes
	for _, g := range look {
		n := len(g.Probabilities)
		if n == 0 || n >= len(b.lengths) {
			continue
		}
		t := &b.lengths[n]
		if t.rows == nil {
			t.rows = make([][glyphs]float64, n)
		}
		w := votes * g.Weight
		t.weight += w
		t.lines += w * float64(g.Lines)
		for i, row := range g.Probabilities {
			for k, p := range row {
				t.rows[i][k] += w * float64(p)
			}
		}
	}
}

// join adds the votes of another ballot.
func (b *ballot) join(other *ballot) {
	b.votes += other.votes
	for n := range other.lengths {
		from, to := &other.lengths[n], &b.lengths[n]
		if to.rows == nil && from.rows != nil {
			to.rows = make([][glyphs]float64, n)
		}
		to.weight += from.weight
		to.lines += from.lines
		for i := range from.rows {
			for k := range from.rows[i] {
				to.rows[i][k] += from.rows[i][k]
			}
		}
	}
}

// count gives the outcome in the form of a single look, surest length first.
//
// Looks that agree support each other, though less than if they were independent:
// sharpness 1 takes the plain mean, 2 squares its odds.
func (b *ballot) count(sharpness float64) []Glyphs {
	var out []Glyphs
	none := 1.0
	for n := range b.lengths {
		t := &b.lengths[n]
		if t.weight <= 0 || t.weight < faint*b.votes {
			continue
		}
		g := Glyphs{Weight: t.weight / b.votes, Lines: 1, Probabilities: make([][]float32, n)}
		if t.lines > 1.5*t.weight {
			g.Lines = 2
		}
		none -= g.Weight
		for i := range t.rows {
			g.Probabilities[i] = sharpen(t.rows[i], t.weight, sharpness)
		}
		g.likeliest()
		out = append(out, g)
	}
	sum := math.Pow(max(none, 0), sharpness)
	for i := range out {
		out[i].Weight = math.Pow(out[i].Weight, sharpness)
		sum += out[i].Weight
	}
	for i := range out {
		out[i].Weight /= sum
	}
	slices.SortStableFunc(out, func(a, b Glyphs) int { return cmp.Compare(b.Weight, a.Weight) })
	return out[:min(len(out), readings)]
}

// sharpen divides a row by its weight, raises it to a power, and makes it add up
// to 1 again, "no character here" included.
func sharpen(row [glyphs]float64, weight, sharpness float64) []float32 {
	none, sum := 1.0, 0.0
	for k := range row {
		none -= row[k] / weight
		row[k] = math.Pow(row[k]/weight, sharpness)
		sum += row[k]
	}
	sum += math.Pow(max(none, 0), sharpness)
	out := make([]float32, glyphs)
	for k := range row {
		out[k] = float32(row[k] / sum)
	}
	return out
}

// under joins the readings of a plate's two lines into readings of the whole.
func under(top, bottom []Glyphs) []Glyphs {
	var out []Glyphs
	for _, a := range top {
		for _, b := range bottom {
			g := Glyphs{
				Text:          a.Text + b.Text,
				Probabilities: slices.Concat(a.Probabilities, b.Probabilities),
				Weight:        a.Weight * b.Weight,
				Lines:         2,
			}
			// Three characters over four and four over three have the same
			// length: the likelier split stands for both.
			i := slices.IndexFunc(out, func(o Glyphs) bool { return len(o.Text) == len(g.Text) })
			switch {
			case i < 0:
				out = append(out, g)
			case g.Weight > out[i].Weight:
				g.Weight += out[i].Weight
				out[i] = g
			default:
				out[i].Weight += g.Weight
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Glyphs) int { return cmp.Compare(b.Weight, a.Weight) })
	return out[:min(len(out), readings)]
}

// certainty is how sure the best reading is: its weight times the probability of
// each of its glyphs, look-alikes that only position tells apart taken as one.
func certainty(look []Glyphs) float64 {
	if len(look) == 0 {
		return 0
	}
	c := look[0].Weight
	for _, row := range look[0].Probabilities {
		best := float32(0)
		for k := range row {
			best = max(best, twins(row, k))
		}
		c *= float64(best)
	}
	return c
}

// twins is the probability of the shape of glyph k: on a plate 0 and O have one
// shape, and so have 1 and I.
func twins(row []float32, k int) float32 {
	if t := twin[k]; t != k {
		return row[k] + row[t]
	}
	return row[k]
}

// twin gives for each glyph the one with the same shape, itself if none.
var twin = func() (t [glyphs]int) {
	for k := range t {
		t[k] = k
	}
	for _, pair := range [...][2]byte{{'0', 'O'}, {'1', 'I'}} {
		a, b := index(pair[0]), index(pair[1])
		t[a], t[b] = b, a
	}
	return t
}()

// index is the place of a letter or digit in Alphabet.
func index(c byte) int {
	if c >= 'A' {
		return int(c-'A') + 10
	}
	return int(c - '0')
}
