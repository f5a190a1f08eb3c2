package nrd

import (
	"math"
	"strings"
	"testing"
	"time"
)

var november2026 = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func TestEachMarkFollowsTheSyntaxThatAPersonWouldName(t *testing.T) {
	for _, c := range []struct{ mark, name, shape string }{
		{"AB12CDE", "current", "LLNNLLL"},
		{"AB12ZZZ", "current", "LLNNLLL"}, // Z may stand in the last three
		{"A1BCD", "prefix", "LNLLL"},
		{"A12BCD", "prefix", "LNNLLL"},
		{"Y999BCD", "prefix", "LNNNLLL"},
		{"Q1ABC", "q", "QNLLL"},
		{"Q123ABC", "q", "QNNNLLL"},
		{"ABC1D", "suffix", "LLLNL"},
		{"ABC123Y", "suffix", "LLLNNNL"},
		{"A1", "dateless", "LN"},
		{"A1234", "dateless", "LNNNN"},
		{"AB1234", "dateless", "LLNNNN"},
		{"ABC123", "dateless", "LLLNNN"},
		{"1A", "dateless", "NL"},
		{"1234AB", "dateless", "NNNNLL"},
		{"1ABC", "dateless", "NLLL"},
		{"123ABC", "dateless", "NNNLLL"},
		{"ABC1234", "dateless", "LLLNNNN"},
		{"AZ1234", "northern ireland", "LLNNNN"},
		{"IA1", "northern ireland", "LLN"},
		{"AIZ1234", "northern ireland", "LLLNNNN"},
		{"ABZ12", "northern ireland", "LLLNN"},
		{"1234AZ", "northern ireland", "NNNNLL"},
		{"1234AIB", "northern ireland", "NNNNLLL"},
		{"MAN1234", "isle of man", "MANNNNN"},
		{"MAN123A", "isle of man", "MANNNNL"},
		{"1234MAN", "isle of man", "NNNNMAN"},
		{"A123MAN", "isle of man", "LNNNMAN"},
		{"123D456", "diplomatic", "NNNDNNN"},
		{"123X456", "diplomatic", "NNNXNNN"},
		{"12AB34", "military", "NNLLNN"},
		{"AB12CD", "military", "LLNNLL"},
		{"123IQA", "trade", "NNNLLL"},
		{"J123456", "jersey", "JNNNNNN"},
		{"J1", "jersey", "JN"},
		{"12345", "guernsey", "NNNNN"},
		{"7", "guernsey", "N"},
		{"G1234A", "gibraltar", "GNNNNL"},
	} {
		matches := MatchSyntax(VRM(c.mark), november2026)
		if len(matches) == 0 {
			t.Errorf("%s follows no syntax, want %s", c.mark, c.name)
			continue
		}
		if m := matches[0]; m.Name != c.name || m.Shape != c.shape {
			t.Errorf("%s is %s %s, want %s %s", c.mark, m.Name, m.Shape, c.name, c.shape)
		}
	}
}

func TestNoSyntaxIsNamedForAMarkThatWasNeverIssued(t *testing.T) {
	for _, c := range []struct{ mark, why string }{
		{"AI12CDE", "I in the first two of a current mark"},
		{"QB12CDE", "Q in the first two of a current mark"},
		{"ZB12CDE", "Z in the first two of a current mark"},
		{"AB12CDI", "I in the last three of a current mark"},
		{"AB12QDE", "Q in the last three of a current mark"},
		{"I123BCD", "I is no year letter"},
		{"O123BCD", "O is no year letter"},
		{"U123BCD", "U is no year letter"},
		{"Z123BCD", "Z is no year letter"},
		{"A012BCD", "a number group with a leading zero"},
		{"A0BCD", "a number group that is zero"},
		{"ABC012D", "a number group with a leading zero"},
		{"J0123", "a Jersey mark with a leading zero"},
		{"01234", "digits with a leading zero"},
		{"123D056", "a diplomatic mark with a leading zero"},
		{"BA123CD", "a Slovak mark"},
		{"WXY12345", "a mark that is too long"},
		{"ABCDEFG", "letters alone"},
	} {
		if m := MatchSyntax(VRM(c.mark), november2026); len(m) != 0 {
			t.Errorf("%s (%s) is taken for %s", c.mark, c.why, m[0].Name)
		}
	}
}

func TestAMarkThatFollowsSeveralSyntaxesNamesEachOnceMostSpecificFirst(t *testing.T) {
	var names []string
	for _, m := range MatchSyntax("J123", november2026) {
		names = append(names, m.Name)
	}
	if got := strings.Join(names, ", "); got != "jersey, dateless" {
		t.Errorf("J123 follows %q, want jersey, dateless", got)
	}
}

func TestTheAgeOfAMarkIsTheYearOfItsFirstIssue(t *testing.T) {
	for mark, year := range map[VRM]int{
		"AB02CDE": 2002, "AB51CDE": 2001, "AB26CDE": 2026, "AB76CDE": 2026, "AB49CDE": 2049, "AB99CDE": 2049,
		"A123BCD": 1983, "T1BCD": 1999, "Y123BCD": 2001, "ABC123A": 1963, "ABC123Y": 1982,
		"ABC123": 0, "Q123ABC": 0, "AZ1234": 0,
	} {
		if got := MatchSyntax(mark, november2026)[0].Year; got != year {
			t.Errorf("%s was first issued in %d, want %d", mark, got, year)
		}
	}
}

func TestAnAgeFieldThatHasNotBegunIsAFindingAndNotARefusal(t *testing.T) {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		mark   VRM
		now    time.Time
		future bool
	}{
		{"AB26CDE", november2026, false},
		{"AB76CDE", november2026, false},
		{"AB27CDE", november2026, true},
		{"AB77CDE", november2026, true},
		{"AB27CDE", day(2027, time.February, 28), true},
		{"AB27CDE", day(2027, time.March, 1), false},
		{"AB77CDE", day(2027, time.August, 31), true},
		{"AB77CDE", day(2027, time.September, 1), false},
		{"AB00CDE", november2026, true},
		{"AB01CDE", november2026, true},
		{"AB50CDE", november2026, true},
		{"ABC123", november2026, false},
	} {
		matches := MatchSyntax(c.mark, c.now)
		if len(matches) == 0 {
			t.Errorf("%s was refused", c.mark)
		} else if matches[0].FutureAge != c.future {
			t.Errorf("%s on %s: future age %v, want %v", c.mark, c.now.Format(time.DateOnly), matches[0].FutureAge, c.future)
		}
	}
}

func TestThePriorsOfAllLayoutsAndOfNoneAddUpToOne(t *testing.T) {
	sum := PriorNone
	for _, l := range Layouts() {
		if l.Prior <= 0 {
			t.Errorf("%s %s can never be", l.Name, l.Shape)
		}
		sum += l.Prior
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("the priors add up to %v", sum)
	}
}

func TestEachLayoutHasItsOwnMarks(t *testing.T) {
	// A search over layouts counts a mark twice where two layouts of one
	// syntax hold it.
	all := Layouts()
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.Name == b.Name && overlap(a, b) {
				t.Errorf("%s: %s %v and %s %v hold the same marks", a.Name, a.Shape, a.Positions, b.Shape, b.Positions)
			}
		}
	}
}

func overlap(a, b Layout) bool {
	if len(a.Positions) != len(b.Positions) {
		return false
	}
	for i := range a.Positions {
		if a.Positions[i]&b.Positions[i] == 0 {
			return false
		}
	}
	return true
}

func TestAClassHoldsExactlyItsGlyphs(t *testing.T) {
	c := NewClass("ZA09")
	if got := c.String(); got != "09AZ" {
		t.Errorf("the class lists %q", got)
	}
	if c.Has('B') || c.Has('a') || c.Has(' ') || !c.Has('Z') || !c.Has('0') {
		t.Error("the class holds the wrong glyphs")
	}
}

func FuzzMatchSyntax(f *testing.F) {
	for _, s := range []string{"AB12CDE", "A1", "MAN1234", "AB00CDE", "", "abc", "123D456", "\xff"} {
		f.Add(s, int64(1795435200))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		for _, m := range MatchSyntax(VRM(s), time.Unix(unix, 0)) {
			if len(m.Shape) != len(s) {
				t.Errorf("%q has the shape %s", s, m.Shape)
			}
			if _, err := ParseVRM(s); err != nil {
				t.Errorf("%q follows %s but is no VRM: %v", s, m.Name, err)
			}
			for i := range len(s) {
				if digit := s[i] >= '0' && s[i] <= '9'; digit != (m.Shape[i] == 'N' && !strings.Contains(s[i:i+1], "N")) {
					t.Errorf("%q does not look like %s", s, m.Shape)
				}
			}
		}
	})
}
