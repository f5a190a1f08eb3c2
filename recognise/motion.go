package recognise

import (
	"image"
	"time"

	"gocv.io/x/gocv"
)

const (
	// The small grey picture in which movement is looked for has cells of
	// about so many pixels of the frame's longer side.
	motionCells = 160
	// A cell has changed when its grey differs by more than changed; a
	// vehicle far away changes more cells than stirred.
	changed = 16
	stirred = 3
	// lookAnyhow is after how long a frame is looked at though nothing moved.
	lookAnyhow = time.Second
)

// motion tells whether anything has changed since the last frame that was looked
// at, from a small grey picture of each: a hundredth of what a look costs.
// Comparing with the frame of the last look rather than with the last frame, it
// also sees what moves slowly.
type motion struct {
	small, grey, reference, difference gocv.Mat
	// looked is the moment of the last look; valid says that there was one.
	looked moment
	valid  bool
}

func newMotion() *motion {
	return &motion{small: gocv.NewMat(), grey: gocv.NewMat(), reference: gocv.NewMat(), difference: gocv.NewMat()}
}

func (m *motion) close() {
	for _, mat := range []*gocv.Mat{&m.small, &m.grey, &m.reference, &m.difference} {
		_ = mat.Close() // never fails
	}
}

// moved reports whether img is to be looked at: something changed in it, or the
// last look is long ago.
func (m *motion) moved(img gocv.Mat, now moment) bool {
	w, h := img.Cols(), img.Rows()
	cell := max(1, float64(max(w, h))/motionCells)
	gocv.Resize(img, &m.small, image.Pt(max(1, int(float64(w)/cell)), max(1, int(float64(h)/cell))), 0, 0, gocv.InterpolationLinear)
	gocv.CvtColor(m.small, &m.grey, gocv.ColorBGRToGray)
	if !m.valid || now.since(m.looked) >= lookAnyhow || m.grey.Cols() != m.reference.Cols() || m.grey.Rows() != m.reference.Rows() {
		return true
	}
	gocv.AbsDiff(m.grey, m.reference, &m.difference)
	gocv.Threshold(m.difference, &m.difference, changed, 1, gocv.ThresholdBinary)
	return gocv.CountNonZero(m.difference) > stirred
}

// look makes the picture last compared the one to compare with.
func (m *motion) look(now moment) {
	m.grey, m.reference = m.reference, m.grey
	m.looked, m.valid = now, true
}
