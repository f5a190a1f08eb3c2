package evaluate

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// plates is the folder of the measuring photographs, which is not part of the
// repository.
const plates = "../../../shared/plates"

func needPlates(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(plates); err != nil {
		t.Skipf("the measuring photographs are not here: %v", err)
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Fatal("the scorer of the measuring photographs needs python3")
	}
}

// prediction is a line of another system's reads.
type prediction struct {
	File  string `json:"file"`
	Reads []struct {
		Plate      string     `json:"plate"`
		Confidence float64    `json:"confidence"`
		Box        [4]float64 `json:"box"`
	} `json:"reads"`
}

func predictions(t *testing.T, path string) map[string][]read {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	out := map[string][]read{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var p prediction
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Reads {
			if text := clean(r.Plate); text != "" {
				out[p.File] = append(out[p.File], read{text: text, confidence: r.Confidence, box: r.Box})
			}
		}
		slices.SortStableFunc(out[p.File], func(a, b read) int { return cmp.Compare(b.confidence, a.confidence) })
	}
	return out
}

func clean(s string) string {
	return regexp.MustCompile(`[^A-Z0-9]`).ReplaceAllString(strings.ToUpper(s), "")
}

// TestTheFiguresAreThoseOfTheScorer compares with score.py what seven systems
// read on the measuring photographs.
func TestTheFiguresAreThoseOfTheScorer(t *testing.T) {
	needPlates(t)
	truth, err := ReadTruth(plates + "/dev/truth.csv")
	if err != nil {
		t.Fatal(err)
	}
	peers, err := filepath.Glob(plates + "/peers/*.jsonl")
	if err != nil || len(peers) == 0 {
		t.Fatalf("%d peers, %v", len(peers), err)
	}
	for _, peer := range peers {
		for _, region := range []string{"", "gb", "eu", "none"} {
			t.Run(filepath.Base(peer)+" "+region, func(t *testing.T) {
				read := predictions(t, peer)
				s := newScore(nil)
				for _, one := range truth {
					if region == "" || one.Columns["region"] == region {
						s.photograph(footage{Truth: one}, read[one.File])
					}
				}
				got := s.finish().Photographs
				args := []string{plates + "/score.py", plates + "/dev/truth.csv", peer, "--json"}
				if region != "" {
					args = append(args, "--where", "region="+region)
				}
				var want map[string]any
				out, err := exec.Command("python3", args...).Output()
				if err != nil {
					t.Fatal(err)
				}
				if err := json.Unmarshal(out, &want); err != nil {
					t.Fatal(err)
				}
				for field, value := range map[string]any{
					"images": float64(got.Count), "plates": float64(got.Plates), "images_with_plate": float64(got.TopExact.Of),
					"top1": quotient(got.TopExact), "top1_norm": quotient(got.TopRight),
					"plate_exact": quotient(got.PlatesExact), "plate_exact_norm": quotient(got.PlatesRight),
					"false_per_img":      quotient(Share{got.FalseReads.Count, got.FalseReads.Of}),
					"false_norm_per_img": quotient(Share{got.FalseReadsFolded.Count, got.FalseReadsFolded.Of}),
					"neg_images":         float64(got.WithoutPlateRead.Of), "neg_with_read": float64(got.WithoutPlateRead.Count),
				} {
					if fmt.Sprint(want[field]) != fmt.Sprint(value) {
						t.Errorf("%s is %v, the scorer says %v", field, value, want[field])
					}
				}
			})
		}
	}
}

// quotient is a share as the scorer prints it: to four digits, None of nothing.
func quotient(s Share) any {
	if s.Of == 0 {
		return nil
	}
	return round(float64(s.Count)/float64(s.Of), 4)
}

// TestTheFiguresOfClipsAreThoseOfTheScorer compares with score_clips.py what
// might be read in clips: right, a little wrong, doubled, invented, nothing.
func TestTheFiguresOfClipsAreThoseOfTheScorer(t *testing.T) {
	needPlates(t)
	truth, err := ReadTruth(plates + "/dev/video.csv")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := newScore(nil)
		var lines strings.Builder
		for _, one := range truth {
			var passages []read
			for _, plate := range one.Plates {
				for range rng.IntN(3) {
					text := []byte(plate.VRM)
					for range rng.IntN(4) {
						text[rng.IntN(len(text))] = "01OI8BXZ"[rng.IntN(8)]
					}
					passages = append(passages, read{text: string(text), confidence: 80})
				}
			}
			rng.Shuffle(len(passages), func(i, j int) { passages[i], passages[j] = passages[j], passages[i] })
			for _, p := range passages {
				fmt.Fprintf(&lines, "{\"file\": \"dev/video/%s\", \"plate\": \"%s\", \"confidence\": 80}\n", one.File, p.text)
			}
			s.clip(footage{Truth: one, clip: true}, passages)
		}
		told := filepath.Join(t.TempDir(), "predictions.jsonl")
		if err := os.WriteFile(told, []byte(lines.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		want, err := exec.Command("python3", plates+"/score_clips.py", plates+"/dev/video.csv", told).Output()
		if err != nil {
			t.Fatal(err)
		}
		c := s.finish().Clips
		got := fmt.Sprintf("plates %d  captured %d  right %d  extra passages %d\n", c.Plates, c.Captured.Count, c.Right.Count, c.Extra.Count)
		if got != string(want) {
			t.Errorf("seed %d: %s, the scorer says %s", seed, got, want)
		}
	}
}

// one is a photograph with the plate AB12CDE 100 px wide.
func one() footage {
	return footage{light: "day", Truth: &Truth{File: "a/1.jpg", Plates: []Plate{{VRM: "AB12CDE", Box: &Box{100, 100, 100, 22}}}}}
}

func TestAPlateIsCapturedWhereItWasReadAndRightWhereItSaysTheSame(t *testing.T) {
	on, off := Box{102, 101, 96, 20}, Box{500, 100, 100, 22}
	for name, c := range map[string]struct {
		reads                  []read
		captured, right, exact bool
		wrong                  int
	}{
		"nothing":                    {nil, false, false, false, 0},
		"the same":                   {[]read{{text: "AB12CDE", confidence: 90, box: on}}, true, true, true, 0},
		"O for 0 and I for 1":        {[]read{{text: "ABI2CDE", confidence: 90, box: on}}, true, true, false, 0},
		"something else in place":    {[]read{{text: "X1", confidence: 90, box: on}}, true, false, false, 1},
		"something else elsewhere":   {[]read{{text: "AB12CDF", confidence: 90, box: off}}, false, false, false, 1},
		"the right one is not first": {[]read{{text: "X1", confidence: 90, box: on}, {text: "AB12CDE", confidence: 50, box: on}}, true, true, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScore(nil)
			s.photograph(one(), c.reads)
			r := s.finish()
			o := r.Plates[0]
			if o.Captured != c.captured || o.Right != c.right || o.Exact != c.exact || len(r.FalseReads) != c.wrong {
				t.Errorf("%+v, %d false reads", o, len(r.FalseReads))
			}
		})
	}
}

func TestAPlateWithoutABoxIsCapturedByAReadThatIsNearlyTheSame(t *testing.T) {
	for text, captured := range map[string]bool{"AB12CDF": true, "AB12CFF": true, "AB12FFF": false} {
		s := newScore(nil)
		f := one()
		f.Plates[0].Box = nil
		s.photograph(f, []read{{text: text, confidence: 90}})
		if got := s.finish().Plates[0].Captured; got != captured {
			t.Errorf("%s: captured is %v", text, got)
		}
	}
}

func TestPlatesAreToldApartBySyntaxWidthLightSourceAndAnyColumn(t *testing.T) {
	s := newScore([]string{"category", "light"})
	night := one()
	night.Columns = map[string]string{"light": "night", "source": "M5", "category": "rain"}
	night.Plates[0].Columns = night.Columns
	night.Plates[0].Box = nil
	s.photograph(night, nil)
	s.photograph(one(), []read{{text: "AB12CDE", confidence: 90}, {text: "X1", confidence: 20}})
	foreign := one()
	foreign.Plates[0].Columns = map[string]string{"region": "eu"}
	s.photograph(foreign, nil)
	got := map[string]int{}
	for _, g := range s.finish().Groups {
		for _, r := range g.Rows {
			got[g.By+"="+r.Value] = r.Plates
			if g.By == "light" && r.Value == "day" && (r.FalseReads.Count != 1 || r.FalseReads.Of != 2 || r.Read.Count != 1) {
				t.Errorf("by day %+v", r)
			}
		}
	}
	want := map[string]int{
		"syntax=current": 2, "syntax=not British": 1, "width=unknown": 1, "width=90 to 129 px": 2,
		"light=night": 1, "light=day": 2, "source=M5": 1, "source=a": 2, "category=rain": 1, "category=unknown": 2,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("groups %v, want %v", got, want)
	}
}

func TestCharactersAreConfusedAsTheyStandForEachOther(t *testing.T) {
	var c confusions
	c.add("AB12CDE", "A812CDE")  // B read as 8
	c.add("AB12CDE", "AB12CD")   // E left out
	c.add("AB12CDE", "AAB12CDE") // A invented
	c.add("AB10CDE", "ABIOCDE")  // twins are no error
	got := c.finish()
	want := "[{ A 1} {B 8 1} {E  1}]"
	if fmt.Sprint(got.Pairs) != want || got.Wrong != (Share{3, 29}) {
		t.Errorf("%v of %+v, want %s", got.Pairs, got.Wrong, want)
	}
	if fmt.Sprint(got.Twins) != "[{0 O 1} {1 I 1}]" {
		t.Errorf("twins %v", got.Twins)
	}
}

func TestReliabilityComparesConfidenceWithWhatIsRight(t *testing.T) {
	var r calibration
	for i := range 10 {
		r.add(95, i > 0)  // 90 % right
		r.add(50, i >= 7) // 30 % right
	}
	r.add(100, true)
	r.add(0, false)
	got := r.finish()
	if got.Sure != (Share{10, 11}) || len(got.Bins) != 3 {
		t.Fatalf("%+v", got)
	}
	last := got.Bins[2]
	if last.From != 90 || last.To != 100 || last.Right != (Share{10, 11}) || last.Confidence != 95.5 {
		t.Errorf("%+v", last)
	}
	// |95.45-90.91| for 11, |50-30| for 10, 0 for one.
	if got.Error != 11.36 {
		t.Errorf("calibration error %v", got.Error)
	}
}

func TestACharactersConfidenceIsComparedWithWhetherItIsRight(t *testing.T) {
	s := newScore(nil)
	f := footage{Truth: &Truth{File: "a.jpg", Plates: []Plate{{VRM: "AB12CDE"}, {VRM: "W1"}}}}
	s.photograph(f, []read{
		{text: "A8I2CDEX", confidence: 70, characters: []int{99, 55, 99, 99, 99, 99, 99, 15}}, // 8 is wrong, X invented
		{text: "ZZ99ZZZ", confidence: 90, characters: []int{99, 99, 99, 99, 99, 99, 99}},      // of no plate
	})
	got := s.finish().Reliability.Characters
	if got.Sure != (Share{6, 6}) || len(got.Bins) != 3 || got.Bins[0].Right != (Share{0, 1}) || got.Bins[1].Right != (Share{0, 1}) || got.Bins[1].From != 50 {
		t.Errorf("%+v", got)
	}
	// |99-100| for six, |55-0| and |15-0| for one each.
	if got.Error != 9.5 {
		t.Errorf("calibration error %v", got.Error)
	}
}

func TestTheIntervalIsWilsons(t *testing.T) {
	for share, want := range map[Share]string{
		{99, 110}: "90.0 % (83 to 94)", {0, 31}: "0.0 % (0 to 11)", {5, 5}: "100.0 % (57 to 100)", {}: "–",
	} {
		if got := share.String(); got != want {
			t.Errorf("%+v is %s, want %s", share, got, want)
		}
	}
}
