//go:build matprofile

package recognise

import (
	"bytes"
	"testing"

	"gocv.io/x/gocv"

	"nrd/capture"
)

// TestNoPixelsAreLeftBehind counts the Mats that are open after everything was
// used and closed. It runs with -tags matprofile.
func TestNoPixelsAreLeftBehind(t *testing.T) {
	before := gocv.MatProfile.Count()
	t.Run("work", func(t *testing.T) {
		networks := newNetworks(t)
		tesseract, err := NewTesseractReader()
		if err != nil {
			t.Fatal(err)
		}
		defer tesseract.Close()
		img, quad := drawn("AB12", "CDE")
		defer img.Close()
		many := crowd(t)
		defer many.Close()
		r := newRoad(t)
		var settled int
		for i := range 6 {
			for _, picture := range []gocv.Mat{img, many} {
				if _, err := networks.Photograph(&capture.Frame{Image: picture}); err != nil {
					t.Fatal(err)
				}
				if _, err := networks.Track(&capture.Frame{Image: picture, Sequence: uint64(i)}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := tesseract.Read(img, quad); err != nil {
				t.Fatal(err)
			}
			r.show(shown{x: 100, y: 300, width: 100, text: "AB12CDE", sure: 0.99})
			r.empty(20)
			networks.Flush()
			switch n := gocv.MatProfile.Count(); {
			case i == 2:
				settled = n
			case i > 2 && n > settled:
				t.Fatalf("%d Mats are open after round %d, %d after round 2", n, i, settled)
			}
		}
		if len(r.told) != 6 {
			t.Errorf("%d records", len(r.told))
		}
	})
	if after := gocv.MatProfile.Count(); after != before {
		var stacks bytes.Buffer
		_ = gocv.MatProfile.WriteTo(&stacks, 1)
		t.Errorf("%d Mats were not closed:\n%s", after-before, stacks.String())
	}
}
