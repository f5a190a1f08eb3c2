package recognise

import (
	"errors"
	"fmt"
	"image"
	"math"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture/jpeg"
)

// evidence keeps the two pictures of the best frame of a passage, already at
// their final size but not yet compressed: a better frame may still come.
type evidence struct {
	patch, overview gocv.Mat
	// Of a frame that may become the best: the plate, and its edges.
	small, grey, edges, mean, deviation gocv.Mat
}

func newEvidence() *evidence {
	return &evidence{
		patch: gocv.NewMat(), overview: gocv.NewMat(),
		small: gocv.NewMat(), grey: gocv.NewMat(), edges: gocv.NewMat(), mean: gocv.NewMat(), deviation: gocv.NewMat(),
	}
}

func (e *evidence) close() {
	for _, m := range []*gocv.Mat{&e.patch, &e.overview, &e.small, &e.grey, &e.edges, &e.mean, &e.deviation} {
		_ = m.Close() // never fails
	}
}

// sharpness is how sharp the plate is, 0 to 1: how strong its edges are beside its
// contrast, at the size of a patch, so that light and distance do not count.
func (e *evidence) sharpness(img gocv.Mat, quad nrd.Quad) float64 {
	const width, height = 120, 32
	region := img.Region(surroundings(quad, img.Cols(), img.Rows()))
	defer region.Close() //nolint:errcheck // never fails
	gocv.Resize(region, &e.small, image.Pt(width, height), 0, 0, gocv.InterpolationArea)
	gocv.CvtColor(e.small, &e.grey, gocv.ColorBGRToGray)
	gocv.Laplacian(e.grey, &e.edges, gocv.MatTypeCV16S, 1, 1, 0, gocv.BorderDefault)
	edges, contrast := e.spread(e.edges), e.spread(e.grey)
	return max(0.05, edges/(edges+contrast+1))
}

// spread is the standard deviation of a picture's values.
func (e *evidence) spread(img gocv.Mat) float64 {
	gocv.MeanStdDev(img, &e.mean, &e.deviation)
	return e.deviation.GetDoubleAt(0, 0)
}

// take copies the plate and the scene out of a frame, scaled to the profile.
func (e *evidence) take(img gocv.Mat, quad nrd.Quad, p *nrd.Profile) {
	region := img.Region(surroundings(quad, img.Cols(), img.Rows()))
	shrink(region, &e.patch, p.PatchWidth, p.PatchHeight)
	_ = region.Close() // never fails
	shrink(img, &e.overview, p.OverviewWidth, math.MaxInt32)
}

// surroundings is the plate with a border, so that a person sees that nothing
// was cut off, within the frame.
func surroundings(quad nrd.Quad, w, h int) image.Rectangle {
	b := quad.Bounds()
	r := image.Rect(b.X-b.W/12-2, b.Y-b.H/6-2, b.X+b.W+b.W/12+2, b.Y+b.H+b.H/6+2).Intersect(image.Rect(0, 0, w, h))
	if r.Empty() {
		return image.Rect(0, 0, w, h)
	}
	return r
}

// shrink scales src to fit into w by h, never up.
func shrink(src gocv.Mat, dst *gocv.Mat, w, h int) {
	scale := min(1, float64(w)/float64(src.Cols()), float64(h)/float64(src.Rows()))
	if scale == 1 {
		src.CopyTo(dst)
		return
	}
	round := func(v int) int { return max(1, int(float64(v)*scale)) }
	gocv.Resize(src, dst, image.Pt(round(src.Cols()), round(src.Rows())), 0, 0, gocv.InterpolationArea)
}

// images compresses what was taken within the profile's caps. A picture that
// failed is empty.
func (e *evidence) images(p *nrd.Profile) (patch, overview nrd.Image, err error) {
	patch, errPatch := compress(e.patch, p.PatchMaxBytes)
	overview, errOverview := compress(e.overview, p.OverviewMaxBytes)
	return patch, overview, errors.Join(errPatch, errOverview)
}

// compress makes a JPEG of at most so many bytes: as good as fits, and where
// even a poor one does not fit, smaller.
func compress(img gocv.Mat, most int) (nrd.Image, error) {
	small := gocv.NewMat()
	defer small.Close()
	from := img
	for from.Cols() >= 16 {
		for quality := 90; quality >= 30; quality -= 10 {
			data, err := jpeg.Encode(from, quality)
			if err != nil {
				return nrd.Image{}, fmt.Errorf("%w: %w", ErrEvidence, err)
			}
			if len(data) <= most {
				return nrd.Image{JPEG: data, Width: from.Cols(), Height: from.Rows()}, nil
			}
		}
		gocv.Resize(from, &small, image.Pt(from.Cols()*3/4, max(1, from.Rows()*3/4)), 0, 0, gocv.InterpolationArea)
		from = small
	}
	return nrd.Image{}, fmt.Errorf("%w: %d by %d pixels in %d bytes", ErrEvidence, img.Cols(), img.Rows(), most)
}
