package match

import (
	"strings"

	"nrd"
)

// LookAlikes are a profile's classes, ready to use.
type LookAlikes struct {
	// others are the look-alikes of each character.
	others [256]string
	most   int
}

// NewLookAlikes prepares a profile's classes.
func NewLookAlikes(p nrd.Profile) *LookAlikes {
	l := &LookAlikes{most: min(p.NearDifferences, 2)}
	for _, class := range p.LookAlikes {
		for i := range len(class) {
			for j := range len(class) {
				if c := class[i]; c != class[j] && !strings.Contains(l.others[c], class[j:j+1]) {
					l.others[c] += class[j : j+1]
				}
			}
		}
	}
	return l
}

// None says that the profile lets nothing match nearly.
func (l *LookAlikes) None() bool {
	for _, others := range l.others {
		if others != "" && l.most > 0 {
			return false
		}
	}
	return true
}

// Near gives every mark that has look-alikes in the place of as many characters as
// the profile allows, each once, those with fewest replaced first; not v itself.
func (l *LookAlikes) Near(v nrd.VRM) []nrd.VRM {
	var all []nrd.VRM
	for differences := 1; differences <= l.most; differences++ {
		all = l.replace(all, []byte(v), 0, differences)
	}
	return all
}

// replace adds the marks with exactly so many replacements at or after from.
func (l *LookAlikes) replace(all []nrd.VRM, mark []byte, from, replacements int) []nrd.VRM {
	if replacements == 0 {
		return append(all, nrd.VRM(mark))
	}
	for i := from; i < len(mark); i++ {
		was := mark[i]
		for _, other := range []byte(l.others[was]) {
			mark[i] = other
			all = l.replace(all, mark, i+1, replacements-1)
		}
		mark[i] = was
	}
	return all
}
