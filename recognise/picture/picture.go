// Package picture makes of a frame what a page shows: a JPEG of a part of it, and
// how light it is.
package picture

import (
	"errors"
	"fmt"
	"image"

	"gocv.io/x/gocv"

	"nrd/capture/jpeg"
)

// ErrPicture says that a picture could not be made of an image.
var ErrPicture = errors.New("no picture can be made of it")

// JPEG gives a part of an 8-bit image, scaled down to be at most width pixels
// wide, as a JPEG of a quality from 1 to 100. What of the part lies outside of
// the image is left out; of a part that lies outside altogether, and of an empty
// one, the whole image is taken.
func JPEG(img gocv.Mat, part image.Rectangle, width, quality int) ([]byte, error) {
	if img.Empty() {
		return nil, fmt.Errorf("%w: the image is empty", ErrPicture)
	}
	whole := image.Rect(0, 0, img.Cols(), img.Rows())
	if part = part.Intersect(whole); part.Empty() {
		part = whole
	}
	region := img.Region(part)
	defer region.Close()
	from := region
	if part.Dx() > width {
		small := gocv.NewMat()
		defer small.Close()
		gocv.Resize(region, &small, image.Pt(width, max(1, part.Dy()*width/part.Dx())), 0, 0, gocv.InterpolationArea)
		from = small
	}
	data, err := jpeg.Encode(from, quality)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	return data, nil
}

// Luminance gives the mean brightness of an 8-bit image, from 0 to 255. It looks
// at a small copy.
func Luminance(img gocv.Mat) float64 {
	if img.Empty() {
		return 0
	}
	small := gocv.NewMat()
	defer small.Close()
	gocv.Resize(img, &small, image.Pt(64, 64), 0, 0, gocv.InterpolationArea)
	mean := small.Mean()
	if small.Channels() == 1 {
		return mean.Val1
	}
	return 0.114*mean.Val1 + 0.587*mean.Val2 + 0.299*mean.Val3 // blue, green, red
}
