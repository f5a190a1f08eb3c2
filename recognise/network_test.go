package recognise

import (
	"encoding/csv"
	"errors"
	"image"
	"image/color"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
	"nrd/recognise/noise"
)

// newNetworks is a recogniser with our own networks.
func newNetworks(t testing.TB) *Recogniser {
	t.Helper()
	SetThreads(1)
	localiser, err := NewNetworkLocaliser()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := NewNetworkReader()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := New(Config{Localiser: localiser, Reader: reader, Profile: profile, Clock: today})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rec.Close(); err != nil {
			t.Error(err)
		}
	})
	return rec
}

func TestPicturesOfEverySizeAndKindAreSurvived(t *testing.T) {
	rec := newNetworks(t)
	kinds := []gocv.MatType{gocv.MatTypeCV8UC1, gocv.MatTypeCV8UC3, gocv.MatTypeCV8UC4}
	contents := []func(size image.Point, kind gocv.MatType) gocv.Mat{
		func(size image.Point, kind gocv.MatType) gocv.Mat { return noise.Picture(t, size.Y, size.X, kind) },
		func(size image.Point, kind gocv.MatType) gocv.Mat {
			return gocv.NewMatWithSizeFromScalar(gocv.NewScalar(0, 0, 0, 0), size.Y, size.X, kind)
		},
		func(size image.Point, kind gocv.MatType) gocv.Mat {
			return gocv.NewMatWithSizeFromScalar(gocv.NewScalar(255, 255, 255, 255), size.Y, size.X, kind)
		},
	}
	for i, size := range []image.Point{{1, 1}, {1, 900}, {900, 1}, {15, 17}, {333, 77}, {641, 479}, {2600, 1900}} {
		for k, kind := range kinds {
			img := contents[(i+k)%len(contents)](size, kind)
			frame := &capture.Frame{Image: img}
			if seen, err := rec.Photograph(frame); err != nil || len(seen) > 0 {
				t.Errorf("%v with %d channels: %d reads, %v", size, img.Channels(), len(seen), err)
			}
			if records, err := rec.Track(frame); err != nil || len(records) > 0 {
				t.Errorf("%v with %d channels: %d records, %v", size, img.Channels(), len(records), err)
			}
			img.Close()
		}
	}
	if records := rec.Flush(); len(records) > 0 {
		t.Errorf("%d records of nothing", len(records))
	}
}

func TestPicturesThatAreNoneAreRefused(t *testing.T) {
	rec := newNetworks(t)
	deep := gocv.NewMatWithSize(48, 64, gocv.MatTypeCV16UC3)
	defer deep.Close()
	two := gocv.NewMatWithSize(48, 64, gocv.MatTypeCV8UC2)
	defer two.Close()
	empty := gocv.NewMat()
	defer empty.Close()
	for name, img := range map[string]gocv.Mat{"16 bits": deep, "two channels": two, "empty": empty, "closed": {}} {
		if _, err := rec.Photograph(&capture.Frame{Image: img}); !errors.Is(err, ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := rec.Track(&capture.Frame{Image: img}); !errors.Is(err, ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnyOutlineCanBeReadByEachEngine(t *testing.T) {
	img := noise.Picture(t, 300, 400, gocv.MatTypeCV8UC3)
	defer img.Close()
	for _, engine := range []string{EngineNetworks, EngineTesseract} {
		reader, err := NewReader(engine)
		if err != nil {
			t.Fatal(err)
		}
		for name, q := range map[string]nrd.Quad{
			"outside":   {{X: 900, Y: 900}, {X: 1100, Y: 900}, {X: 1100, Y: 950}, {X: 900, Y: 950}},
			"a point":   {},
			"crossed":   {{X: 0, Y: 0}, {X: 100, Y: 22}, {X: 100, Y: 0}, {X: 0, Y: 22}},
			"very tall": {{X: 10, Y: 0}, {X: 14, Y: 0}, {X: 14, Y: 290}, {X: 10, Y: 290}},
		} {
			if look, err := reader.Read(img, q); err != nil || len(look) > readings {
				t.Errorf("%s, %s: %d readings, %v", engine, name, len(look), err)
			}
		}
		if err := reader.Close(); err != nil {
			t.Error(err)
		}
	}
}

// truth gives the plates of testdata's rendered photographs, by file.
func truth(t *testing.T) map[string][]string {
	t.Helper()
	file, err := os.Open(photographs + "truth.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	plates := map[string][]string{}
	for _, row := range rows[1:] {
		plates[row[0]] = append(plates[row[0]], row[1])
	}
	return plates
}

const photographs = "../testdata/photographs/"

// open reads a picture.
func open(t *testing.T, path string) gocv.Mat {
	t.Helper()
	img := gocv.IMRead(path, gocv.IMReadColor)
	if img.Empty() {
		t.Fatalf("%s cannot be read", path)
	}
	t.Cleanup(func() { img.Close() })
	return img
}

func TestEveryPlateOfTheRenderedPhotographsIsRead(t *testing.T) {
	rec := newNetworks(t)
	all := truth(t)
	if len(all) < 10 {
		t.Fatalf("only %d photographs", len(all))
	}
	for file, want := range all {
		seen, err := rec.Photograph(&capture.Frame{Image: open(t, photographs+file)})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range seen {
			got = append(got, string(s.Read.VRM))
			if s.Read.Confidence < 60 {
				t.Errorf("%s: %s with confidence %d only", file, s.Read.VRM, s.Read.Confidence)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: read %v, there are %v", file, got, want)
		}
	}
}

func TestASignsLetteringIsNotReadAsAPlate(t *testing.T) {
	rec := newNetworks(t)
	for _, text := range []string{"A38 M42", "HOTEL 3M", "SLOW 20", "B4100"} {
		img, quad := drawn(text) // in no plate's face
		look, err := rec.config.Reader.Read(img, quad)
		img.Close()
		if err != nil {
			t.Fatal(err)
		}
		if read, ok := choose(look, today.Now()); ok && rec.keep(&read) {
			t.Errorf("%s was read as %s with confidence %d", text, read.VRM, read.Confidence)
		}
	}
}

func TestTheJudgeWeighsByTheMeanOfItsFrames(t *testing.T) {
	inf := float32(math.Inf(1))
	for name, c := range map[string]struct {
		values []float32
		want   float64
	}{
		"surely a plate": {[]float32{9, 11}, 1}, "surely none": {[]float32{-9, -11}, 0}, "half of it": {[]float32{caution, caution}, 0.5},
		"overflow": {[]float32{inf, 0}, 1}, "underflow": {[]float32{-inf, 0}, 0}, "no number": {[]float32{inf, -inf}, 0},
	} {
		if got := judged(c.values); math.Abs(got-c.want) > 1e-3 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAPlateIsReadTheSameWhereverItsOutlineLies(t *testing.T) {
	rec := newNetworks(t)
	for _, file := range []string{"front-near.jpg", "rear-near.jpg", "van-two-lines.jpg"} {
		img := open(t, photographs+file)
		plates, err := rec.config.Localiser.Localise(img, FrameSide(img.Cols(), img.Rows()))
		if err != nil || len(plates) != 1 {
			t.Fatalf("%s: %d plates, %v", file, len(plates), err)
		}
		w, h := size(plates[0].Quad)
		// As far off as outlines are, and farther: shares of its width and height.
		for _, off := range []struct{ left, top, right, bottom float64 }{
			{}, {-0.03, -0.06, -0.03, -0.06}, {0.03, 0.06, 0.03, 0.06}, {-0.03, -0.06, 0.03, 0.06}, {0.02, 0.05, -0.02, -0.05}, {-0.03, 0.06, 0.03, -0.06},
		} {
			q := plates[0].Quad
			for i := range q {
				q[i].X += w * []float64{off.left, off.right, off.right, off.left}[i]
				q[i].Y += h * []float64{off.top, off.top, off.bottom, off.bottom}[i]
			}
			seen, err := rec.config.Reader.Read(img, q)
			if err != nil {
				t.Fatal(err)
			}
			if read, ok := choose(seen, today.Now()); !ok || string(read.VRM) != truth(t)[file][0] {
				t.Errorf("%s, its outline off by %+v: %s", file, off, read.VRM)
			}
		}
	}
}

func TestAPlateOfTwoLinesIsReadFromBesideWhereItIsNarrowAndSlanted(t *testing.T) {
	rec := newNetworks(t)
	img := open(t, photographs+"van-two-lines.jpg") // its plate is at 654, 538, 83 by 61 pixels
	around := img.Region(image.Rect(560, 470, 830, 670))
	defer around.Close()
	for _, slant := range []float64{-0.3, 0, 0.3} {
		m := gocv.NewMatWithSize(2, 3, gocv.MatTypeCV64F)
		for i, v := range []float64{0.42, slant, 93 - 100*slant, 0, 1, 0} {
			m.SetDoubleAt(i/3, i%3, v)
		}
		beside := gocv.NewMat()
		gocv.WarpAffineWithParams(around, &beside, m, image.Pt(300, 200), gocv.InterpolationArea, gocv.BorderReplicate, color.RGBA{})
		seen, err := rec.Photograph(&capture.Frame{Image: beside})
		if err != nil || len(seen) != 1 || seen[0].Read.VRM != "NA17GPR" {
			t.Errorf("narrow and slanted by %v: %+v, %v", slant, seen, err)
		}
		_, _ = m.Close(), beside.Close() // never fail
	}
}

func TestAPlateThatTheEdgeOfThePictureCutsIsNotRead(t *testing.T) {
	rec := newNetworks(t)
	img := open(t, photographs+"rear-near.jpg") // its plate reaches from 452 to 601
	for _, view := range []image.Rectangle{image.Rect(0, 180, 540, 630), image.Rect(500, 180, 1280, 630)} {
		part := img.Region(view)
		if seen, err := rec.Photograph(&capture.Frame{Image: part}); err != nil || len(seen) > 0 {
			t.Errorf("%v: %+v, %v", view, seen, err)
		}
		part.Close()
		rec.config.Region = Region{float64(view.Min.X) / 1280, 0.25, float64(view.Max.X) / 1280, 0.9}
		if seen, err := rec.Photograph(&capture.Frame{Image: img}); err != nil || len(seen) > 0 {
			t.Errorf("%v as the region: %+v, %v", view, seen, err)
		}
		rec.config.Region = Region{}
	}
}

// pan gives the records of so many frames of a camera that pans over a photograph.
func pan(t *testing.T, rec *Recogniser, img gocv.Mat, frames int) []*nrd.Record {
	t.Helper()
	var records []*nrd.Record
	for i := range frames {
		view := img.Region(image.Rect(20*i, 180, 20*i+800, 630))
		got, err := rec.Track(&capture.Frame{Image: view, Sequence: uint64(i + 1), Taken: nrd.Stamp{UTC: today.Add(time.Duration(i) * 80 * time.Millisecond)}})
		view.Close()
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, got...)
	}
	return append(records, rec.Flush()...)
}

func TestAPanOverAPhotographIsOnePassage(t *testing.T) {
	rec := newNetworks(t)
	img := open(t, photographs+"rear-near.jpg")
	records := pan(t, rec, img, 12)
	if len(records) != 1 || records[0].Read.VRM != "EK09SYJ" || records[0].Read.Confidence < 90 {
		t.Fatalf("records %v", plates(records))
	}
	// The picture of the plate is of the plate: it can be read again.
	patch, err := gocv.IMDecode(records[0].Patch.JPEG, gocv.IMReadColor)
	if err != nil {
		t.Fatal(err)
	}
	defer patch.Close()
	if seen, err := rec.Photograph(&capture.Frame{Image: patch}); err != nil || len(seen) != 1 || seen[0].Read.VRM != "EK09SYJ" {
		t.Errorf("the patch is read as %+v, %v", seen, err)
	}
}

func TestLargerFramesAreLookedAtMoreCloselyUpToABound(t *testing.T) {
	for _, c := range []struct{ w, h, want int }{{320, 240, 640}, {1280, 720, 640}, {1080, 1920, 800}, {1920, 1080, 800}, {3840, 2160, 1024}} {
		if got := FrameSide(c.w, c.h); got != c.want {
			t.Errorf("%d x %d is looked at with %d pixels, want %d", c.w, c.h, got, c.want)
		}
	}
}

func TestPlatesOf60PixelsInAFrameOf1920AndOf500InOneOf640AreFoundInVideo(t *testing.T) {
	rec := newNetworks(t)
	far := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 90, 90, 0), 1080, 1920, gocv.MatTypeCV8UC3)
	defer far.Close()
	small := far.Region(image.Rect(300, 200, 300+1024, 200+576))
	defer small.Close()
	gocv.Resize(open(t, photographs+"front-far.jpg"), &small, image.Pt(1024, 576), 0, 0, gocv.InterpolationArea)
	near := gocv.NewMat()
	defer near.Close()
	photo := open(t, photographs+"rear-near.jpg")
	part := photo.Region(image.Rect(430, 450, 430+191, 450+143))
	defer part.Close()
	gocv.Resize(part, &near, image.Pt(640, 480), 0, 0, gocv.InterpolationLinear)
	for _, c := range []struct {
		img  gocv.Mat
		wide int
		want nrd.VRM
	}{{far, 60, "BV23XHU"}, {near, 500, "EK09SYJ"}} {
		for i := range 3 {
			if _, err := rec.Track(&capture.Frame{Image: c.img, Sequence: uint64(i + 1), Taken: nrd.Stamp{UTC: today.Add(time.Duration(i) * time.Second)}}); err != nil {
				t.Fatal(err)
			}
		}
		records := rec.Flush()
		if len(records) != 1 || records[0].Read.VRM != c.want {
			t.Errorf("%d pixels in %d: records %v", c.wide, c.img.Cols(), plates(records))
			continue
		}
		if w, _ := size(records[0].Plate); math.Abs(w/float64(c.wide)-1) > 0.08 {
			t.Errorf("a plate of %d pixels is %v wide", c.wide, w)
		}
	}
}

func TestAVehicleWhosePlateNobodyCanReadIsOnePassageWithItsPictureAndNoMark(t *testing.T) {
	for what, spoil := range map[string]func(plate *gocv.Mat){
		"smeared": func(plate *gocv.Mat) { gocv.GaussianBlur(*plate, plate, image.Pt(0, 0), 9, 4, gocv.BorderReflect) },
		"mud on each character": func(plate *gocv.Mat) {
			for i := range 7 {
				gocv.Ellipse(plate, image.Pt(14+i*20, 17), image.Pt(7, 9), 0, 0, 360, color.RGBA{R: 60, G: 55, B: 50}, -1)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			rec := newNetworks(t)
			rec.config.Unread = true
			img := open(t, photographs+"rear-near.jpg")
			plate := img.Region(image.Rect(452, 511, 452+149, 511+34))
			spoil(&plate)
			plate.Close()
			records := pan(t, rec, img, 14)
			if len(records) != 1 || !records[0].Unread() || len(records[0].Patch.JPEG) == 0 || len(records[0].Overview.JPEG) == 0 {
				t.Fatalf("records %v", plates(records))
			}
			if w, _ := size(records[0].Plate); math.Abs(w/149-1) > 0.1 {
				t.Errorf("its plate is %v pixels wide", w)
			}
		})
	}
}

// crowded is the mark of each plate in a crowd.
const crowded = "LN68OKE"

// crowd is a picture with a hundred copies of a photograph's plate on it.
func crowd(t testing.TB) gocv.Mat {
	t.Helper()
	photo := gocv.IMRead(photographs+"front-near.jpg", gocv.IMReadColor)
	defer photo.Close()
	plate := photo.Region(image.Rect(640, 586, 797, 633))
	defer plate.Close()
	img := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 90, 90, 0), 1000, 1700, gocv.MatTypeCV8UC3)
	for i := range 100 {
		at := image.Pt(6+i%10*168, 20+i/10*98)
		place := img.Region(image.Rectangle{at, at.Add(image.Pt(plate.Cols(), plate.Rows()))})
		plate.CopyTo(&place)
		place.Close()
	}
	return img
}

func TestOfAHundredPlatesInOnePhotographSoManyAreReadAndRight(t *testing.T) {
	rec := newNetworks(t)
	img := crowd(t)
	defer img.Close()
	seen, err := rec.Photograph(&capture.Frame{Image: img})
	if err != nil || len(seen) == 0 || len(seen) > MaxPlates {
		t.Errorf("%d reads, %v", len(seen), err)
	}
	for _, s := range seen {
		if s.Read.VRM != crowded {
			t.Errorf("%s was read, all are %s", s.Read.VRM, crowded)
		}
	}
}
