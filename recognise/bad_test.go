package recognise

import (
	"image"
	"image/color"
	"os"
	"testing"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
	"nrd/recognise/noise"
)

// counting counts what is asked of a localiser's and a reader's networks.
type counting struct {
	Localiser
	Reader
	localised, read int
}

func (c *counting) Localise(img gocv.Mat, side int) ([]Plate, error) {
	c.localised++
	return c.Localiser.Localise(img, side)
}

func (c *counting) Read(img gocv.Mat, q nrd.Quad) ([]Glyphs, error) {
	c.read++
	return c.Reader.Read(img, q)
}

func (c *counting) Engine() string { return c.Reader.Engine() }
func (c *counting) Close() error   { return nil }

// counted puts a counter in front of a recogniser's networks.
func counted(rec *Recogniser) *counting {
	c := &counting{Localiser: rec.config.Localiser, Reader: rec.config.Reader}
	rec.config.Localiser, rec.config.Reader = c, c
	return c
}

func TestPicturesOfExtremeShapeAreSurvivedAndCostNoMoreThanOthers(t *testing.T) {
	rec := newNetworks(t)
	c := counted(rec)
	pictures := 0
	for _, size := range []image.Point{{1, 1}, {1, 5000}, {5000, 1}, {20000, 16}, {16, 20000}} {
		for _, kind := range []gocv.MatType{gocv.MatTypeCV8UC1, gocv.MatTypeCV8UC3, gocv.MatTypeCV8UC4} {
			img := noise.Picture(t, size.Y, size.X, kind)
			rec.config.Region = Region{0.2, 0.3, 0.9, 0.8}
			pictures++
			if seen, err := rec.Photograph(&capture.Frame{Image: img}); err != nil || len(seen) > 0 {
				t.Errorf("%v: %d reads, %v", size, len(seen), err)
			}
			for range 2 {
				if records, err := rec.Track(&capture.Frame{Image: img}); err != nil || len(records) > 0 {
					t.Errorf("%v: %d records, %v", size, len(records), err)
				}
			}
			img.Close()
		}
	}
	if c.localised > pictures*(len(photographLooks(20000))+2) || c.read > pictures*MaxPlates {
		t.Errorf("%d pictures took %d searches and %d reads", pictures, c.localised, c.read)
	}
}

func TestLetteringThatIsNoPlateIsNotRead(t *testing.T) {
	rec := newNetworks(t)
	img := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(110, 120, 115, 0), 720, 1280, gocv.MatTypeCV8UC3)
	defer img.Close()
	gocv.Rectangle(&img, image.Rect(0, 250, 1280, 500), color.RGBA{R: 30, G: 60, B: 140}, -1)
	gocv.PutText(&img, "SMITH & SONS HEATING", image.Pt(60, 350), gocv.FontHersheyDuplex, 2.6, color.RGBA{R: 250, G: 250, B: 250}, 6)
	gocv.PutText(&img, "call 0113 496 0123", image.Pt(260, 450), gocv.FontHersheyDuplex, 2.2, color.RGBA{R: 250, G: 250, B: 250}, 5)
	if seen, err := rec.Photograph(&capture.Frame{Image: img}); err != nil || len(seen) > 0 {
		t.Errorf("read %+v, %v", seen, err)
	}
}

func TestAHundredPlatesCostABoundedNumberOfLooks(t *testing.T) {
	rec := newNetworks(t)
	c := counted(rec)
	img := crowd(t)
	defer img.Close()
	if _, err := rec.Photograph(&capture.Frame{Image: img}); err != nil {
		t.Fatal(err)
	}
	if n := len(photographLooks(img.Cols())); c.localised > n || c.read > n*MaxPlates {
		t.Errorf("a photograph took %d searches and %d reads", c.localised, c.read)
	}
	const frames = 20
	c.localised, c.read = 0, 0
	for i := range frames {
		if _, err := rec.Track(&capture.Frame{Image: img, Sequence: uint64(i + 1), Taken: nrd.Stamp{UTC: today.Add(0)}}); err != nil {
			t.Fatal(err)
		}
	}
	if c.read > MaxPlates*(settledReads+frames/10) {
		t.Errorf("%d frames of the same picture took %d reads", frames, c.read)
	}
}

func TestAPhotographCutShortInventsNothing(t *testing.T) {
	rec := newNetworks(t)
	whole, err := os.ReadFile(photographs + "rear-near.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for _, share := range []int{10, 30, 50, 70, 90} {
		img, err := gocv.IMDecode(whole[:len(whole)*share/100], gocv.IMReadColor)
		if err != nil || img.Empty() {
			img.Close()
			continue // refused before it comes here
		}
		seen, err := rec.Photograph(&capture.Frame{Image: img})
		img.Close()
		if err != nil {
			t.Errorf("%d %%: %v", share, err)
		}
		for _, s := range seen {
			if s.Read.VRM != "EK09SYJ" {
				t.Errorf("%d %% of the file was read as %s with confidence %d", share, s.Read.VRM, s.Read.Confidence)
			}
		}
	}
}

func TestOnlyTheRegionIsLookedAt(t *testing.T) {
	rec := newNetworks(t)
	img := open(t, photographs+"two-vehicles.jpg")
	all, err := rec.Photograph(&capture.Frame{Image: img})
	if err != nil || len(all) != 2 {
		t.Fatalf("%d plates, %v", len(all), err)
	}
	for _, want := range all {
		b := want.Plate.Quad.Bounds()
		w, h := float64(img.Cols()), float64(img.Rows())
		rec.config.Region = Region{
			max(0, float64(b.X-3*b.W)/w), max(0, float64(b.Y-6*b.H)/h), min(1, float64(b.X+4*b.W)/w), min(1, float64(b.Y+7*b.H)/h),
		}
		seen, err := rec.Photograph(&capture.Frame{Image: img})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, s := range seen {
			c := centre(s.Plate.Quad)
			view := rec.config.Region.of(img)
			if !image.Pt(int(c.X), int(c.Y)).In(view) {
				t.Errorf("%s lies outside of the region", s.Read.VRM)
			}
			// The place is that in the whole picture.
			found = found || s.Read.VRM == want.Read.VRM && covers(s.Plate.Quad.Bounds(), b) > 0.5
		}
		if !found {
			t.Errorf("%s was not found in its region: %+v", want.Read.VRM, seen)
		}
	}
}

func TestARegionThatIsNoneIsRefused(t *testing.T) {
	for name, r := range map[string]Region{
		"outside": {-0.1, 0, 1, 1}, "too far": {0, 0, 1.1, 1}, "turned round": {0.8, 0, 0.2, 1}, "a line": {0.5, 0, 0.5, 1},
	} {
		if r.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if err := (Region{}).Check(); err != nil {
		t.Error(err)
	}
}
