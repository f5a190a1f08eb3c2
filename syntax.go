package nrd

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Class is a set of glyphs that may stand at one position of a layout: bit 0 is
// the digit 0, bit 10 the letter A, bit 35 the letter Z.
type Class uint64

// NewClass makes a class of the digits and capitals in glyphs.
func NewClass(glyphs string) Class {
	var c Class
	for i := range len(glyphs) {
		if bit, ok := glyphBit(glyphs[i]); ok {
			c |= bit
		}
	}
	return c
}

// Has reports whether glyph, a digit or a capital, is in the class.
func (c Class) Has(glyph byte) bool {
	bit, ok := glyphBit(glyph)
	return ok && c&bit != 0
}

// String lists the class's glyphs, digits first.
func (c Class) String() string {
	var b strings.Builder
	for i := range len(glyphs) {
		if c&(1<<i) != 0 {
			b.WriteByte(glyphs[i])
		}
	}
	return b.String()
}

const (
	digits  = "0123456789"
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	glyphs  = digits + letters
)

func glyphBit(glyph byte) (Class, bool) {
	switch {
	case glyph >= '0' && glyph <= '9':
		return 1 << (glyph - '0'), true
	case glyph >= 'A' && glyph <= 'Z':
		return 1 << (10 + glyph - 'A'), true
	default:
		return 0, false
	}
}

// Layout is a syntax at one length: which glyphs may stand where. O and 0, and I
// and 1, are one glyph each on a British plate; only the position says which.
type Layout struct {
	// Name of the syntax: current, prefix, q, suffix, dateless, northern
	// ireland, isle of man, diplomatic, military, trade, jersey, guernsey or
	// gibraltar. Several layouts have the same name.
	Name string
	// Shape is the layout for a person: L a letter, N a digit, any other sign
	// itself. Q123ABC has the shape Q NNN LLL, written without the spaces.
	Shape string
	// Positions holds the glyphs allowed at each position.
	Positions []Class
	// Prior is the share of marks on British roads that have this layout: an
	// estimate. The priors of all layouts and [PriorNone] add up to 1. The
	// probability of one mark in it is Prior divided by [Layout.Marks].
	Prior float64
}

// Matches reports whether v has the layout.
func (l *Layout) Matches(v VRM) bool {
	if len(v) != len(l.Positions) {
		return false
	}
	for i, class := range l.Positions {
		if !class.Has(v[i]) {
			return false
		}
	}
	return true
}

// Marks is how many different marks the layout allows.
func (l *Layout) Marks() float64 {
	n := 1.0
	for _, class := range l.Positions {
		n *= float64(bits.OnesCount64(uint64(class)))
	}
	return n
}

// layouts is computed once from the table and never changes.
var layouts = compileSyntaxes(syntaxTable)

// Layouts gives every layout of the British syntaxes. The slices inside are
// shared: do not change them.
func Layouts() []Layout { return slices.Clone(layouts) }

// SyntaxMatch says that a mark follows a syntax.
type SyntaxMatch struct {
	// Name and Shape are the layout's.
	Name, Shape string
	// Year in which marks of this age field or year letter were first issued;
	// 0 where the syntax carries no age.
	Year int
	// FutureAge says that the age field names no period that has begun: a
	// misread or a false plate, and reported as that, never refused.
	FutureAge bool
}

// MatchSyntax gives the syntaxes that v follows, the most specific (the one that
// allows the fewest marks) first; none for a mark of no known syntax. now judges
// the age field of the current layout.
func MatchSyntax(v VRM, now time.Time) []SyntaxMatch {
	var found []*Layout
	for i := range layouts {
		if layouts[i].Matches(v) {
			found = append(found, &layouts[i])
		}
	}
	slices.SortStableFunc(found, func(a, b *Layout) int {
		return cmp.Compare(a.Marks(), b.Marks())
	})
	var matches []SyntaxMatch
	for _, l := range found {
		if !slices.ContainsFunc(matches, func(m SyntaxMatch) bool { return m.Name == l.Name }) {
			matches = append(matches, l.describe(v, now))
		}
	}
	return matches
}

func (l *Layout) describe(v VRM, now time.Time) SyntaxMatch {
	m := SyntaxMatch{Name: l.Name, Shape: l.Shape}
	switch l.Name {
	case "current":
		begins, ok := ageBegins(v)
		m.FutureAge = !ok || now.Before(begins)
		if ok {
			m.Year = begins.Year()
		}
	case "prefix":
		m.Year = prefixYears[v[0]]
	case "suffix":
		m.Year = suffixYears[v[len(v)-1]]
	}
	return m
}

// ageBegins gives the day on which the age field of a mark of the current layout
// began: 02 to 49 on 1 March 2002 to 2049, 51 to 99 on 1 September 2001 to 2049.
// 00, 01 and 50 name no period.
func ageBegins(v VRM) (time.Time, bool) {
	n := int(v[2]-'0')*10 + int(v[3]-'0')
	switch {
	case n >= 2 && n <= 49:
		return time.Date(2000+n, time.March, 1, 0, 0, 0, 0, time.UTC), true
	case n >= 51:
		return time.Date(2000+n-50, time.September, 1, 0, 0, 0, 0, time.UTC), true
	default:
		return time.Time{}, false
	}
}

// compileSyntaxes expands each row into layouts of one length. It panics on a
// row that cannot be read: the table is part of the program.
func compileSyntaxes(rows []syntaxRow) []Layout {
	var all []Layout
	for _, row := range rows {
		var ls []Layout
		sum := 0.0
		for _, signs := range expandPattern(row.pattern) {
			l := Layout{Name: row.name, Shape: shape(signs), Positions: positions(signs)}
			ls = append(ls, l)
			sum += math.Sqrt(l.Marks())
		}
		// Short marks are few, but each of them is cherished: the root of
		// their number lies between "as many" and "each length alike".
		for i := range ls {
			ls[i].Prior = row.prior * math.Sqrt(ls[i].Marks()) / sum
		}
		all = append(all, ls...)
	}
	return all
}

// expandPattern replaces the first {m,n} of a pattern by m to n repetitions, and
// then those that follow.
func expandPattern(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}
	}
	end := strings.IndexByte(pattern, '}')
	var least, most int
	if _, err := fmt.Sscanf(pattern[open:end+1], "{%d,%d}", &least, &most); err != nil {
		panic(fmt.Sprintf("syntax pattern %q: %v", pattern, err))
	}
	var all []string
	for n := least; n <= most; n++ {
		head := pattern[:open-1] + strings.Repeat(pattern[open-1:open], n)
		for _, tail := range expandPattern(pattern[end+1:]) {
			all = append(all, head+tail)
		}
	}
	return all
}

func positions(signs string) []Class {
	classes := make([]Class, len(signs))
	for i := range len(signs) {
		switch sign := signs[i]; sign {
		case '0':
			classes[i] = NewClass(digits)
		case '#':
			classes[i] = NewClass(digits)
			if i == 0 || signs[i-1] != '#' {
				classes[i] &^= NewClass("0")
			}
		case 'a':
			classes[i] = NewClass(letters)
		case 'j':
			classes[i] = NewClass(letters) &^ NewClass("Q")
		case 's':
			classes[i] = NewClass(letters) &^ NewClass("IQ")
		case 'l':
			classes[i] = NewClass(letters) &^ NewClass("IQZ")
		case 'y':
			classes[i] = NewClass(letters) &^ NewClass("IOQUZ")
		case 'i':
			classes[i] = NewClass("IZ")
		default:
			classes[i] = NewClass(string(sign))
		}
		if classes[i] == 0 {
			panic(fmt.Sprintf("syntax pattern %q: the sign %q has no meaning", signs, signs[i]))
		}
	}
	return classes
}

func shape(signs string) string {
	return strings.Map(func(sign rune) rune {
		switch {
		case sign == '0' || sign == '#':
			return 'N'
		case sign >= 'a' && sign <= 'z':
			return 'L'
		default:
			return sign
		}
	}, signs)
}
