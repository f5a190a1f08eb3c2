package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"os"
	"path/filepath"
	"testing"

	"gocv.io/x/gocv"
)

func photographs(t testing.TB) [][]byte {
	t.Helper()
	names, err := filepath.Glob("../../testdata/photographs/*.jpg")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	var all [][]byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data)
	}
	return all
}

func opencv(t testing.TB, data []byte) gocv.Mat {
	t.Helper()
	img, err := gocv.IMDecode(data, gocv.IMReadColor)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func pixels(t testing.TB, img gocv.Mat) []byte {
	t.Helper()
	p, err := img.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEachPixelIsAsOpenCVDecodesIt(t *testing.T) {
	for _, data := range append(photographs(t), grey(t)) {
		want := opencv(t, data)
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if got.Type() != want.Type() || !bytes.Equal(pixels(t, got), pixels(t, want)) {
			t.Errorf("%d bytes are another image", len(data))
		}
		want.Close()
		got.Close()
	}
}

func TestWhatIsThereOfAFileThatIsCutOffIsSeen(t *testing.T) {
	for _, data := range photographs(t) {
		whole := opencv(t, data)
		got, err := Decode(data[:len(data)/2])
		if err != nil {
			t.Fatal(err)
		}
		if top := len(pixels(t, got)) / 4; !bytes.Equal(pixels(t, got)[:top], pixels(t, whole)[:top]) {
			t.Errorf("the first quarter of %d bytes is another image", len(data))
		}
		whole.Close()
		got.Close()
	}
}

func grey(t testing.TB) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 33, 17))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAnImageIsTheSameAfterItWasAFile(t *testing.T) {
	whole := opencv(t, photographs(t)[0])
	defer whole.Close()
	part := whole.Region(image.Rect(3, 5, 100, 75))
	defer part.Close()
	gray := gocv.NewMat()
	defer gray.Close()
	gocv.CvtColor(part, &gray, gocv.ColorBGRToGray)
	for name, img := range map[string]gocv.Mat{"colour": part, "grey": gray} {
		data, err := Encode(img, 95)
		if err != nil {
			t.Fatal(name, err)
		}
		want, err := gocv.IMEncodeWithParams(gocv.JPEGFileExt, img, []int{gocv.IMWriteJpegQuality, 95})
		if err != nil {
			t.Fatal(err)
		}
		if ratio := float64(len(data)) / float64(want.Len()); ratio > 1.05 {
			t.Errorf("%s: %d bytes, OpenCV needs %d", name, len(data), want.Len())
		}
		want.Close()
		back, err := Decode(data)
		if err != nil {
			t.Fatal(name, err)
		}
		three := img.Clone()
		if name == "grey" {
			gocv.CvtColor(img, &three, gocv.ColorGrayToBGR)
		}
		difference := gocv.NewMat()
		gocv.AbsDiff(back, three, &difference)
		if mean := difference.Mean(); mean.Val1+mean.Val2+mean.Val3 > 15 {
			t.Errorf("%s: it differs by %v", name, mean)
		}
		for _, m := range []gocv.Mat{back, three, difference} {
			m.Close()
		}
	}
}

func TestWhatIsNoSuchImageIsRefused(t *testing.T) {
	empty, floats := gocv.NewMat(), gocv.NewMatWithSize(8, 8, gocv.MatTypeCV32F)
	defer empty.Close()
	defer floats.Close()
	for name, img := range map[string]gocv.Mat{"empty": empty, "of floats": floats} {
		if _, err := Encode(img, 90); !errors.Is(err, ErrImage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("no picture at all"), "a start": photographs(t)[0][:20]} {
		if img, err := Decode(data); err == nil {
			img.Close()
			t.Errorf("%s is an image", name)
		}
	}
}

// exif is a JPEG with what a telephone writes before the image.
func exif(t testing.TB, order byte, orientation byte) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 8, 4))
	for x := range 8 {
		for y := range 4 {
			img.Set(x, y, color.Gray{byte(30*x + 7*y)})
		}
	}
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	tiff := []byte{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 2, 1, 0, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0}
	if order == 'I' {
		tiff = []byte{'I', 'I', 42, 0, 8, 0, 0, 0, 2, 0, 0, 1, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0}
	}
	segment := append([]byte("Exif\x00\x00"), tiff...)
	head := append([]byte{0xff, 0xd8, 0xff, 0xe1, 0, byte(2 + len(segment))}, segment...)
	return append(head, b.Bytes()[2:]...)
}

func TestAnImageIsUprightAsOpenCVMakesIt(t *testing.T) {
	for _, order := range []byte{'I', 'M'} {
		for orientation := range byte(10) {
			data := exif(t, order, orientation)
			want := opencv(t, data)
			got, err := Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if got.Rows() != want.Rows() || !bytes.Equal(pixels(t, got), pixels(t, want)) {
				t.Errorf("%c, orientation %d: another image", order, orientation)
			}
			got.Close()
			want.Close()
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(grey(f))
	f.Add(exif(f, 'I', 6))
	f.Add(exif(f, 'M', 1)[:40])
	f.Fuzz(func(t *testing.T, data []byte) {
		if config, err := stdjpeg.DecodeConfig(bytes.NewReader(data)); err != nil || config.Width*config.Height > 1<<20 {
			t.Skip() // as whoever calls it does
		}
		if img, err := Decode(data); err == nil {
			img.Close()
		}
	})
}
