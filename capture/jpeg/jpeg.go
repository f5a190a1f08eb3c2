// Package jpeg makes OpenCV images of JPEG files and JPEG files of OpenCV images,
// by libjpeg-turbo:
//
//	img, err := jpeg.Decode(data) // blue, green, red; the caller closes it
//	data, err := jpeg.Encode(img, 90)
//
// OpenCV's own functions do the same, but its library for files needs a hundred and
// twenty others, which take 40 MB.
package jpeg

// #cgo LDFLAGS: -lturbojpeg
// #include <turbojpeg.h>
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"gocv.io/x/gocv"
)

// ErrUnsupported says that the data are no JPEG, or one in four colours for print.
// ErrImage says that an image is not 8-bit with one or three channels.
var (
	ErrUnsupported = errors.New("no JPEG in grey or three colours")
	ErrImage       = errors.New("no JPEG can be made of the image")
)

// Decode gives the image of a JPEG file, which the caller closes: 8-bit, three
// channels, upright where the file says how it was taken. Of a file that is cut off
// or damaged it gives what can be seen, as OpenCV does; one that would take for ever
// is refused.
func Decode(data []byte) (gocv.Mat, error) {
	if len(data) == 0 {
		return gocv.Mat{}, ErrUnsupported
	}
	t := C.tjInitDecompress()
	defer C.tjDestroy(t)
	var width, height, sampling, space C.int
	from, size := (*C.uchar)(unsafe.SliceData(data)), C.ulong(len(data))
	if C.tjDecompressHeader3(t, from, size, &width, &height, &sampling, &space) != 0 || space == C.TJCS_CMYK || space == C.TJCS_YCCK {
		return gocv.Mat{}, ErrUnsupported
	}
	img := gocv.NewMatWithSize(int(height), int(width), gocv.MatTypeCV8UC3)
	to, err := img.DataPtrUint8()
	if err != nil {
		return gocv.Mat{}, errors.Join(err, img.Close())
	}
	if C.tjDecompress2(t, from, size, (*C.uchar)(unsafe.SliceData(to)), width, 0, height, C.TJPF_BGR, C.TJFLAG_ACCURATEDCT|C.TJFLAG_LIMITSCANS) != 0 && C.tjGetErrorCode(t) != C.TJERR_WARNING {
		return gocv.Mat{}, errors.Join(fmt.Errorf("jpeg: %s", C.GoString(C.tjGetErrorStr2(t))), img.Close())
	}
	upright(&img, orientation(data))
	return img, nil
}

// Encode gives an 8-bit image as a JPEG file of a quality from 1 to 100, colours at
// half the resolution.
func Encode(img gocv.Mat, quality int) ([]byte, error) {
	format, sampling := C.int(C.TJPF_BGR), C.int(C.TJSAMP_420)
	switch {
	case img.Empty() || quality < 1 || quality > 100:
		return nil, ErrImage
	case img.Type() == gocv.MatTypeCV8UC1:
		format, sampling = C.TJPF_GRAY, C.TJSAMP_GRAY
	case img.Type() != gocv.MatTypeCV8UC3:
		return nil, fmt.Errorf("%w: it is of type %s", ErrImage, img.Type())
	}
	if !img.IsContinuous() { // a part of another
		whole := img.Clone()
		defer whole.Close()
		img = whole
	}
	from, err := img.DataPtrUint8()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrImage, err)
	}
	t := C.tjInitCompress()
	defer C.tjDestroy(t)
	var to *C.uchar
	var size C.ulong
	defer func() { C.tjFree(to) }()
	if C.tjCompress2(t, (*C.uchar)(unsafe.SliceData(from)), C.int(img.Cols()), 0, C.int(img.Rows()), format, &to, &size, sampling, C.int(quality), C.TJFLAG_ACCURATEDCT) != 0 { //nolint:gocritic // what cgo makes of it
		return nil, fmt.Errorf("%w: %s", ErrImage, C.GoString(C.tjGetErrorStr2(t)))
	}
	return C.GoBytes(unsafe.Pointer(to), C.int(size)), nil
}
