package evaluate

import (
	"strings"
	"unicode/utf8"
)

// fold takes the letter O for the digit 0 and I for 1: on a plate they are one
// glyph each, and only the syntax says which was meant.
func fold(text string) string { return folding.Replace(text) }

var folding = strings.NewReplacer("O", "0", "I", "1")

// near is how many characters a read may be off a plate and still be of that
// plate, where nothing else says so.
const near = 2

// distance is how many characters must be changed, added or left out to make one
// text of the other.
func distance(a, b string) int {
	steps, _ := align(a, b)
	return steps
}

// step is a pair of characters that stand for each other: true and read. One of
// them is missing where a character was left out or invented.
type step struct{ truth, read rune }

// missing is the character of a step that has none.
const missing = utf8.RuneError

// align lays a read beside the truth in the way that needs the fewest changes.
func align(truth, read string) (changes int, steps []step) {
	t, r := []rune(truth), []rune(read)
	// cost[i][j] is that of the first i true and the first j read ones.
	cost := make([][]int, len(t)+1)
	for i := range cost {
		cost[i] = make([]int, len(r)+1)
		cost[i][0] = i
	}
	for j := range len(r) + 1 {
		cost[0][j] = j
	}
	for i := 1; i <= len(t); i++ {
		for j := 1; j <= len(r); j++ {
			cost[i][j] = min(cost[i-1][j]+1, cost[i][j-1]+1, cost[i-1][j-1]+differ(t[i-1], r[j-1]))
		}
	}
	i, j := len(t), len(r)
	for i > 0 || j > 0 {
		switch {
		case i > 0 && j > 0 && cost[i][j] == cost[i-1][j-1]+differ(t[i-1], r[j-1]):
			i, j = i-1, j-1
			steps = append(steps, step{t[i], r[j]})
		case i > 0 && cost[i][j] == cost[i-1][j]+1:
			i--
			steps = append(steps, step{t[i], missing})
		default:
			j--
			steps = append(steps, step{missing, r[j]})
		}
	}
	for a, b := 0, len(steps)-1; a < b; a, b = a+1, b-1 {
		steps[a], steps[b] = steps[b], steps[a]
	}
	return cost[len(t)][len(r)], steps
}

func differ(a, b rune) int {
	if a == b {
		return 0
	}
	return 1
}

// on reports whether a read's box lies on a plate's: they share half of what they
// cover, or the centre of the read is on the plate.
func (b Box) on(plate Box) bool {
	w := max(0, min(b[0]+b[2], plate[0]+plate[2])-max(b[0], plate[0]))
	h := max(0, min(b[1]+b[3], plate[1]+plate[3])-max(b[1], plate[1]))
	shared := w * h
	if all := b[2]*b[3] + plate[2]*plate[3] - shared; all > 0 && shared/all >= 0.5 {
		return true
	}
	x, y := b[0]+b[2]/2, b[1]+b[3]/2
	return plate[0] <= x && x <= plate[0]+plate[2] && plate[1] <= y && y <= plate[1]+plate[3]
}

// rightCharacters says of each character of a read whether it is the truth's, O taken
// for 0 and I for 1; what was invented is not.
func rightCharacters(truth, read string) []bool {
	_, steps := align(fold(truth), fold(read))
	var right []bool
	for _, s := range steps {
		if s.read != missing {
			right = append(right, s.read == s.truth)
		}
	}
	return right
}
