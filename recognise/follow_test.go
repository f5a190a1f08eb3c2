package recognise

import (
	"image/color"
	"math"
	"slices"
	"testing"
	"time"

	"nrd"
)

func TestTwoCarsOfTheSameFirstFrameAreToldApartByTheirNumbers(t *testing.T) {
	r := newRoad(t)
	for i := range 8 {
		y := 300 + 8*float64(i)
		r.show(shown{x: 300, y: y, width: 100, text: "AB12CDE", sure: 0.99}, shown{x: 430, y: y, width: 100, text: "FG61HJK", sure: 0.99})
	}
	early := map[uint64]nrd.VRM{}
	for _, p := range r.provisional {
		early[p.Passage.Number] = p.Read.VRM
	}
	final := r.end()
	if len(early) != 2 || len(final) != 2 || final[0].Passage.FirstFrame != final[1].Passage.FirstFrame {
		t.Fatalf("provisional %v, final %v", early, plates(final))
	}
	for _, rec := range final {
		if early[rec.Passage.Number] != rec.Read.VRM {
			t.Errorf("%s was told as %q before", rec.Read.VRM, early[rec.Passage.Number])
		}
	}
}

func TestACarThatStopsAndGoesIsOnePassage(t *testing.T) {
	r := newRoad(t)
	for i := range 10 {
		r.show(shown{x: 100 + 30*float64(i), y: 300, width: 100, text: "AB12CDE", sure: 0.97})
	}
	for range 600 { // a minute at the lights
		r.show(shown{x: 370, y: 300, width: 100, text: "AB12CDE", sure: 0.97})
	}
	for i := range 20 {
		r.show(shown{x: 370 + 30*float64(i), y: 300, width: 100, text: "AB12CDE", sure: 0.97})
	}
	r.empty(30)
	if got := plates(r.end()); !slices.Equal(got, []nrd.VRM{"AB12CDE"}) {
		t.Errorf("records %v", got)
	}
}

func TestACarThatStandsBehindALorryIsStillOnePassage(t *testing.T) {
	r := newRoad(t)
	still := shown{x: 370, y: 300, width: 100, text: "AB12CDE", sure: 0.97}
	for range 30 {
		r.show(still)
	}
	for i := range 60 { // the lorry shows a mark of its own
		r.show(shown{x: 20 * float64(i), y: 500, width: 90, text: "FG61HJK", sure: 0.97})
	}
	for range 30 {
		r.show(still)
	}
	got := plates(r.end())
	slices.Sort(got)
	if !slices.Equal(got, []nrd.VRM{"AB12CDE", "FG61HJK"}) {
		t.Errorf("records %v", got)
	}
}

func TestTheSharpestFrameIsKeptRatherThanTheLargest(t *testing.T) {
	r := newRoad(t)
	for i := range 12 {
		s := shown{x: 100 + 10*float64(i), y: 300, width: 100 + 4*float64(i), text: "AB12CDE", sure: 0.99, blur: 4}
		if i == 7 {
			s.blur = 0
		}
		r.show(s)
	}
	if rec := r.end(); len(rec) != 1 || rec[0].Passage.Frame != 8 {
		t.Errorf("frame %d is kept, the sharp one is 8", rec[0].Passage.Frame)
	}
}

func TestTheDirectionIsTheVehiclesNotTheUnits(t *testing.T) {
	fixed := nrd.Fix{Source: nrd.FixStatic}
	driving := nrd.Fix{Source: nrd.FixGPS, SpeedKnown: true, Speed: 20}
	parked := nrd.Fix{Source: nrd.FixGPS, SpeedKnown: true}
	white, yellow, grey := color.RGBA{R: 240, G: 240, B: 236}, color.RGBA{R: 245, G: 190, B: 40}, color.RGBA{R: 200, G: 200, B: 200}
	grows := func(i float64) float64 { return 80 + 6*i }
	shrinks := func(i float64) float64 { return 146 - 6*i }
	wobbles := func(i float64) float64 { return 100 + 12*math.Sin(i*2) }
	for name, c := range map[string]struct {
		fix   nrd.Fix
		width func(float64) float64
		paint color.RGBA
		text  string
		want  nrd.Direction
	}{
		"comes to a fixed camera":               {fixed, grows, white, "AB12CDE", nrd.DirectionTowards},
		"leaves a fixed camera":                 {fixed, shrinks, yellow, "AB12CDE", nrd.DirectionAway},
		"comes to a fixed camera, in infrared":  {fixed, grows, grey, "AB12CDE", nrd.DirectionTowards},
		"is across a fixed camera's way":        {fixed, wobbles, white, "AB12CDE", nrd.DirectionUnknown},
		"leaves a patrol car that stands":       {parked, shrinks, yellow, "AB12CDE", nrd.DirectionAway},
		"is overtaken":                          {driving, grows, yellow, "AB12CDE", nrd.DirectionAway},
		"drives ahead and away":                 {driving, shrinks, yellow, "AB12CDE", nrd.DirectionAway},
		"comes the other way":                   {driving, grows, white, "AB12CDE", nrd.DirectionTowards},
		"is overtaken at night":                 {driving, grows, grey, "AB12CDE", nrd.DirectionUnknown},
		"is foreign, white in front and behind": {driving, grows, white, "AB1234CD", nrd.DirectionUnknown},
		"is seen by who knows not if it drives": {nrd.Fix{Source: nrd.FixNone}, grows, grey, "AB12CDE", nrd.DirectionUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoad(t)
			r.fix = c.fix
			if c.paint == grey { // nothing in the picture has a colour
				grade(&r.img)
			}
			for i := range 12 {
				f := float64(i)
				r.show(shown{x: 100 + 20*f, y: 300, width: c.width(f), text: c.text, sure: 0.98, paint: c.paint})
			}
			if got := r.end(); len(got) != 1 || got[0].Direction != c.want {
				t.Errorf("%v, direction %v, want %s", plates(got), got[0].Direction, c.want)
			}
		})
	}
}

func TestAVehicleWhosePlateCannotBeReadIsCountedWithItsPictures(t *testing.T) {
	r := newRoad(t)
	r.rec.config.Unread = true
	for i := range 20 {
		r.show(shown{x: 100 + 20*float64(i), y: 300, width: 110}, shown{x: 100 + 20*float64(i), y: 500, width: 100, text: "AB12CDE", sure: 0.98})
	}
	r.empty(30)
	got := r.told
	if len(got) != 2 {
		t.Fatalf("records %v", plates(got))
	}
	unread := got[slices.IndexFunc(got, (*nrd.Record).Unread)]
	if read := unread.Read; read.VRM != "" || read.Raw != "" || read.Confidence != 0 || len(read.Alternatives) > 0 || read.Engine == "" {
		t.Errorf("read %+v", read)
	}
	if len(unread.Patch.JPEG) == 0 || len(unread.Overview.JPEG) == 0 || unread.Plate == (nrd.Quad{}) || unread.Passage.Frame == 0 {
		t.Errorf("no picture: %+v", unread)
	}
	if len(r.provisional) != 1 {
		t.Errorf("provisional %v", plates(r.provisional))
	}
}

func TestWhatNeedNotBeAVehicleIsNoUnreadPlate(t *testing.T) {
	for name, show := range map[string]func(r *road, i float64){
		"a sign that stays in its place": func(r *road, i float64) { r.show(shown{x: 500, y: 300, width: 110}) },
		"too small to be read":           func(r *road, i float64) { r.show(shown{x: 100 + 20*i, y: 300, width: 60}) },
		"there for a moment":             func(r *road, i float64) { r.show([]shown{{x: 100 + 20*i, y: 300, width: 110}}[min(1, int(i)/6):]...) },
		"hardly like a plate":            func(r *road, i float64) { r.scene.certain = 0.6; r.show(shown{x: 100 + 20*i, y: 300, width: 110}) },
		"read in the end after all": func(r *road, i float64) {
			r.show(shown{x: 100 + 20*i, y: 300, width: 110, text: []string{"", "AB12CDE"}[int(i)/16], sure: 0.98})
		},
		"a plate, and nobody asks for it": func(r *road, i float64) {
			r.rec.config.Unread = false
			r.show(shown{x: 100 + 20*i, y: 300, width: 110})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoad(t)
			r.rec.config.Unread = true
			for i := range 20 {
				show(r, float64(i))
			}
			for _, rec := range r.end() {
				if rec.Unread() {
					t.Errorf("an unread plate: %+v", rec.Passage)
				}
			}
		})
	}
}

func TestAnUnreadPlateIsToldOfByACameraOfAFewFramesASecondToo(t *testing.T) {
	r := newRoad(t)
	r.rec.config.Unread = true
	for i := range 5 {
		r.frame += 3 // of ten frames a second: three are missing
		r.show(shown{x: 100 + 80*float64(i), y: 300, width: 110})
	}
	if got := r.end(); len(got) != 1 || !got[0].Unread() || len(got[0].Patch.JPEG) == 0 {
		t.Errorf("records %v", plates(got))
	}
}

func TestWhereNothingMovesPlatesAreLookedForOnceASecond(t *testing.T) {
	r := newRoad(t)
	r.empty(100)
	if n := r.scene.looks; n < 9 || n > 12 {
		t.Errorf("%d looks in ten seconds of an empty road", n)
	}
	if s := r.rec.Stats(); s.Frames != 100 || s.Looked != uint64(r.scene.looks) {
		t.Errorf("stats %+v", s)
	}
	// What comes is seen in its first frame.
	before := r.scene.looks
	r.show(shown{x: 300, y: 300, width: 60, text: "AB12CDE", sure: 0.98})
	if r.scene.looks != before+1 {
		t.Error("the frame in which a plate appears was not looked at")
	}
}

func TestAParkedPlateIsNotLostThoughItIsNotLookedFor(t *testing.T) {
	r := newRoad(t)
	for range 200 {
		r.show(shown{x: 400, y: 300, width: 110, text: "AB12CDE", sure: 0.95})
	}
	if n := r.scene.looks; n > 30 {
		t.Errorf("%d looks in twenty seconds of a parked car", n)
	}
	if len(r.provisional) != 1 || len(r.told) != 0 {
		t.Errorf("provisional %v, told %v", plates(r.provisional), plates(r.told))
	}
	got := r.end()
	if len(got) != 1 || got[0].Passage.LastFrame != 200 || got[0].Passage.LastSeen.Sub(got[0].Passage.FirstSeen) < 19*time.Second {
		t.Errorf("records %v", plates(got))
	}
}
