package nrd

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestRepairChoosesWhatThePositionsAllow(t *testing.T) {
	for _, c := range []struct {
		sentence  string
		raw, want VRM
		syntax    string
		repaired  bool
	}{
		{"a mark that is right stays", "AB12CDE", "AB12CDE", "current", false},
		{"0 and O are one glyph: the letter's place makes it O", "0B12CDE", "OB12CDE", "current", false},
		{"0 and O are one glyph: the digit's place makes it 0", "ABO2CDE", "AB02CDE", "current", false},
		{"1 and I are one glyph: the digit's place makes it 1", "ABI2CDE", "AB12CDE", "current", false},
		{"both at once", "ABIOCDO", "AB10CDO", "current", false},
		{"8 among letters was a B", "AB12C8E", "AB12CBE", "current", true},
		{"8 where a prefix mark has one stays", "A812CDE", "A812CDE", "prefix", false},
		{"B among digits was an 8", "AB1BCDE", "AB18CDE", "current", true},
		{"5 at a letter's place was an S", "5A12CDE", "SA12CDE", "current", true},
		{"S at a digit's place was a 5", "ABS2CDE", "AB52CDE", "current", true},
		{"Z at a digit's place was a 2", "ABZ2CDE", "AB22CDE", "current", true},
		{"G at a digit's place was a 6", "AB1GCDE", "AB16CDE", "current", true},
		{"4 at a letter's place was an A", "4B12CDE", "AB12CDE", "current", true},
		{"7 at a letter's place was a T", "AB12CD7", "AB12CDT", "current", true},
		{"two look-alikes are still repaired", "AB1ZC8E", "AB12CBE", "current", true},
		{"Q stands nowhere in a current mark", "QB12CDE", "OB12CDE", "current", true},
		{"a prefix mark's number", "AI23BCD", "A123BCD", "prefix", false},
		{"a suffix mark's number", "ABCI23D", "ABC123D", "suffix", false},
		{"a suffix mark is not made a current one", "ABC123D", "ABC123D", "suffix", false},
		{"Northern Ireland's I stays a letter", "AIZ1234", "AIZ1234", "northern ireland", false},
		{"and is made one", "A1Z1234", "AIZ1234", "northern ireland", false},
		{"a Slovak mark stays what it is", "BA123CD", "BA123CD", "", false},
		{"a mark with nothing British in it stays", "8858880X", "8858880X", "", false},
		{"a Q plate stays one", "Q123ABC", "Q123ABC", "q", false},
	} {
		got := Repair(c.raw, LookAlikes(c.raw), november2026)
		if got.VRM != c.want || got.Syntax != c.syntax || got.Repaired != c.repaired || got.Raw != c.raw {
			t.Errorf("%s: %s became %s (%q, repaired %v), want %s (%q, %v)",
				c.sentence, c.raw, got.VRM, got.Syntax, got.Repaired, c.want, c.syntax, c.repaired)
		}
	}
}

func TestRepairKeepsTheRawTextAmongTheAlternatives(t *testing.T) {
	got := Repair("AB12C8E", LookAlikes("AB12C8E"), november2026)
	found := false
	for _, a := range got.Alternatives {
		if a.VRM == got.VRM {
			t.Errorf("the chosen %s is also an alternative", a.VRM)
		}
		found = found || a.VRM == "AB12C8E"
	}
	if !found {
		t.Errorf("the raw text is not among %v", got.Alternatives)
	}
}

func TestTheSharesOfChosenAndAlternativesAreInOrderAndAtMostOne(t *testing.T) {
	got := Repair("O8I25BZ", LookAlikes("O8I25BZ"), november2026)
	sum, last := got.Share, got.Share
	for _, a := range got.Alternatives {
		if a.Share > last {
			t.Errorf("%s with %.3f stands after %.3f", a.VRM, a.Share, last)
		}
		last = a.Share
		sum += a.Share
	}
	if sum > 1.000001 || got.Share <= 0 {
		t.Errorf("the shares add up to %v, the first is %v", sum, got.Share)
	}
}

func TestAnAgeFieldThatHasNotBegunLosesToALookAlikeThatHas(t *testing.T) {
	// 80 begins in September 2030; no other digit looks like these two, so the
	// finding stands beside the mark.
	got := Repair("AB80CDE", LookAlikes("AB80CDE"), november2026)
	if got.VRM != "AB80CDE" || !got.FutureAge {
		t.Errorf("AB80CDE became %s, future age %v", got.VRM, got.FutureAge)
	}
	// A reader that wavers between 7 and 1 is decided by the calendar.
	wavers := func(position int, glyph byte) float64 {
		if position == 2 && (glyph == '7' || glyph == '1') {
			return map[byte]float64{'7': 0.5, '1': 0.9}[glyph]
		}
		return LookAlikes("AB78CDE")(position, glyph)
	}
	got = Repair("AB78CDE", wavers, november2026)
	if got.VRM != "AB18CDE" || got.FutureAge || !got.Repaired {
		t.Errorf("AB78CDE became %s, future age %v, repaired %v", got.VRM, got.FutureAge, got.Repaired)
	}
}

func TestRepairOfNothingIsNothing(t *testing.T) {
	if got := Repair("", LookAlikes(""), november2026); got.VRM != "" || got.Repaired {
		t.Errorf("nothing became %v", got)
	}
}

func TestAReaderThatRulesEverythingOutKeepsItsText(t *testing.T) {
	never := func(int, byte) float64 { return math.Inf(1) }
	if got := Repair("AB12CDE", never, november2026); got.VRM != "AB12CDE" || got.Share != 1 {
		t.Errorf("got %v", got)
	}
}

func TestTheLikeliestMarksOfALayoutAreThoseThatTryingAllOfThemFinds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		var table [3][len(glyphs)]float64
		for i := range table {
			for g := range table[i] {
				table[i][g] = 8 * random.Float64()
			}
		}
		offers := offered(3, func(position int, glyph byte) float64 { return table[position][strings.IndexByte(glyphs, glyph)] })
		for i := range layouts {
			l := &layouts[i]
			if len(l.Positions) != 3 {
				continue
			}
			var all []weighedCandidate
			for n := range len(glyphs) * len(glyphs) * len(glyphs) {
				a, b, c := n%len(glyphs), n/len(glyphs)%len(glyphs), n/len(glyphs)/len(glyphs)
				if v := VRM([]byte{glyphs[a], glyphs[b], glyphs[c]}); l.Matches(v) {
					all = append(all, weighedCandidate{Candidate{VRM: v}, table[0][a] + table[1][b] + table[2][c]})
				}
			}
			slices.SortFunc(all, func(a, b weighedCandidate) int { return cmp.Compare(a.cost, b.cost) })
			got := l.cheapest(offers, november2026)
			if len(got) != min(maxCandidates, len(all)) {
				t.Fatalf("%s: %d marks, want %d of %d", l.Shape, len(got), maxCandidates, len(all))
			}
			for k := range got {
				if got[k].VRM != all[k].VRM {
					t.Errorf("%s: mark %d is %s, want %s", l.Shape, k, got[k].VRM, all[k].VRM)
				}
			}
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, s := range []string{"AB12CDE", "A812CDE", "0O0O0O0", "MANI234", "", "Q", "8B8B8B8B8B8B8B8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := ParseVRM(s)
		if err != nil {
			return
		}
		got := Repair(raw, LookAlikes(raw), november2026)
		if len(got.VRM) != len(raw) || got.Raw != raw {
			t.Fatalf("%s became %s", raw, got.VRM)
		}
		if got.Repaired && got.VRM == raw {
			t.Errorf("%s is called repaired but is the raw text", raw)
		}
		if got.Syntax != "" && len(MatchSyntax(got.VRM, november2026)) == 0 {
			t.Errorf("%s became %s, which is no %s mark", raw, got.VRM, got.Syntax)
		}
	})
}

func BenchmarkRepair(b *testing.B) {
	for b.Loop() {
		Repair("A81ZCDE", LookAlikes("A81ZCDE"), november2026)
	}
}

// A reader that holds every glyph possible everywhere.
func BenchmarkRepairOfAnUnsureRead(b *testing.B) {
	cost := func(position int, glyph byte) float64 { return 1 + float64((int(glyph)*7+position*13)%36)/4 }
	for b.Loop() {
		Repair("A81ZCDE", cost, november2026)
	}
}

func BenchmarkMatchSyntax(b *testing.B) {
	for b.Loop() {
		MatchSyntax("AB12CDE", november2026)
	}
}
