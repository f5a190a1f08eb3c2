package picture

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"testing"

	"gocv.io/x/gocv"
)

func grey(t *testing.T, w, h int, value float64) gocv.Mat {
	t.Helper()
	m := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(value, value, value, 0), h, w, gocv.MatTypeCV8UC3)
	t.Cleanup(func() { m.Close() })
	return m
}

func TestAPartIsScaledDownAndNeverUp(t *testing.T) {
	img := grey(t, 400, 300, 120)
	for name, c := range map[string]struct {
		part         image.Rectangle
		width        int
		wantW, wantH int
	}{
		"scaled down":           {image.Rect(0, 0, 200, 100), 100, 100, 50},
		"left as it is":         {image.Rect(0, 0, 60, 30), 100, 60, 30},
		"half outside":          {image.Rect(-50, -50, 50, 40), 100, 50, 40},
		"outside, so all of it": {image.Rect(900, 900, 950, 950), 200, 200, 150},
		"nothing, so all of it": {image.Rectangle{}, 400, 400, 300},
		"a line one pixel high": {image.Rect(0, 0, 400, 1), 10, 10, 1},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := JPEG(img, c.part, c.width, 80)
			if err != nil {
				t.Fatal(err)
			}
			got, err := jpeg.DecodeConfig(bytes.NewReader(data))
			if err != nil || got.Width != c.wantW || got.Height != c.wantH {
				t.Errorf("%d x %d, %v, want %d x %d", got.Width, got.Height, err, c.wantW, c.wantH)
			}
		})
	}
}

func TestAnEmptyImageIsAnErrorNotACrash(t *testing.T) {
	empty := gocv.NewMat()
	defer empty.Close()
	if _, err := JPEG(empty, image.Rectangle{}, 100, 80); !errors.Is(err, ErrPicture) {
		t.Errorf("error %v", err)
	}
	if l := Luminance(empty); l != 0 {
		t.Errorf("luminance %v", l)
	}
}

func TestLuminanceIsThatOfTheEye(t *testing.T) {
	if l := Luminance(grey(t, 640, 480, 77)); math.Abs(l-77) > 0.5 {
		t.Errorf("grey 77 is %v", l)
	}
	green := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(0, 255, 0, 0), 10, 10, gocv.MatTypeCV8UC3)
	defer green.Close()
	if l := Luminance(green); math.Abs(l-150) > 1 {
		t.Errorf("green is %v, want 150", l)
	}
	one := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(40, 0, 0, 0), 10, 10, gocv.MatTypeCV8UC1)
	defer one.Close()
	if l := Luminance(one); math.Abs(l-40) > 0.5 {
		t.Errorf("one channel of 40 is %v", l)
	}
}
