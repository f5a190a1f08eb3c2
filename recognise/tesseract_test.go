package recognise

import (
	"image"
	"image/color"
	"sync"
	"testing"

	"gocv.io/x/gocv"

	"nrd"
)

// drawn is a picture of dark text on a light plate that lies askew on grey.
func drawn(lines ...string) (gocv.Mat, nrd.Quad) {
	img := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(120, 120, 120, 0), 400, 800, gocv.MatTypeCV8UC3)
	w, h := 440, 90*len(lines)+10
	gocv.Rectangle(&img, image.Rect(150, 100, 150+w, 100+h), color.RGBA{R: 235, G: 235, B: 235}, -1)
	for i, text := range lines {
		gocv.PutText(&img, text, image.Pt(170, 100+80+90*i), gocv.FontHersheyDuplex, 2.6, color.RGBA{R: 20, G: 20, B: 20}, 7)
	}
	return img, nrd.Quad{{X: 150, Y: 100}, {X: 590, Y: 100}, {X: 590, Y: float64(100 + h)}, {X: 150, Y: float64(100 + h)}}
}

func TestTesseractReadsADrawnPlate(t *testing.T) {
	r, err := NewReader(EngineTesseract)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, lines := range [][]string{{"AB12CDE"}, {"AB12", "CDE"}} {
		img, quad := drawn(lines...)
		look, err := r.Read(img, quad)
		img.Close()
		if err != nil || len(look) == 0 {
			t.Fatalf("%v: %v %v", lines, look, err)
		}
		read, ok := choose(look, today.Now())
		if !ok || read.VRM != "AB12CDE" || read.Confidence < 10 || look[0].Lines != len(lines) {
			t.Errorf("%v was read as %+v from %d lines", lines, read, look[0].Lines)
		}
	}
}

func TestTesseractReadsNothingOnABlankPlate(t *testing.T) {
	r, err := NewReader(EngineTesseract)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	img, quad := drawn("")
	defer img.Close()
	look, err := r.Read(img, quad)
	if err != nil || len(look) != 0 {
		t.Errorf("a blank plate was read as %v, %v", look, err)
	}
}

func TestTwoTesseractsWorkSideBySide(t *testing.T) {
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			r, err := NewReader(EngineTesseract)
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Close()
			img, quad := drawn("AB12CDE")
			defer img.Close()
			if look, err := r.Read(img, quad); err != nil || len(look) == 0 {
				t.Errorf("%v %v", look, err)
			}
		})
	}
	group.Wait()
}

func TestAnUnknownEngineIsRefused(t *testing.T) {
	if r, err := NewReader("magic"); err == nil {
		r.Close()
		t.Error("magic was opened")
	}
}
