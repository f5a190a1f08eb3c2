package recognise

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// written makes the logits of a network that is quite sure of text, each glyph
// on width frames with a blank between.
func written(text string, width int, sure float32) []float32 {
	var shown []int
	for i := range len(text) {
		shown = append(shown, 0)
		for range width {
			shown = append(shown, index(text[i])+1)
		}
	}
	for len(shown) < 32 {
		shown = append(shown, 0)
	}
	logits := make([]float32, classes*len(shown))
	for t, k := range shown {
		logits[k*len(shown)+t] = sure
	}
	return logits
}

func TestAClearTextIsReadAsItStands(t *testing.T) {
	for _, text := range []string{"AB12CDE", "AA11AAA", "A1", "B00BBB", "1234567890ABCDE"} {
		got := decode(written(text, 1, 12))
		if len(got) == 0 || got[0].Text != text {
			t.Fatalf("%s was read as %+v", text, got)
		}
		if got[0].Weight < 0.95 {
			t.Errorf("%s: weight %.3f of a clear text", text, got[0].Weight)
		}
		for i, row := range got[0].Probabilities {
			if p := row[index(text[i])]; p < 0.95 {
				t.Errorf("%s: glyph %d has probability %.3f", text, i, p)
			}
		}
	}
}

func TestFramesWithoutAGlyphAreNoText(t *testing.T) {
	if got := decode(written("", 1, 12)); len(got) != 0 {
		t.Fatalf("blank frames were read as %q with weight %.3f", got[0].Text, got[0].Weight)
	}
}

func TestADoubtfulGlyphShowsBothPossibilities(t *testing.T) {
	logits := written("AB12CDE", 1, 12)
	frames := len(logits) / classes
	// The second glyph stands in frame 3: let an 8 be nearly as likely.
	logits[(index('8')+1)*frames+3] = 11
	got := decode(logits)
	b, eight := got[0].Probabilities[1][index('B')], got[0].Probabilities[1][index('8')]
	want := 1 / (1 + math.Exp(-1))
	if math.Abs(float64(b)-want) > 0.02 || math.Abs(float64(eight)-(1-want)) > 0.02 {
		t.Errorf("B %.3f and 8 %.3f, want %.3f and %.3f", b, eight, want, 1-want)
	}
}

func TestADoubtfulCharacterMakesTwoLengths(t *testing.T) {
	logits := written("AB12CDE", 1, 12)
	frames := len(logits) / classes
	logits[0*frames+1] = 12 // the first glyph may be a bolt head
	got := decode(logits)
	if len(got) != 2 || len(got[0].Text)+len(got[1].Text) != 13 {
		t.Fatalf("want readings of 6 and 7 characters, got %+v", got)
	}
	for _, g := range got {
		if math.Abs(g.Weight-0.5) > 0.05 {
			t.Errorf("%s has weight %.2f, want about a half", g.Text, g.Weight)
		}
	}
}

// TestTheDecoderAgreesWithCountingEveryPath adds up all 4^6 ways through six
// frames of four classes by hand.
func TestTheDecoderAgreesWithCountingEveryPath(t *testing.T) {
	const steps, used = 6, 4
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		frames := make([]frame, steps)
		for i := range frames {
			sum := 0.0
			for k := range used {
				frames[i][k] = 0.05 + rng.Float64()
				sum += frames[i][k]
			}
			for k := range used {
				frames[i][k] /= sum
			}
		}
		texts := everyPath(frames, used)
		for text, want := range texts {
			if got := likelihood(frames, []uint8(text)); math.Abs(got-want) > 1e-12 {
				t.Fatalf("likelihood of %v: %g, counted %g", []uint8(text), got, want)
			}
		}
		text := []uint8{1, 2, 2}
		before, after := forward(frames, text), backward(frames, text)
		for i := range text {
			for k := uint8(1); k < used; k++ {
				other := []uint8(string(text))
				other[i] = k
				if got, want := substitute(frames, text, i, k, before, after), texts[string(other)]; math.Abs(got-want) > 1e-12 {
					t.Fatalf("%v: %g, counted %g", other, got, want)
				}
			}
		}
	}
}

// everyPath gives the probability of each text by walking every path.
func everyPath(frames []frame, used int) map[string]float64 {
	texts := map[string]float64{}
	var walk func(step int, text []uint8, last uint8, p float64)
	walk = func(step int, text []uint8, last uint8, p float64) {
		if step == len(frames) {
			texts[string(text)] += p
			return
		}
		for k := range uint8(used) {
			t := text
			if k != 0 && k != last {
				t = append([]uint8(string(text)), k)
			}
			walk(step+1, t, k, p*frames[step][k])
		}
	}
	walk(0, nil, 0, 1)
	return texts
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte(strings.Repeat("\x00", 37*4)))
	f.Add([]byte(strings.Repeat("\xff\xff\xff\x7f\x00\x00\x80\xff", 37*16)))
	f.Add([]byte(strings.Repeat("AB12 CDE", 37*32)))
	f.Fuzz(func(t *testing.T, data []byte) {
		logits := make([]float32, len(data)/4)
		for i := range logits {
			logits[i] = math.Float32frombits(uint32(data[4*i]) | uint32(data[4*i+1])<<8 | uint32(data[4*i+2])<<16 | uint32(data[4*i+3])<<24)
		}
		weight := 0.0
		for _, g := range decode(logits) {
			weight += g.Weight
			if len(g.Text) == 0 || len(g.Text) > maxText || len(g.Probabilities) != len(g.Text) {
				t.Fatalf("text %q with %d rows", g.Text, len(g.Probabilities))
			}
			for _, row := range g.Probabilities {
				sum := 0.0
				for _, p := range row {
					if p < 0 || p > 1 || p != p {
						t.Fatalf("probability %g", p)
					}
					sum += float64(p)
				}
				if sum > 1.001 {
					t.Fatalf("a row adds up to %g", sum)
				}
			}
		}
		if weight > 1.001 || weight != weight {
			t.Fatalf("weights add up to %g", weight)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	logits := written("AB12CDE", 2, 6)
	for b.Loop() {
		decode(logits)
	}
}
