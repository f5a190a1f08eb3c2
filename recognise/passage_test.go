package recognise

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	"slices"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/recognise/noise"
)

func TestAVehicleGoingByIsOneRecord(t *testing.T) {
	r := newRoad(t)
	r.empty(2)
	for i := range 12 {
		width := 60 + 10*float64(i)
		r.show(shown{x: 100 + 40*float64(i), y: 300 + 10*float64(i), width: width, text: "AB12CDE", sure: 0.9 + 0.005*float64(i)})
	}
	if len(r.told) != 0 {
		t.Fatalf("a record was made while the vehicle was in sight")
	}
	r.empty(20)
	if len(r.told) != 1 {
		t.Fatalf("want one record after the vehicle has gone, got %v", plates(r.told))
	}
	rec := r.told[0]
	if rec.Read.VRM != "AB12CDE" || rec.Read.Raw != "AB12CDE" || rec.Read.Syntax != "current" || rec.Read.Repaired {
		t.Errorf("read %+v", rec.Read)
	}
	if rec.Read.Confidence < 90 || len(rec.Read.Characters) != 7 || rec.Read.Engine != "scripted 1" {
		t.Errorf("read %+v", rec.Read)
	}
	if p := rec.Passage; p.FirstFrame != 3 || p.LastFrame != 14 || p.Frame < 11 || p.Frames < 4 {
		t.Errorf("passage %+v", p)
	}
	if rec.Direction != nrd.DirectionTowards {
		t.Errorf("direction %s of a plate that grows", rec.Direction)
	}
	if rec.Camera.Feed != 7 || rec.FrameWidth != 1280 || rec.FrameHeight != 720 || rec.Profile != nrd.DefaultProfile {
		t.Errorf("record %+v", rec)
	}
	// Time, place and outline are those of the frame that is kept.
	frame := float64(rec.Passage.Frame)
	if want := today.Add(time.Duration(frame*100) * time.Millisecond); !rec.Captured.UTC.Equal(want) || rec.Fix.Longitude != frame || rec.Plate[0].X != 100+40*(frame-3) {
		t.Errorf("captured %s at %g, plate %v", rec.Captured.UTC, rec.Fix.Longitude, rec.Plate)
	}
	if len(r.end()) != 1 {
		t.Errorf("the record came again at the end: %v", plates(r.told))
	}
}

func TestAVehicleInSightAtTheEndIsRecorded(t *testing.T) {
	r := newRoad(t)
	r.show(shown{x: 100, y: 300, width: 120, text: "AB12CDE", sure: 0.98})
	if got := plates(r.end()); !slices.Equal(got, []nrd.VRM{"AB12CDE"}) {
		t.Errorf("records %v", got)
	}
	if len(r.end()) != 1 {
		t.Errorf("a second flush gave it again")
	}
}

func TestAParkedCarIsOnePassage(t *testing.T) {
	r := newRoad(t)
	for i := range 1200 { // two minutes
		jitter := float64(i%3) - 1
		r.show(shown{x: 400 + jitter, y: 300 - jitter, width: 110 + jitter, text: "AB12CDE", sure: 0.95})
	}
	if len(r.told) != 1 {
		t.Fatalf("want its record while it stands there, once, got %v", plates(r.told))
	}
	r.empty(30)
	if len(r.end()) != 1 {
		t.Errorf("want no second record when it leaves, got %v", plates(r.told))
	}
	if r.scene.reads > 300 {
		t.Errorf("the same plate was read %d times in 1200 frames", r.scene.reads)
	}
}

func TestTwoCarsSideBySideAreTwoPassages(t *testing.T) {
	r := newRoad(t)
	for i := range 10 {
		y := 300 + 8*float64(i)
		r.show(shown{x: 300, y: y, width: 100, text: "AB12CDE", sure: 0.95}, shown{x: 430, y: y, width: 100, text: "FG61HJK", sure: 0.95})
	}
	got := plates(r.end())
	slices.Sort(got)
	if !slices.Equal(got, []nrd.VRM{"AB12CDE", "FG61HJK"}) {
		t.Errorf("records %v", got)
	}
}

func TestAPlateHiddenForASecondIsStillOnePassage(t *testing.T) {
	r := newRoad(t)
	for i := range 5 {
		r.show(shown{x: 100 + 30*float64(i), y: 300, width: 100, text: "AB12CDE", sure: 0.95})
	}
	r.empty(10)
	for i := range 5 {
		r.show(shown{x: 600 + 30*float64(i), y: 300, width: 100, text: "AB12CDE", sure: 0.95})
	}
	if got := plates(r.end()); len(got) != 1 {
		t.Errorf("records %v", got)
	}
}

func TestAPlateThatJumpsIsKnownByItsText(t *testing.T) {
	r := newRoad(t)
	for range 5 {
		r.show(shown{x: 200, y: 300, width: 100, text: "AB12CDE", sure: 0.95})
	}
	for range 5 {
		r.show(shown{x: 500, y: 340, width: 100, text: "AB12CDE", sure: 0.95}, shown{x: 800, y: 300, width: 100, text: "FG61HJK", sure: 0.95})
	}
	got := plates(r.end())
	slices.Sort(got)
	if !slices.Equal(got, []nrd.VRM{"AB12CDE", "FG61HJK"}) {
		t.Errorf("records %v", got)
	}
}

func TestAPlateThatComesBackElsewhereIsTheSamePassage(t *testing.T) {
	for _, until := range []string{"the end", "it is gone"} {
		r := newRoad(t)
		for i := range 6 {
			r.show(shown{x: 200, y: 300, width: 90 + float64(i), text: "AB12CDE", sure: 0.97})
		}
		r.empty(5)
		// Behind a van it came much nearer, and is hard to read at first.
		for i := range 6 {
			r.show(shown{x: 900, y: 400, width: 200, text: "AB12CDE", sure: 0.8 + 0.03*float64(i)})
		}
		if until == "it is gone" {
			r.empty(30)
		}
		got := r.end()
		if len(got) != 1 || got[0].Passage.FirstFrame != 1 || got[0].Passage.LastFrame != 17 || got[0].Direction != nrd.DirectionTowards {
			t.Errorf("until %s: %d records %v", until, len(got), plates(got))
		}
	}
}

func TestAPassageGoesOnAfterItInheritedAnother(t *testing.T) {
	r := newRoad(t)
	r.show(shown{x: 200, y: 300, width: 100, text: "AB12CDE", sure: 0.97})
	r.empty(12)
	for range 8 {
		r.show(shown{x: 1100, y: 300, width: 100, text: "AB12CDE", sure: 0.9})
	}
	for range 3 {
		r.show(shown{x: 1100, y: 300, width: 100, text: "AB12CD", sure: 0.7})
	}
	r.scene.plates = nil
	if got := plates(r.end()); !slices.Equal(got, []nrd.VRM{"AB12CDE"}) {
		t.Errorf("records %v", got)
	}
}

func TestAGlimpseThatCouldHardlyBeReadMakesNoRecord(t *testing.T) {
	r := newRoad(t)
	r.show(shown{x: 200, y: 300, width: 100, text: "AB12CDE", sure: 0.85})
	r.empty(30)
	if len(r.told) != 0 {
		t.Errorf("records %v", plates(r.told))
	}
	r.show(shown{x: 200, y: 300, width: 100, text: "AB12CDE", sure: 0.99})
	r.empty(30)
	if len(r.told) != 1 {
		t.Errorf("want the clear glimpse, got %v", plates(r.told))
	}
}

func TestWhatWasReadFromAfarGivesWayToWhatIsReadNear(t *testing.T) {
	r := newRoad(t)
	for i := range 30 {
		r.show(shown{x: 300, y: 300, width: 20 + float64(i)/3, text: "A812COE", sure: 0.9})
	}
	for i := range 8 {
		r.show(shown{x: 300 - 8*float64(i), y: 300, width: 32 + 12*float64(i), text: "AB12CDE", sure: 0.97})
	}
	if got := r.end(); len(got) != 1 || got[0].Read.VRM != "AB12CDE" || got[0].Read.Confidence < 80 {
		t.Errorf("records %v, %+v", plates(got), got[0].Read)
	}
}

func TestAPlateThatLeavesTheFrameIsNotReadInPart(t *testing.T) {
	r := newRoad(t)
	for i := range 8 {
		r.show(shown{x: 1000 + 25*float64(i), y: 300, width: 65 + 5*float64(i), text: "AB12CDE", sure: 0.97})
	}
	for i := range 3 {
		x := 1200 + 25*float64(i)
		r.show(shown{x: x, y: 300, width: 1280 - x, text: "AB1", sure: 0.99})
	}
	r.show(shown{x: 0, y: 300, width: 60, text: "CDE", sure: 0.99})
	got := r.end()
	if !slices.Equal(plates(got), []nrd.VRM{"AB12CDE"}) {
		t.Fatalf("records %v", plates(got))
	}
	if got[0].Direction != nrd.DirectionTowards || got[0].Plate[0].X > 1175 {
		t.Errorf("direction %s, plate %v", got[0].Direction, got[0].Plate)
	}
}

func TestACarThatTakesThePlaceOfAnotherIsANewPassage(t *testing.T) {
	r := newRoad(t)
	for range 6 {
		r.show(shown{x: 400, y: 300, width: 100, text: "AB12CDE", sure: 0.97})
	}
	for range 24 {
		r.show(shown{x: 402, y: 300, width: 102, text: "XY70ZZZ", sure: 0.97})
	}
	got := plates(r.end())
	slices.Sort(got)
	if !slices.Equal(got, []nrd.VRM{"AB12CDE", "XY70ZZZ"}) {
		t.Errorf("records %v", got)
	}
}

func TestFramesVoteForTheText(t *testing.T) {
	r := newRoad(t)
	for i, text := range []string{"AB12CDE", "AB12CDF", "AB12CDE", "AB12ODE", "AB12CDE", "B12CDE"} {
		r.show(shown{x: 100 + 20*float64(i), y: 300, width: 100, text: text, sure: 0.9})
	}
	records := r.end()
	if got := plates(records); !slices.Equal(got, []nrd.VRM{"AB12CDE"}) {
		t.Fatalf("records %v", got)
	}
	if f := records[0].Passage.Frame; f != 1 && f != 3 && f != 5 {
		t.Errorf("the frame kept, %d, shows another text than the record", f)
	}
}

func TestAPlateThatCannotBeReadMakesNoRecord(t *testing.T) {
	r := newRoad(t)
	for range 10 {
		r.show(shown{x: 400, y: 300, width: 30}, shown{x: 700, y: 300, width: 60, text: "LLL1ILI", sure: 0.2})
	}
	if got := plates(r.end()); len(got) != 0 {
		t.Errorf("records %v", got)
	}
}

func TestAProvisionalRecordComesBeforeTheFinalOne(t *testing.T) {
	r := newRoad(t)
	for i := range 8 {
		r.show(shown{x: 100 + 20*float64(i), y: 300, width: 100, text: "AB12CDE", sure: 0.99})
	}
	if len(r.provisional) != 1 || r.provisional[0].Read.VRM != "AB12CDE" || r.provisional[0].Passage.LastFrame > 3 {
		t.Fatalf("want one early provisional record, got %v", plates(r.provisional))
	}
	if len(r.provisional[0].Patch.JPEG) == 0 {
		t.Errorf("the provisional record has no picture of the plate")
	}
	final := r.end()
	if len(final) != 1 || final[0].Passage.FirstFrame != r.provisional[0].Passage.FirstFrame {
		t.Errorf("want the final record of the same passage, got %v", plates(final))
	}
}

func TestAWallClockThatJumpsSplitsNoPassage(t *testing.T) {
	for _, jump := range []time.Duration{10 * 365 * 24 * time.Hour, -10 * 365 * 24 * time.Hour} {
		t.Run(fmt.Sprint(jump), func(t *testing.T) {
			r := newRoad(t)
			for i := range 10 {
				if i == 5 {
					r.wall = jump
					r.empty(4)
				}
				r.show(shown{x: 100 + 20*float64(i), y: 300, width: 100, text: "AB12CDE", sure: 0.95})
			}
			if got := plates(r.end()); len(got) != 1 {
				t.Errorf("records %v", got)
			}
		})
	}
}

func TestAClockThatWasNeverSetMakesNoAgeFieldFuture(t *testing.T) {
	r := newRoad(t)
	r.rec.config.Clock = day{time.Unix(0, 0)}
	r.show(shown{x: 100, y: 300, width: 100, text: "AB12CDE", sure: 0.99})
	if got := r.end(); len(got) != 1 || got[0].Read.Confidence < 90 {
		t.Errorf("in 1970: %+v", got[0].Read)
	}
}

func TestThePicturesStayWithinTheProfilesCaps(t *testing.T) {
	r := newRoad(t)
	large := noise.Picture(t, 1080, 1920, gocv.MatTypeCV8UC3)
	defer large.Close()
	old := r.img
	r.img = large
	r.show(shown{x: 500, y: 600, width: 300, text: "AB12CDE", sure: 0.95})
	r.img = old
	p := r.rec.config.Profile
	rec := r.end()[0]
	for _, c := range []struct {
		name          string
		img           nrd.Image
		bytes, width  int
		least, height int
	}{
		{"patch", rec.Patch, p.PatchMaxBytes, p.PatchWidth, 60, p.PatchHeight},
		{"overview", rec.Overview, p.OverviewMaxBytes, p.OverviewWidth, 100, 1 << 20},
	} {
		if len(c.img.JPEG) > c.bytes || c.img.Width > c.width || c.img.Height > c.height || c.img.Width < c.least {
			t.Errorf("%s: %d bytes, %d by %d", c.name, len(c.img.JPEG), c.img.Width, c.img.Height)
		}
		config, format, err := image.DecodeConfig(bytes.NewReader(c.img.JPEG))
		if err != nil || format != "jpeg" || config.Width != c.img.Width || config.Height != c.img.Height {
			t.Errorf("%s: %s %+v %v", c.name, format, config, err)
		}
	}
}

func TestAPictureThatCannotFitLosesNoRead(t *testing.T) {
	r := newRoad(t)
	r.rec.config.Profile.PatchMaxBytes = 10
	r.show(shown{x: 500, y: 300, width: 100, text: "AB12CDE", sure: 0.95})
	rec := r.end()
	if len(rec) != 1 || len(rec[0].Patch.JPEG) != 0 || len(rec[0].Overview.JPEG) == 0 {
		t.Errorf("want a record without the patch, got %d records", len(rec))
	}
}

func TestAHundredPlatesAtOnceAreBounded(t *testing.T) {
	r := newRoad(t)
	for range 3 {
		var plates []shown
		for i := range 100 {
			plates = append(plates, shown{x: float64(i%10) * 120, y: float64(i/10) * 60, width: 100, text: fmt.Sprintf("AB%02dCDE", i), sure: 0.95})
		}
		r.show(plates...)
	}
	if n := len(r.rec.tracks); n != maxTracks {
		t.Errorf("%d plates are followed, want %d", n, maxTracks)
	}
	if n := len(r.end()); n > maxTracks {
		t.Errorf("%d records", n)
	}
}
