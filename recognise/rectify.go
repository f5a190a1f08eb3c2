package recognise

import (
	"image"
	"image/color"
	"math"

	"gocv.io/x/gocv"

	"nrd"
)

// The networks were trained on plates cut out with these margins, as shares of
// the plate's width on each side and of its height at top and bottom.
const (
	marginX = 0.04
	marginY = 0.12
)

// size gives a quad's width and height in pixels, as means of opposite sides.
func size(q nrd.Quad) (w, h float64) {
	return (distance(q[0], q[1]) + distance(q[3], q[2])) / 2, (distance(q[0], q[3]) + distance(q[1], q[2])) / 2
}

func distance(a, b nrd.Point) float64 { return math.Hypot(a.X-b.X, a.Y-b.Y) }

// centre is the mean of the corners.
func centre(q nrd.Quad) nrd.Point {
	var c nrd.Point
	for _, p := range q {
		c.X += p.X / 4
		c.Y += p.Y / 4
	}
	return c
}

// plausible reports whether a quad can be a plate's outline: finite, convex, as
// the plate is read, and neither a sliver nor taller than any plate.
func plausible(q nrd.Quad) bool {
	for _, p := range q {
		if math.IsNaN(p.X) || math.IsNaN(p.Y) || math.Abs(p.X) > 1e6 || math.Abs(p.Y) > 1e6 {
			return false
		}
	}
	for i := range q {
		a, b, c := q[i], q[(i+1)%4], q[(i+2)%4]
		if (b.X-a.X)*(c.Y-b.Y)-(b.Y-a.Y)*(c.X-b.X) <= 0 {
			return false
		}
	}
	w, h := size(q)
	return w >= 8 && h >= 4 && w >= 0.45*h && w <= 14*h
}

// matrix is a perspective transform, row by row.
type matrix [9]float64

// quadFromUnit gives the transform that takes the corners of the unit square to
// the quad (P. Heckbert, Fundamentals of Texture Mapping, 1989).
func quadFromUnit(q nrd.Quad) matrix {
	sx := q[0].X - q[1].X + q[2].X - q[3].X
	sy := q[0].Y - q[1].Y + q[2].Y - q[3].Y
	dx1, dy1 := q[1].X-q[2].X, q[1].Y-q[2].Y
	dx2, dy2 := q[3].X-q[2].X, q[3].Y-q[2].Y
	var g, h float64
	if det := dx1*dy2 - dx2*dy1; det != 0 {
		g = (sx*dy2 - dx2*sy) / det
		h = (dx1*sy - sx*dy1) / det
	}
	return matrix{
		q[1].X - q[0].X + g*q[1].X, q[3].X - q[0].X + h*q[3].X, q[0].X,
		q[1].Y - q[0].Y + g*q[1].Y, q[3].Y - q[0].Y + h*q[3].Y, q[0].Y,
		g, h, 1,
	}
}

// times is the transform that first does b, then a.
func (a matrix) times(b matrix) (c matrix) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				c[3*i+j] += a[3*i+k] * b[3*k+j]
			}
		}
	}
	return c
}

// point takes a point through the transform.
func (a matrix) point(p nrd.Point) nrd.Point {
	z := a[6]*p.X + a[7]*p.Y + a[8]
	return nrd.Point{X: (a[0]*p.X + a[1]*p.Y + a[2]) / z, Y: (a[3]*p.X + a[4]*p.Y + a[5]) / z}
}

// quad takes the corners of a quad through the transform.
func (a matrix) quad(q nrd.Quad) nrd.Quad {
	for i := range q {
		q[i] = a.point(q[i])
	}
	return q
}

// part is a rectangle of the straightened plate, in shares of its width and
// height: 0 and 1 are the plate's border.
type part struct{ left, top, right, bottom float64 }

// whole is the plate with the margins the networks were trained with, widened or
// narrowed by extra on every side.
func whole(extraX, extraY float64) part {
	x, y := marginX+extraX, marginY+extraY
	return part{-x, -y, 1 + x, 1 + y}
}

// rectifier cuts straightened plates out of images. Its Mats are used again and
// again: what is straightened lies in a corner of room, which fits the largest.
type rectifier struct {
	transform, room, warped, small, grey gocv.Mat
}

func newRectifier() *rectifier {
	return &rectifier{
		transform: gocv.NewMatWithSize(3, 3, gocv.MatTypeCV64F),
		room:      gocv.NewMat(), warped: gocv.NewMat(), small: gocv.NewMat(), grey: gocv.NewMat(),
	}
}

func (r *rectifier) close() {
	for _, m := range []*gocv.Mat{&r.transform, &r.warped, &r.room, &r.small, &r.grey} {
		_ = m.Close() // never fails
	}
}

// cutGrey is cut in grey.
func (r *rectifier) cutGrey(img gocv.Mat, quad nrd.Quad, p part, w, h int) gocv.Mat {
	flat := r.cut(img, quad, p, w, h)
	if flat.Channels() == 1 {
		flat.CopyTo(&r.grey) // in one piece
		return r.grey
	}
	gocv.CvtColor(flat, &r.grey, gocv.ColorBGRToGray)
	return r.grey
}

// cut gives the part p of the plate outlined by quad, w by h pixels. The Mat
// is the rectifier's and valid until its next cut.
func (r *rectifier) cut(img gocv.Mat, quad nrd.Quad, p part, w, h int) gocv.Mat {
	// A plate much larger than its crop is first straightened at a multiple
	// of the crop's size and then averaged down, so that no pixel is skipped.
	qw, _ := size(quad)
	times := max(1, min(4, int(qw*(p.right-p.left)/float64(w)+0.5)))
	bw, bh := float64(w*times), float64(h*times)
	// Pixel centres lie at half pixels in both pictures.
	toUnit := matrix{
		(p.right - p.left) / bw, 0, p.left + (p.right-p.left)*0.5/bw,
		0, (p.bottom - p.top) / bh, p.top + (p.bottom-p.top)*0.5/bh,
		0, 0, 1,
	}
	toImage := matrix{1, 0, -0.5, 0, 1, -0.5, 0, 0, 1}.times(quadFromUnit(quad)).times(toUnit)
	for i, v := range toImage {
		r.transform.SetDoubleAt(i/3, i%3, v)
	}

	r.clear(w*times, h*times, img.Type())
	gocv.WarpPerspectiveWithParams(img, &r.warped, r.transform, image.Pt(w*times, h*times),
		gocv.InterpolationLinear|gocv.WarpInverseMap, gocv.BorderReplicate, color.RGBA{})
	flat := r.warped
	if times > 1 {
		gocv.Resize(r.warped, &r.small, image.Pt(w, h), 0, 0, gocv.InterpolationArea)
		flat = r.small
	}
	return flat
}

// clear makes warped a corner of room, w by h pixels.
func (r *rectifier) clear(w, h int, kind gocv.MatType) {
	_ = r.warped.Close() // never fails
	if r.room.Empty() || r.room.Type() != kind || r.room.Cols() < w || r.room.Rows() < h {
		w, h := max(w, r.room.Cols()), max(h, r.room.Rows())
		_ = r.room.Close() // never fails
		r.room = gocv.NewMatWithSize(h, w, kind)
	}
	r.warped = r.room.Region(image.Rect(0, 0, w, h))
}
