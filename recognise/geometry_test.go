package recognise

import (
	"image"
	"image/color"
	"math"
	"testing"

	"gocv.io/x/gocv"

	"nrd"
)

// quarters is a picture in which the quad shows four quarters in four greys, as
// perspective would show them.
func quarters(t *testing.T, w, h int, quad nrd.Quad) gocv.Mat {
	t.Helper()
	const side = 400
	flat := gocv.NewMatWithSize(side, side, gocv.MatTypeCV8UC3)
	defer flat.Close()
	for i, g := range []uint8{50, 100, 150, 200} {
		x, y := i%2*side/2, i/2*side/2
		gocv.Rectangle(&flat, image.Rect(x, y, x+side/2, y+side/2), color.RGBA{R: g, G: g, B: g}, -1)
	}
	var to []gocv.Point2f
	for _, p := range quad {
		to = append(to, gocv.NewPoint2f(float32(p.X), float32(p.Y)))
	}
	from := gocv.NewPoint2fVectorFromPoints([]gocv.Point2f{{X: 0, Y: 0}, {X: side, Y: 0}, {X: side, Y: side}, {X: 0, Y: side}})
	defer from.Close()
	into := gocv.NewPoint2fVectorFromPoints(to)
	defer into.Close()
	m := gocv.GetPerspectiveTransform2f(from, into)
	defer m.Close()
	img := gocv.NewMatWithSize(h, w, gocv.MatTypeCV8UC3)
	gocv.WarpPerspective(flat, &img, m, image.Pt(w, h))
	return img
}

func TestAPlateIsStraightenedFromAnyAngle(t *testing.T) {
	for name, quad := range map[string]nrd.Quad{
		"straight":        {{X: 100, Y: 100}, {X: 300, Y: 100}, {X: 300, Y: 150}, {X: 100, Y: 150}},
		"leaning":         {{X: 120, Y: 90}, {X: 310, Y: 130}, {X: 300, Y: 190}, {X: 110, Y: 140}},
		"from the side":   {{X: 100, Y: 100}, {X: 260, Y: 130}, {X: 260, Y: 175}, {X: 100, Y: 190}},
		"small":           {{X: 50, Y: 50}, {X: 90, Y: 52}, {X: 90, Y: 62}, {X: 50, Y: 60}},
		"filling a photo": {{X: 20, Y: 150}, {X: 1500, Y: 100}, {X: 1490, Y: 450}, {X: 30, Y: 520}},
	} {
		t.Run(name, func(t *testing.T) {
			img := quarters(t, 1600, 700, quad)
			defer img.Close()
			r := newRectifier()
			defer r.close()
			crop := r.cutGrey(img, quad, part{0, 0, 1, 1}, 128, 32)
			if crop.Cols() != 128 || crop.Rows() != 32 || crop.Type() != gocv.MatTypeCV8U {
				t.Fatalf("the crop is %d by %d of type %v", crop.Cols(), crop.Rows(), crop.Type())
			}
			for i, want := range []uint8{50, 100, 150, 200} {
				if got := crop.GetUCharAt(8+i/2*16, 32+i%2*64); absDiff(got, want) > 4 {
					t.Errorf("quarter %d has grey %d, want %d", i, got, want)
				}
			}
			// The border between left and right lies in the middle.
			if l, r := crop.GetUCharAt(8, 60), crop.GetUCharAt(8, 67); absDiff(l, 50) > 12 || absDiff(r, 100) > 12 {
				t.Errorf("left of the middle is %d, right of it %d", l, r)
			}
		})
	}
}

func absDiff(a, b uint8) int { return int(math.Abs(float64(a) - float64(b))) }

func TestAPartOfAPlateIsCutWithItsMargins(t *testing.T) {
	quad := nrd.Quad{{X: 100, Y: 100}, {X: 300, Y: 100}, {X: 300, Y: 200}, {X: 100, Y: 200}}
	img := quarters(t, 400, 300, quad)
	defer img.Close()
	r := newRectifier()
	defer r.close()
	// The lower half, with as much again on the left: that is black.
	crop := r.cutGrey(img, quad, part{left: -1, top: 0.5, right: 1, bottom: 1}, 128, 32)
	for x, want := range map[int]uint8{20: 0, 80: 150, 110: 200} {
		if got := crop.GetUCharAt(16, x); absDiff(got, want) > 4 {
			t.Errorf("at %d the grey is %d, want %d", x, got, want)
		}
	}
}

func TestOnlyQuadsThatCanBePlatesArePlausible(t *testing.T) {
	nan := math.NaN()
	for name, c := range map[string]struct {
		quad nrd.Quad
		want bool
	}{
		"a plate":      {nrd.Quad{{X: 0, Y: 0}, {X: 100, Y: 0}, {X: 100, Y: 22}, {X: 0, Y: 22}}, true},
		"two lines":    {nrd.Quad{{X: 0, Y: 0}, {X: 57, Y: 0}, {X: 57, Y: 40}, {X: 0, Y: 40}}, true},
		"a point":      {nrd.Quad{}, false},
		"mirrored":     {nrd.Quad{{X: 100, Y: 0}, {X: 0, Y: 0}, {X: 0, Y: 22}, {X: 100, Y: 22}}, false},
		"crossed":      {nrd.Quad{{X: 0, Y: 0}, {X: 100, Y: 22}, {X: 100, Y: 0}, {X: 0, Y: 22}}, false},
		"a sliver":     {nrd.Quad{{X: 0, Y: 0}, {X: 100, Y: 0}, {X: 100, Y: 5}, {X: 0, Y: 5}}, false},
		"a tower":      {nrd.Quad{{X: 0, Y: 0}, {X: 22, Y: 0}, {X: 22, Y: 100}, {X: 0, Y: 100}}, false},
		"not a number": {nrd.Quad{{X: nan, Y: 0}, {X: 100, Y: 0}, {X: 100, Y: 22}, {X: 0, Y: 22}}, false},
		"endless":      {nrd.Quad{{X: 0, Y: 0}, {X: math.Inf(1), Y: 0}, {X: 100, Y: 22}, {X: 0, Y: 22}}, false},
	} {
		if got := plausible(c.quad); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// newMap is a localiser's output without any plate.
func newMap(w, h int) *plateMap {
	m := &plateMap{values: make([]float32, 9*w*h), w: w, h: h}
	for i := range w * h {
		m.values[i] = -8
	}
	return m
}

// put writes a plate into a map, centred near its cell.
func (m *plateMap) put(y, x int, logit float32, w, h float64) {
	m.values[y*m.w+x] = logit
	for i, v := range []float64{-w, -h, w, -h, w, h, -w, h} {
		m.values[((1+i)*m.h+y)*m.w+x] = float32(v / 2 / offset)
	}
}

func TestAPeakOfTheMapIsAPlateInPixelsOfThePhotograph(t *testing.T) {
	m := newMap(80, 60)
	m.put(20, 30, 3, 96, 20)
	got := inImage(m.plates(leastPlate), matrix{2, 0, 5, 0, 3, 7, 0, 0, 1}, 1280, 1440)
	if len(got) != 1 {
		t.Fatalf("%d plates", len(got))
	}
	if want := 1 / (1 + math.Exp(-3)); math.Abs(got[0].Confidence-want) > 1e-6 {
		t.Errorf("confidence %g, want %g", got[0].Confidence, want)
	}
	box := got[0].Quad.Bounds()
	want := nrd.Box{X: int((30.5*8-48)*2) + 5, Y: int((20.5*8-10)*3) + 7, W: 192, H: 60}
	if overlap(box, want) < 0.95 {
		t.Errorf("the plate is at %+v, want %+v", box, want)
	}
}

func TestAPlateAtTheEdgeStaysInThePicture(t *testing.T) {
	m := newMap(80, 60)
	m.put(0, 0, 3, 60, 14)
	m.put(59, 79, 3, 60, 14)
	for _, p := range inImage(m.plates(leastPlate), matrix{1, 0, 0, 0, 1, 0, 0, 0, 1}, 640, 480) {
		if b := p.Quad.Bounds(); b.X < 0 || b.Y < 0 || b.X+b.W > 640 || b.Y+b.H > 480 {
			t.Errorf("a plate at %+v", b)
		}
	}
}

func TestOnePlateIsFoundOnceAndNeighboursAreKept(t *testing.T) {
	quad := func(x, y float64) nrd.Quad {
		return nrd.Quad{{X: x, Y: y}, {X: x + 100, Y: y}, {X: x + 100, Y: y + 22}, {X: x, Y: y + 22}}
	}
	got := distinct([]Plate{{quad(0, 0), 0.6}, {quad(6, 2), 0.9}, {quad(104, 0), 0.8}, {quad(0, 30), 0.7}})
	if len(got) != 3 || got[0].Confidence != 0.9 || got[1].Confidence != 0.8 || got[2].Confidence != 0.7 {
		t.Errorf("%+v", got)
	}
}

func TestAMapFullOfPeaksGivesBoundedPlates(t *testing.T) {
	m := newMap(160, 120)
	for y := 0; y < 120; y += 2 {
		for x := 0; x < 160; x += 4 {
			m.put(y, x, 5, 28, 12)
		}
	}
	if got := distinct(m.plates(leastPlate)); len(got) != MaxPlates {
		t.Errorf("%d plates, want %d", len(got), MaxPlates)
	}
}

func TestTheInputKeepsItsShapeNearlyAndHasOneOfAFewSizes(t *testing.T) {
	for _, c := range [][4]int{{1280, 720, 640, 384}, {1280, 800, 640, 384}, {640, 480, 640, 480}, {480, 640, 480, 640}, {4000, 3000, 640, 480}, {1, 1, 640, 640}, {1280, 300, 640, 144}, {10000, 1, 640, 64}, {1, 10000, 64, 640}} {
		if w, h := inputSize(c[0], c[1], 640); w != c[2] || h != c[3] {
			t.Errorf("%d by %d becomes %d by %d, want %d by %d", c[0], c[1], w, h, c[2], c[3])
		}
	}
	for _, side := range []int{256, 512, 640} {
		heights := map[int]bool{}
		for short := 600; short <= 1000; short++ {
			_, h := inputSize(1000, short, side)
			heights[h] = true
		}
		if len(heights) > 4 {
			t.Errorf("pictures of a side of %d have %d heights", side, len(heights))
		}
	}
}

func TestNoPictureIsSquashedByMoreThanASixth(t *testing.T) {
	for _, side := range []int{256, 512, 640, 1024} {
		for short := 55 * 1024 / side; short <= 1000; short++ { // lower ones have the least height that there is
			w, h := inputSize(1000, short, side)
			kept := float64(h) / float64(w) / (float64(short) / 1000)
			if kept < 1-1.0/6 || kept > 1+1.0/6 {
				t.Errorf("1000 by %d becomes %d by %d", short, w, h)
			}
		}
	}
}

// overlap is the shared area of two boxes as a share of their union.
func overlap(a, b nrd.Box) float64 {
	i := intersection(a, b)
	return i / max(1, float64(a.W*a.H+b.W*b.H)-i)
}
