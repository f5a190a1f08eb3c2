package capture

import (
	"cmp"
	"strings"
)

// naturalOrder compares names as people count: a run of digits by its value, the
// rest letter by letter, so frame2 comes before frame10.
func naturalOrder(a, b string) int {
	restA, restB := a, b
	for restA != "" && restB != "" {
		var partA, partB string
		partA, restA = firstRun(restA)
		partB, restB = firstRun(restB)
		if c := compareRuns(partA, partB); c != 0 {
			return c
		}
	}
	// Names that differ in leading zeros only, or where one ends first.
	return cmp.Or(cmp.Compare(len(restA), len(restB)), strings.Compare(a, b))
}

// firstRun cuts off the first byte, or all digits if it is one.
func firstRun(s string) (run, rest string) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	n = max(n, 1)
	return s[:n], s[n:]
}

func compareRuns(a, b string) int {
	if !isDigit(a[0]) || !isDigit(b[0]) {
		return strings.Compare(a, b)
	}
	// By value, of any length: without leading zeros the longer is the larger.
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
