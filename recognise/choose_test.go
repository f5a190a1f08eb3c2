package recognise

import (
	"slices"
	"testing"
	"time"

	"nrd"
)

// doubt makes a look where position i may also be glyph g, with probability p.
func doubt(text string, i int, g byte, p float32) Glyphs {
	look := seen(text, 0.995)
	look.Probabilities[i][index(text[i])] -= p
	look.Probabilities[i][index(g)] += p
	return look
}

func TestTheSyntaxIsAPriorAndNeverForces(t *testing.T) {
	for _, c := range []struct {
		name     string
		look     []Glyphs
		want     nrd.VRM
		syntax   string
		repaired bool
	}{
		{"a clear mark stays", []Glyphs{seen("AB12CDE", 0.99)}, "AB12CDE", "current", false},
		{"a zero in a letter's place is an O without repair", []Glyphs{seen("AO12CD0", 0.99)}, "AO12CDO", "current", false},
		{"an I in a digit's place is a 1", []Glyphs{seen("ABI2CDE", 0.99)}, "AB12CDE", "current", false},
		{"a doubtful 8 becomes the B that the layout asks for", []Glyphs{doubt("A812CDE", 1, 'B', 0.35)}, "AB12CDE", "current", true},
		{"a clear foreign mark passes", []Glyphs{seen("62JLH6", 0.999)}, "62JLH6", "", false},
		{"a clear foreign mark that is nearly a British one passes", []Glyphs{doubt("RK641AL", 4, 'J', 0.001)}, "RK641AL", "", false},
		{"a clear long foreign mark passes", []Glyphs{seen("BAB4711XY", 0.999)}, "BAB4711XY", "", false},
		{"a personal mark passes", []Glyphs{seen("A1", 0.98)}, "A1", "dateless", false},
		{"Northern Ireland", []Glyphs{seen("GIZ1234", 0.98)}, "GIZ1234", "northern ireland", false},
		{"a bolt that was read as a letter goes", []Glyphs{with(seen("TAB12CDE", 0.95), 0.6), with(seen("AB12CDE", 0.95), 0.35)}, "AB12CDE", "current", true},
		{"of two lengths of a foreign mark the likelier", []Glyphs{with(seen("AB4711XY", 0.99), 0.3), with(seen("BAB4711XY", 0.99), 0.6)}, "BAB4711XY", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			read, ok := choose(c.look, today.Now())
			if !ok || read.VRM != c.want || read.Syntax != c.syntax || read.Repaired != c.repaired {
				t.Errorf("got %s (%q, repaired %t), want %s (%q, repaired %t); all: %+v", read.VRM, read.Syntax, read.Repaired, c.want, c.syntax, c.repaired, read)
			}
		})
	}
}

func TestAWordIsNoMarkOrAnUnsureOne(t *testing.T) {
	if read, _ := choose([]Glyphs{seen("SCHOOL", 0.99)}, today.Now()); read.Confidence >= 50 {
		t.Errorf("a word is read with confidence %d", read.Confidence)
	}
	for _, word := range []string{"SK", "KIA", "BUS", "FISHCHIPS1", "ELECTRIC42"} {
		if read, ok := choose([]Glyphs{seen(word, 0.98)}, today.Now()); ok && read.Confidence >= DefaultLeastConfidence {
			t.Errorf("%s is read with confidence %d", word, read.Confidence)
		}
	}
	for _, mark := range []string{"62JLH6", "ABCDE123", "BAKERS7"} {
		if read, _ := choose([]Glyphs{seen(mark, 0.9)}, today.Now()); read.Confidence < DefaultLeastConfidence {
			t.Errorf("%s, a foreign mark, has confidence %d", mark, read.Confidence)
		}
	}
}

func with(g Glyphs, weight float64) Glyphs {
	g.Weight = weight
	return g
}

func TestARepairedReadKeepsWhatWasSeen(t *testing.T) {
	read, _ := choose([]Glyphs{doubt("A812CDE", 1, 'B', 0.35)}, today.Now())
	if read.Raw != "A812CDE" {
		t.Errorf("raw is %s", read.Raw)
	}
	if !slices.ContainsFunc(read.Alternatives, func(a nrd.Alternative) bool { return a.VRM == "A812CDE" }) {
		t.Errorf("what was seen is not among the alternatives: %+v", read.Alternatives)
	}
	if !slices.IsSortedFunc(read.Alternatives, func(a, b nrd.Alternative) int { return b.Confidence - a.Confidence }) {
		t.Errorf("the alternatives are not ordered: %+v", read.Alternatives)
	}
}

func TestAFutureAgeFieldGivesWayToALikelyOne(t *testing.T) {
	look := doubt("AB86CDE", 2, '6', 0.1) // 66 has begun, 86 has not
	if read, _ := choose([]Glyphs{look}, today.Now()); read.VRM != "AB66CDE" {
		t.Errorf("in 2026 it is %s", read.VRM)
	}
	in2040 := time.Date(2040, 1, 1, 0, 0, 0, 0, time.UTC)
	if read, _ := choose([]Glyphs{look}, in2040); read.VRM != "AB86CDE" {
		t.Errorf("in 2040 it is %s", read.VRM)
	}
	if read, _ := choose([]Glyphs{seen("AB86CDE", 0.9999)}, today.Now()); read.VRM != "AB86CDE" {
		t.Errorf("a clear false plate was made %s", read.VRM)
	}
}

func TestConfidenceFallsWithDoubt(t *testing.T) {
	last := 101
	for _, sure := range []float64{0.999, 0.98, 0.9, 0.8, 0.6, 0.4, 0.2} {
		read, ok := choose([]Glyphs{seen("AB12CDE", sure)}, today.Now())
		if !ok || read.Confidence >= last {
			t.Errorf("confidence %d when each glyph is %.3f sure, %d when it is surer", read.Confidence, sure, last)
		}
		last = read.Confidence
	}
	if last > 5 {
		t.Errorf("confidence %d of a guess", last)
	}
	plain, _ := choose([]Glyphs{seen("AB12CDE", 0.99)}, today.Now())
	faint, _ := choose([]Glyphs{with(seen("AB12CDE", 0.99), 0.4)}, today.Now())
	if faint.Confidence >= plain.Confidence {
		t.Errorf("confidence %d although most of the frames show nothing, %d of a clear plate", faint.Confidence, plain.Confidence)
	}
}

func TestNothingSeenIsNoRead(t *testing.T) {
	if read, ok := choose(nil, today.Now()); ok {
		t.Errorf("read %+v", read)
	}
}

func FuzzChoose(f *testing.F) {
	f.Add("AB12CDE", 0.9, 1.0)
	f.Add("0", 0.0, 0.0)
	f.Add("OIOIOIOIOIOIOIO", 1.0, 0.5)
	f.Fuzz(func(t *testing.T, text string, sure, weight float64) {
		vrm, err := nrd.ParseVRM(text)
		if err != nil || !(sure >= 0 && sure <= 1) || !(weight >= 0 && weight <= 1) {
			t.Skip()
		}
		read, ok := choose([]Glyphs{with(seen(string(vrm), sure), weight)}, today.Now())
		if !ok {
			return
		}
		if _, err := nrd.ParseVRM(string(read.VRM)); err != nil || len(read.VRM) != len(vrm) {
			t.Errorf("%q was made %q", vrm, read.VRM)
		}
		if read.Confidence < 0 || read.Confidence > 100 || len(read.Characters) != len(read.VRM) {
			t.Errorf("%+v", read)
		}
	})
}

func TestAMakersBadgeIsHardlyAMark(t *testing.T) {
	for text, atMost := range map[string]int{"YAMAHA": 5, "FORD": 5, "GWAGEN": 40} {
		read, ok := choose([]Glyphs{seen(text, 0.99)}, today.Now())
		if !ok || read.Confidence > atMost || (text == "GWAGEN" && read.Confidence < 25) {
			t.Errorf("%s is read as %s with a confidence of %d", text, read.VRM, read.Confidence)
		}
	}
}
