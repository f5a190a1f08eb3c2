package recognise

import (
	"image"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
	"nrd/recognise/noise"
)

// frameAt is the nth frame of a camera with 25 a second.
func frameAt(img gocv.Mat, n int) *capture.Frame {
	at := time.Duration(n) * 40 * time.Millisecond
	return &capture.Frame{Image: img, Sequence: uint64(n + 1), Taken: nrd.Stamp{UTC: today.Add(at), Monotonic: at, BootID: "b"}}
}

// A street in which a car is parked, 25 frames a second.
func BenchmarkTrackOfAStillScene(b *testing.B) {
	rec := newNetworks(b)
	img := gocv.IMRead(photographs+"rear-near.jpg", gocv.IMReadColor)
	defer img.Close()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, err := rec.Track(frameAt(img, n)); err != nil {
			b.Fatal(err)
		}
	}
	s := rec.Stats()
	b.ReportMetric(100*float64(s.Looked)/float64(s.Frames), "%looked")
}

// The same, seen from a car that drives: everything moves in every frame.
func BenchmarkTrackOfAMovingScene(b *testing.B) {
	rec := newNetworks(b)
	img := gocv.IMRead(photographs+"rear-near.jpg", gocv.IMReadColor)
	defer img.Close()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		x := n % 40 * 8
		view := img.Region(image.Rect(x, 100, x+800, 650))
		_, err := rec.Track(frameAt(view, n))
		view.Close()
		if err != nil {
			b.Fatal(err)
		}
	}
	s := rec.Stats()
	b.ReportMetric(100*float64(s.Looked)/float64(s.Frames), "%looked")
}

// Only the question whether anything moved, in a picture of 1280 by 720.
func BenchmarkMotion(b *testing.B) {
	img := noise.Picture(b, 720, 1280, gocv.MatTypeCV8UC3)
	defer img.Close()
	m := newMotion()
	defer m.close()
	now := moment{}
	m.moved(img, now)
	m.look(now)
	b.ReportAllocs()
	for b.Loop() {
		m.moved(img, now)
	}
}

func BenchmarkLocalise(b *testing.B) {
	rec := newNetworks(b)
	img := crowd(b)
	defer img.Close()
	for b.Loop() {
		if _, err := rec.config.Localiser.Localise(img, FrameSide(img.Cols(), img.Rows())); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	rec := newNetworks(b)
	img, quad := drawn("AB12 CDE")
	defer img.Close()
	for b.Loop() {
		if _, err := rec.config.Reader.Read(img, quad); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPhotograph(b *testing.B) {
	rec := newNetworks(b)
	img := gocv.IMRead(photographs+"rear-near.jpg", gocv.IMReadColor)
	defer img.Close()
	for b.Loop() {
		if _, err := rec.Photograph(&capture.Frame{Image: img}); err != nil {
			b.Fatal(err)
		}
	}
}
