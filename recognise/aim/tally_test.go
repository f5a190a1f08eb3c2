package aim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
	"nrd/internal/clock"
	"nrd/recognise"
)

// site is a tally of so many vehicles that went by, all alike but for what change
// does to the n-th.
func site(t *testing.T, vehicles int, change func(n int, p *passing)) *tally {
	t.Helper()
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	s := &tally{target: newTarget(profile, false)}
	for n := range vehicles {
		p := &passing{frames: 6, width: 120, sharpness: 80, confidence: 99}
		if change != nil {
			change(n, p)
		}
		s.add([]*passing{p}, time.Duration(n)*time.Second)
	}
	return s
}

func TestASiteIsJudgedByWhatItSees(t *testing.T) {
	every := func(n int, do func(*passing)) func(int, *passing) {
		return func(k int, p *passing) {
			if k%n == 0 {
				do(p)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(int, *passing)
		want   Level
		says   string
	}{
		"a good one":                          {nil, LevelGood, "can meet its figures"},
		"plates too small":                    {every(1, func(p *passing) { p.width = 50 }), LevelBad, "at least 50 px wide; 80 are needed"},
		"plates that are small":               {every(1, func(p *passing) { p.width = 70 }), LevelFair, "at least 70 px wide"},
		"one small plate in a hundred":        {every(100, func(p *passing) { p.width = 50 }), LevelGood, "can meet its figures"},
		"out of focus":                        {every(1, func(p *passing) { p.sharpness = 20 }), LevelBad, "sharpness of 20"},
		"vehicles seen twice only":            {every(1, func(p *passing) { p.frames = 2 }), LevelFair, "in at least 2 frames"},
		"every other plate cannot be read":    {every(2, func(p *passing) { p.confidence = 0 }), LevelBad, "50 of 100 plates"},
		"one plate in thirty cannot be read":  {every(30, func(p *passing) { p.confidence = 0 }), LevelFair, "96 of 100 plates"},
		"reads of which the unit is not sure": {every(1, func(p *passing) { p.confidence = 60 }), LevelBad, "confidence of 60 %"},
	} {
		v := site(t, 100, c.change).verdict()
		all := v.Text
		for _, check := range v.Checks {
			all += "\n" + check.Text
		}
		if v.Level != c.want || !strings.Contains(all, c.says) {
			t.Errorf("%s: it is %s, want %s with %q:\n%s", name, v.Level, c.want, c.says, all)
		}
	}
}

func TestThereIsNoVerdictBeforeEnoughVehicles(t *testing.T) {
	if v := site(t, enough-1, nil).verdict(); v.Level != LevelOpen || !strings.Contains(v.Text, "19 vehicles seen so far") {
		t.Errorf("%+v", v)
	}
	// What was found once and never read may be no vehicle.
	noise := site(t, 100, func(_ int, p *passing) { p.frames, p.confidence = 1, 0 })
	if v := noise.verdict(); v.Level != LevelOpen {
		t.Errorf("of noise: %+v", v)
	}
}

func TestTheVerdictForgetsAndTheMinuteToo(t *testing.T) {
	s := site(t, 100, nil)
	m := s.minute([]*passing{{frames: 1, confidence: 40, width: 70}}, 100*time.Second)
	// The hundredth began at 99 s: of the last 60 s, and the one in view.
	if m.Seen != 61 || m.Read != 61 || m.Frames != 6 || m.Confidence != 98 || m.Widths[1].Count != 1 || m.Widths[3].Count != 60 {
		t.Errorf("the minute is %+v", m)
	}
	s.add(nil, 100*time.Second+judgeOver)
	if v := s.verdict(); v.Level != LevelOpen {
		t.Errorf("after a quarter of an hour without a vehicle: %+v", v)
	}
}

func TestWhoeverAimsIsToldWhatToDo(t *testing.T) {
	good := Plate{Width: 120, Sharpness: 80, Counted: true}
	for name, c := range map[string]struct {
		change func(*Plate)
		want   Level
		says   string
	}{
		"nothing":         {func(*Plate) {}, LevelGood, "120 px wide: good"},
		"zoom in":         {func(p *Plate) { p.Width = 40 }, LevelBad, "Zoom in or move closer"},
		"zoom in little":  {func(p *Plate) { p.Width = 70 }, LevelFair, "Zoom in a little"},
		"zoom out":        {func(p *Plate) { p.Width = 700 }, LevelFair, "zoom out"},
		"focus":           {func(p *Plate) { p.Sharpness = 10 }, LevelBad, "blurred"},
		"focus a little":  {func(p *Plate) { p.Sharpness = 50 }, LevelFair, "a little soft"},
		"turn it":         {func(p *Plate) { p.Tilt = 20 }, LevelFair, "leans 20 degrees clockwise"},
		"turn it back":    {func(p *Plate) { p.Tilt = -20 }, LevelFair, "leans 20 degrees anticlockwise"},
		"draw the region": {func(p *Plate) { p.Counted = false }, LevelOpen, "No plate in view"},
	} {
		p := good
		c.change(&p)
		found := false
		for _, a := range advise(&Look{Width: 1280, Plates: []Plate{p}}) {
			found = found || a.Level == c.want && strings.Contains(a.Text, c.says)
		}
		if !found {
			t.Errorf("%s: %+v", name, advise(&Look{Width: 1280, Plates: []Plate{p}}))
		}
	}
}

// square is a plate of a width with its centre at x, 300.
func square(x, w float64) Plate {
	return Plate{Counted: true, Width: int(w), quad: nrd.Quad{{X: x - w/2, Y: 300 - w/8}, {X: x + w/2, Y: 300 - w/8}, {X: x + w/2, Y: 300 + w/8}, {X: x - w/2, Y: 300 + w/8}}}
}

func TestAVehicleThatGoesByIsCountedOnceAndTwoSideBySideAreTwo(t *testing.T) {
	var f follower
	var over []*passing
	for n := range 12 {
		now := time.Duration(n) * 100 * time.Millisecond
		plates := []Plate{square(200+20*float64(n), 80+5*float64(n)), square(900-20*float64(n), 100)}
		if n == 5 {
			plates = plates[1:] // behind a post for a frame
		}
		over = append(over, f.see(plates, now)...)
	}
	for n := range 20 {
		over = append(over, f.see(nil, 1200*time.Millisecond+time.Duration(n)*100*time.Millisecond)...)
	}
	if len(over) != 2 {
		t.Fatalf("%d went by, want 2", len(over))
	}
	for _, p := range over {
		if p.frames < 11 || p.width < 100 {
			t.Errorf("%+v", p)
		}
	}
}

// sides remembers at which scale plates were looked for.
type sides []int

func (s *sides) Localise(_ gocv.Mat, side int) ([]recognise.Plate, error) {
	*s = append(*s, side)
	return nil, nil
}

func (s *sides) Close() error { return nil }

func TestPlatesAreLookedForAtTheScaleOfTheUnit(t *testing.T) {
	for name, c := range map[string]struct {
		region     recognise.Region
		w, h, want int
	}{
		"the whole of a large frame":         {recognise.Region{}, 1920, 1080, 800},
		"the whole of an ordinary one":       {recognise.Region{}, 1280, 720, 640},
		"its middle half":                    {recognise.Region{0.25, 0.25, 0.75, 0.75}, 1920, 1080, 1280},
		"a corner, which is not enlarged":    {recognise.Region{0, 0, 0.1, 0.1}, 1920, 1080, 1920},
		"a small frame, which the unit does": {recognise.Region{}, 320, 240, 640},
	} {
		var asked sides
		o := once{Localiser: &asked}
		o.begin(side(c.region, c.w, c.h))
		for _, photographs := range []int{512, 1024} {
			if _, err := o.Localise(gocv.Mat{}, photographs); err != nil {
				t.Fatal(err)
			}
		}
		if len(asked) != 1 || asked[0] != c.want {
			t.Errorf("%s: %v, want once %d", name, asked, c.want)
		}
	}
}

func TestTheDrawnRegionSetsTheScaleAtWhichAFrameIsLookedAt(t *testing.T) {
	e, err := (&Aim{Clock: clock.System()}).newEye()
	if err != nil {
		t.Fatal(err)
	}
	defer e.close()
	var asked sides
	networks := e.localiser.Localiser
	defer networks.Close()
	e.localiser.Localiser = &asked
	frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 90, 90, 0), 720, 1280, gocv.MatTypeCV8UC3)
	defer frame.Close()
	for _, region := range []recognise.Region{{}, {0.25, 0.25, 0.75, 0.75}} {
		e.region = region
		if _, err := e.look(&capture.Frame{Image: frame}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(asked, sides{640, 1280}) {
		t.Errorf("the whole picture and its middle are looked at with %v pixels", asked)
	}
}
