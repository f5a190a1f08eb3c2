package nrd

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Cost says how unlikely it is, in nats (minus the natural logarithm of the
// probability), that glyph stands at a position of a text counted from 0.
// Infinity: it cannot be. A reader that knows probabilities gives its own;
// [LookAlikes] serves where only the text is known.
type Cost func(position int, glyph byte) float64

// Candidate is a mark that a text may stand for.
type Candidate struct {
	VRM VRM
	// Syntax is the name of the layout it was weighed in, "" for none.
	Syntax string
	// FutureAge is as in [SyntaxMatch].
	FutureAge bool
	// Share is its probability among the candidates, from 0 to 1.
	Share float64
}

// Repaired is a text with what was made of it. Whoever looks at it later sees
// all three: the raw text, the mark chosen, and what else it may be.
type Repaired struct {
	Raw VRM
	Candidate
	// Repaired says that a glyph was replaced by one that looks different on
	// a plate, such as 8 by B. Writing 0 for O or 1 for I is none: on a
	// British plate these are one glyph, and its position names it.
	Repaired bool
	// Alternatives are ordered, likeliest first, and do not hold the mark
	// chosen. Unless it was chosen, raw is always one of them.
	Alternatives []Candidate
}

const (
	// maxCandidates is how many marks of each layout are weighed, and how
	// many are kept in the end.
	maxCandidates = 8
	// futureCost is how unlikely a mark of a period that has not begun is
	// beside one of a period that has: 1 in 100. Less than a look-alike that
	// leads to another syntax: a false plate is not to be read away.
	futureCost = 4.6
)

// Repair chooses the mark that a text most likely stands for: it weighs the cost
// of each replacement against how frequent the layout is in which the result is
// a mark. The text itself, as a mark of no known layout, is weighed with the
// others, so a foreign mark stays what it is unless one or two look-alikes make a
// British one of it. A period that has not begun weighs against a mark but does
// not rule it out.
func Repair(raw VRM, cost Cost, now time.Time) Repaired {
	weighed := []weighedCandidate{weighRaw(raw, cost)}
	offers := offered(len(raw), cost)
	for i := range layouts {
		if l := &layouts[i]; len(l.Positions) == len(raw) {
			weighed = append(weighed, l.cheapest(offers, now)...)
		}
	}
	weighed = bestOfEach(weighed)
	shareOut(weighed)
	chosen := weighed[0].Candidate
	return Repaired{
		Raw:          raw,
		Candidate:    chosen,
		Repaired:     !sameGlyphs(raw, chosen.VRM),
		Alternatives: alternatives(weighed[1:], raw),
	}
}

type weighedCandidate struct {
	Candidate
	cost float64
}

// weighRaw weighs the text as a mark of no known layout, all of which are taken
// as equally frequent.
func weighRaw(raw VRM, cost Cost) weighedCandidate {
	w := weighedCandidate{Candidate: Candidate{VRM: raw}, cost: -math.Log(PriorNone)}
	for i := range len(raw) {
		w.cost += cost(i, raw[i]) + math.Log(float64(len(glyphs)))
	}
	return w
}

// offer is a glyph with what it costs at its position.
type offer struct {
	glyph byte
	cost  float64
}

// offered lists for each position the glyphs that can be there, cheapest first.
func offered(length int, cost Cost) [][]offer {
	all := make([]offer, 0, length*len(glyphs))
	offers := make([][]offer, length)
	for i := range offers {
		first := len(all)
		for g := range len(glyphs) {
			if c := cost(i, glyphs[g]); !math.IsInf(c, 1) && !math.IsNaN(c) {
				all = append(all, offer{glyphs[g], c})
			}
		}
		offers[i] = all[first:]
		slices.SortStableFunc(offers[i], func(a, b offer) int { return cmp.Compare(a.cost, b.cost) })
	}
	return offers
}

// beginning is the first glyphs of a mark with what they cost together.
type beginning struct {
	text [MaxVRM]byte
	cost float64
}

// cheapest gives the layout's likeliest marks. The costs of positions add up, so
// keeping the best few beginnings at each position loses none of the best few;
// and of these the m-th with the n-th glyph cannot be among them where m times n
// others are cheaper.
func (l *Layout) cheapest(offers [][]offer, now time.Time) []weighedCandidate {
	kept, next := make([]beginning, 1, 4*maxCandidates), make([]beginning, 0, 4*maxCandidates)
	kept[0].cost = math.Log(l.Marks()) - math.Log(l.Prior)
	for i, class := range l.Positions {
		next = next[:0]
		n := 0
		for _, o := range offers[i] {
			if n == maxCandidates {
				break
			}
			if !class.Has(o.glyph) {
				continue
			}
			n++
			for _, b := range kept[:min(len(kept), maxCandidates/n)] {
				b.text[i] = o.glyph
				b.cost += o.cost
				next = append(next, b)
			}
		}
		slices.SortStableFunc(next, func(a, b beginning) int { return cmp.Compare(a.cost, b.cost) })
		kept, next = next[:min(len(next), maxCandidates)], kept
	}
	weighed := make([]weighedCandidate, len(kept))
	for i, b := range kept {
		v := VRM(b.text[:len(l.Positions)])
		m := l.describe(v, now)
		weighed[i] = weighedCandidate{Candidate{VRM: v, Syntax: l.Name, FutureAge: m.FutureAge}, b.cost}
		if m.FutureAge {
			weighed[i].cost += futureCost
		}
	}
	return weighed
}

// bestOfEach orders by cost and keeps each mark once, in its likeliest layout.
func bestOfEach(weighed []weighedCandidate) []weighedCandidate {
	slices.SortStableFunc(weighed, func(a, b weighedCandidate) int { return cmp.Compare(a.cost, b.cost) })
	seen := make(map[VRM]bool, len(weighed))
	return slices.DeleteFunc(weighed, func(w weighedCandidate) bool {
		again := seen[w.VRM]
		seen[w.VRM] = true
		return again
	})
}

// shareOut turns costs into shares that add up to 1.
func shareOut(weighed []weighedCandidate) {
	sum := 0.0
	for i := range weighed {
		weighed[i].Share = math.Exp(weighed[0].cost - weighed[i].cost)
		if math.IsNaN(weighed[i].Share) { // every cost is infinite
			weighed[i].Share = 1
		}
		sum += weighed[i].Share
	}
	for i := range weighed {
		weighed[i].Share /= sum
	}
}

func alternatives(weighed []weighedCandidate, raw VRM) []Candidate {
	var kept []Candidate
	for _, w := range weighed {
		if len(kept) < maxCandidates || w.VRM == raw {
			kept = append(kept, w.Candidate)
		}
	}
	return kept
}

// lookAlike is a pair of glyphs that readers take for each other, with the cost
// of the exchange.
type lookAlike struct {
	a, b byte
	cost float64
}

// lookAlikes as data. The first two pairs are one glyph each on a British plate.
// The costs of the others are estimates: about 1 in 20 where the shapes differ in
// a corner, 1 in 90 where they differ in a stroke. Letters that look like letters
// are left out: no position can tell them apart.
var lookAlikes = []lookAlike{
	{'0', 'O', 0}, {'1', 'I', 0},
	{'8', 'B', 3}, {'5', 'S', 3}, {'2', 'Z', 3}, {'6', 'G', 3},
	{'0', 'D', 3}, {'0', 'Q', 3}, {'O', 'D', 3}, {'O', 'Q', 3}, {'D', 'Q', 4.5},
	{'4', 'A', 4.5}, {'7', 'T', 4.5}, {'7', 'Z', 4.5}, {'1', 'L', 4.5}, {'1', 'T', 4.5},
}

// LookAlikes gives the costs for a text of which nothing else is known: a glyph
// costs nothing where it was read, a look-alike its price, any other glyph cannot
// be.
func LookAlikes(raw VRM) Cost {
	return func(position int, glyph byte) float64 {
		if position >= len(raw) {
			return math.Inf(1)
		}
		read := raw[position]
		if read == glyph {
			return 0
		}
		for _, p := range lookAlikes {
			if (p.a == read && p.b == glyph) || (p.a == glyph && p.b == read) {
				return p.cost
			}
		}
		return math.Inf(1)
	}
}

// sameGlyphs reports whether two marks look the same on a British plate.
func sameGlyphs(a, b VRM) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if plateGlyph(a[i]) != plateGlyph(b[i]) {
			return false
		}
	}
	return true
}

func plateGlyph(g byte) byte {
	switch g {
	case 'O':
		return '0'
	case 'I':
		return '1'
	default:
		return g
	}
}
