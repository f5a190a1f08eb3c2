package recognise

import (
	"cmp"
	"math"
	"slices"
	"time"

	"nrd"
)

// The syntaxes of British plates are a prior, never a rule: a mark that follows
// none is weighed with the others and wins where the glyphs speak for it. The
// text with the greatest posterior probability becomes the read,
//
//	weight of its length × product of its glyphs' probabilities × prior,
//
// where the prior is a layout's share of the traffic spread over the marks that
// it allows, compared with all texts of that length being alike, which is what
// the reader takes for granted. Divided by the same sum over every text of every
// layout this is the confidence.

// future is how unlikely a mark whose age field has not begun is beside another.
const future = 1e-3

// badges are the makers whose names stand in capitals on vehicles, about where the
// plate is, in its size and on nearly every one: hardly any mark says the same.
var badges = map[nrd.VRM]bool{
	"ABARTH": true, "ALPINE": true, "APRILIA": true, "BEDFORD": true, "BENELLI": true, "BUICK": true, "CADILLAC": true, "CHRYSLER": true,
	"CITROEN": true, "CUPRA": true, "DACIA": true, "DAEWOO": true, "DODGE": true, "DUCATI": true, "FERRARI": true, "FIAT": true, "FORD": true,
	"GENESIS": true, "HONDA": true, "HUMMER": true, "HYUNDAI": true, "INFINITI": true, "ISUZU": true, "IVECO": true, "JAGUAR": true, "JEEP": true,
	"KAWASAKI": true, "KYMCO": true, "LANCIA": true, "LEXUS": true, "LOTUS": true, "MASERATI": true, "MAZDA": true, "NISSAN": true, "OPEL": true,
	"PEUGEOT": true, "PIAGGIO": true, "POLESTAR": true, "PORSCHE": true, "RENAULT": true, "ROVER": true, "SAAB": true, "SCANIA": true, "SEAT": true,
	"SKODA": true, "SMART": true, "SUBARU": true, "SUZUKI": true, "TESLA": true, "TOYOTA": true, "TRIUMPH": true, "VAUXHALL": true, "VESPA": true,
	"VOLVO": true, "YAMAHA": true,
}

// lettering is how likely a text that follows no layout is to be a mark, and not
// what stands on a van or a sign. Abroad there are marks of letters alone, but hardly
// any of three letters or fewer, and none with eight in a row.
func lettering(v nrd.VRM) float64 {
	longest, run := 0, 0
	for i := range len(v) {
		if run++; v[i] <= '9' {
			run = 0
		}
		longest = max(longest, run)
	}
	switch {
	case badges[v]:
		return 0.02
	case longest > 7, longest == len(v) && longest <= 3:
		return 0.1
	case longest == len(v):
		return 0.4
	default:
		return 1
	}
}

// maxAlternatives is how many other marks a read keeps.
const maxAlternatives = 8

// choose makes the read out of what the reader saw. It reports false when there
// is nothing that can be a mark.
func choose(look []Glyphs, now time.Time) (nrd.Read, bool) {
	var candidates []candidate
	var all, text float64
	for _, g := range look {
		raw, err := nrd.ParseVRM(g.Text)
		if err != nil {
			continue
		}
		text += g.Weight
		all += g.Weight * everything(g)
		for _, c := range marks(nrd.Repair(raw, cost(g), now)) {
			weighed, lost := weigh(c, g)
			candidates = append(candidates, weighed)
			all -= lost
		}
	}
	if len(candidates) == 0 || all <= 0 {
		return nrd.Read{}, false
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.mass, a.mass) })
	best := candidates[0]
	read := nrd.Read{
		VRM:        best.VRM,
		Raw:        look[0].Text,
		Confidence: percent(min(best.mass/all, 1) * min(text, 1)),
		Characters: best.characters,
		Syntax:     best.Syntax,
		Repaired:   !alike(look[0].Text, string(best.VRM)),
	}
	for _, c := range candidates[1:] {
		p := percent(min(c.mass/all, 1) * min(text, 1))
		// The raw text stays on record however unlikely the syntaxes make it.
		if len(read.Alternatives) < maxAlternatives && p > 0 || string(c.VRM) == read.Raw {
			read.Alternatives = append(read.Alternatives, nrd.Alternative{VRM: c.VRM, Confidence: p})
		}
	}
	return read, true
}

// candidate is a mark with its share of the posterior, not yet divided by the
// sum of all.
type candidate struct {
	nrd.Candidate
	mass       float64
	characters []int
}

// weigh gives a mark its mass, and what a future age field took from it. What
// lettering takes goes to no other mark: then there is none.
func weigh(c nrd.Candidate, g Glyphs) (w candidate, lost float64) {
	w = candidate{Candidate: c, characters: make([]int, len(c.VRM))}
	product := g.Weight
	for i := range len(c.VRM) {
		p := float64(twins(g.Probabilities[i], index(c.VRM[i])))
		w.characters[i] = percent(p)
		product *= p
	}
	prior, likeliest := nrd.PriorNone, 0.0
	w.Syntax = ""
	for i := range layouts {
		l := &layouts[i]
		if !l.Matches(c.VRM) {
			continue
		}
		d := densities[i]
		prior += d
		if d > likeliest {
			likeliest, w.Syntax = d, l.Name
		}
	}
	w.mass = product * prior
	if c.FutureAge {
		lost = w.mass * (1 - future)
		w.mass *= future
	}
	if likeliest == 0 {
		w.mass *= lettering(c.VRM)
	}
	return w, lost
}

// everything is the mass of all texts of a length together.
func everything(g Glyphs) float64 {
	sum := nrd.PriorNone
	for i := range layouts {
		l := &layouts[i]
		if len(l.Positions) != len(g.Probabilities) {
			continue
		}
		product := densities[i]
		for j, class := range l.Positions {
			product *= allowed(g.Probabilities[j], class)
		}
		sum += product
	}
	return sum
}

// allowed is the probability that a glyph is of the class, shapes that only
// position tells apart taken as one.
func allowed(row []float32, class nrd.Class) float64 {
	sum := 0.0
	for k, p := range row {
		if class&(1<<k|1<<twin[k]) != 0 {
			sum += float64(p)
		}
	}
	return sum
}

var layouts = nrd.Layouts()

// trust is the power to which the odds of a layout against none are raised. The
// reader's small probabilities are less small than it says, and the full odds of
// the commonest layout, 3,000 to 1, would make a British mark of many a foreign
// one.
const trust = 0.5

// densities are those of the layouts.
var densities = func() []float64 {
	all := make([]float64, len(layouts))
	for i := range layouts {
		all[i] = density(&layouts[i])
	}
	return all
}()

// density is how much likelier a mark of the layout is than it would be if all
// texts of its length were alike.
func density(l *nrd.Layout) float64 {
	spread := math.Pow(float64(glyphs), float64(len(l.Positions))) / l.Marks()
	return nrd.PriorNone * math.Pow(l.Prior*spread/nrd.PriorNone, trust)
}

// marks lists what a repaired text may stand for.
func marks(r nrd.Repaired) []nrd.Candidate {
	return append([]nrd.Candidate{r.Candidate}, r.Alternatives...)
}

// cost is what the reader's probabilities say to nrd.Repair.
func cost(g Glyphs) nrd.Cost {
	return func(position int, glyph byte) float64 {
		return -math.Log(float64(twins(g.Probabilities[position], index(glyph))))
	}
}

// alike reports whether two texts look the same on a plate.
func alike(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if x, y := index(a[i]), index(b[i]); x != y && twin[x] != y {
			return false
		}
	}
	return true
}

func percent(p float64) int {
	return int(math.Round(100 * max(0, min(1, p))))
}
