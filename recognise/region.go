package recognise

import (
	"fmt"
	"image"
	"math"

	"gocv.io/x/gocv"
)

// Region is a part of a camera's picture: left, top, right and bottom edge in
// shares of its width and height. The zero value is the whole picture.
type Region [4]float64

// leastRegion is the smallest width and height of a region.
const leastRegion = 0.05

// Check says what is wrong with a region: the error is ErrRegion.
func (r Region) Check() error {
	if r == (Region{}) {
		return nil
	}
	for _, v := range r {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%w: %v is not within 0 and 1", ErrRegion, v)
		}
	}
	if r[2]-r[0] < leastRegion || r[3]-r[1] < leastRegion {
		return fmt.Errorf("%w: left is less than right and top less than bottom, by %v at least", ErrRegion, leastRegion)
	}
	return nil
}

// of gives the region of an image in its pixels, one pixel at least.
func (r Region) of(img gocv.Mat) image.Rectangle {
	w, h := img.Cols(), img.Rows()
	if r == (Region{}) {
		return image.Rect(0, 0, w, h)
	}
	x := min(int(r[0]*float64(w)), w-1)
	y := min(int(r[1]*float64(h)), h-1)
	return image.Rect(x, y, max(x+1, int(math.Ceil(r[2]*float64(w)))), max(y+1, int(math.Ceil(r[3]*float64(h)))))
}
