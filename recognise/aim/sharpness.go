package aim

import (
	"image"
	"math"

	"gocv.io/x/gocv"

	"nrd"
)

// gauge measures how sharp plates are. Its Mats are used again and again.
type gauge struct {
	small, grey, smooth, edges, squared, mean, deviation gocv.Mat
}

func newGauge() *gauge {
	return &gauge{
		small: gocv.NewMat(), grey: gocv.NewMat(), smooth: gocv.NewMat(), edges: gocv.NewMat(), squared: gocv.NewMat(),
		mean: gocv.NewMat(), deviation: gocv.NewMat(),
	}
}

func (g *gauge) close() {
	for _, m := range []*gocv.Mat{&g.small, &g.grey, &g.smooth, &g.edges, &g.squared, &g.mean, &g.deviation} {
		_ = m.Close() // never fails
	}
}

// The strength of the upright edges of plates that were rendered 50 to 200 px
// wide, beside their contrast: in focus it is about 0.40 whatever the width, and
// 0.15 where strokes run into one another. A plate wider than gaugeWidth is
// measured at that width, at which its strokes are still told apart.
const (
	gaugeWidth       = 128
	blurred, inFocus = 0.15, 0.40
)

// sharpness gives that of the plate, from 0 (its strokes run into one another) to
// 100 (in focus). Size and light do not count.
func (g *gauge) sharpness(img gocv.Mat, quad nrd.Quad) int {
	b := quad.Bounds()
	box := image.Rect(b.X, b.Y, b.X+b.W, b.Y+b.H).Intersect(image.Rect(0, 0, img.Cols(), img.Rows()))
	if box.Dx() < 8 || box.Dy() < 4 {
		return 0
	}
	region := img.Region(box)
	defer region.Close() //nolint:errcheck // never fails
	from := region
	if box.Dx() > gaugeWidth {
		gocv.Resize(region, &g.small, image.Pt(gaugeWidth, max(4, box.Dy()*gaugeWidth/box.Dx())), 0, 0, gocv.InterpolationArea)
		from = g.small
	}
	if from.Channels() == 3 {
		gocv.CvtColor(from, &g.grey, gocv.ColorBGRToGray)
	} else {
		from.CopyTo(&g.grey)
	}
	// Noise has edges too.
	gocv.GaussianBlur(g.grey, &g.smooth, image.Pt(3, 3), 0, 0, gocv.BorderDefault)
	gocv.Sobel(g.smooth, &g.edges, gocv.MatTypeCV32F, 1, 0, 3, 1.0/8, 0, gocv.BorderDefault)
	gocv.Multiply(g.edges, g.edges, &g.squared)
	gocv.MeanStdDev(g.smooth, &g.mean, &g.deviation)
	strength := math.Sqrt(g.squared.Mean().Val1) / (g.deviation.GetDoubleAt(0, 0) + 4)
	return int(100*max(0, min(1, (strength-blurred)/(inFocus-blurred))) + 0.5)
}
