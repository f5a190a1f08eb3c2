package evaluate

import (
	"cmp"
	"slices"
)

// Confusions are the characters of captured plates that were read as others.
type Confusions struct {
	// Wrong counts the characters that were read wrong, of all that were
	// compared; O for 0 and I for 1 are not among them.
	Wrong Share `json:"wrong"`
	// Pairs are ordered, most frequent first.
	Pairs []Pair `json:"pairs"`
	// Twins are O and 0, I and 1: one glyph, told apart by the syntax only.
	Twins []Pair `json:"twins"`
}

// Pair is a true character and what was read for it. Truth is "" where a
// character was invented, Read where one was left out.
type Pair struct {
	Truth string `json:"truth"`
	Read  string `json:"read"`
	Count int    `json:"count"`
}

// confusions are those counted so far.
type confusions struct {
	wrong        Share
	pairs, twins map[step]int
}

// add compares a read with the truth.
func (c *confusions) add(truth, text string) {
	if c.pairs == nil {
		c.pairs, c.twins = map[step]int{}, map[step]int{}
	}
	_, steps := align(fold(truth), fold(text))
	t, r := []rune(truth), []rune(text)
	i, j := 0, 0
	for _, s := range steps {
		switch {
		case s.truth == missing:
			j++
		case s.read == missing:
			i++
		default:
			if s.truth == s.read && t[i] != r[j] {
				c.twins[step{t[i], r[j]}]++
			}
			i, j = i+1, j+1
		}
		c.wrong.add(s.truth != s.read)
		if s.truth != s.read {
			c.pairs[s]++
		}
	}
}

func (c *confusions) finish() Confusions {
	return Confusions{Wrong: c.wrong, Pairs: pairs(c.pairs), Twins: pairs(c.twins)}
}

func pairs(counts map[step]int) []Pair {
	out := []Pair{}
	for s, n := range counts {
		out = append(out, Pair{Truth: character(s.truth), Read: character(s.read), Count: n})
	}
	slices.SortFunc(out, func(a, b Pair) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Truth, b.Truth), cmp.Compare(a.Read, b.Read))
	})
	return out
}

func character(r rune) string {
	if r == missing {
		return ""
	}
	return string(r)
}
