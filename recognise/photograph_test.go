package recognise

import (
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"nrd/capture"
)

func TestAPhotographIsLookedAtInOtherScalesUntilAPlateIsSurelyRead(t *testing.T) {
	const far, coarse, middle, fine = 256, 512, 768, 1024
	for name, c := range map[string]struct {
		least, width int
		sure         float64
		want         []int
	}{
		"a plate read at once":           {0, 1280, 0.99, []int{coarse}},
		"a plate that is tiny":           {fine, 1280, 0.99, []int{coarse, fine}},
		"a plate that is read unsurely":  {0, 1280, 0.93, []int{coarse, fine, far}},
		"a photograph that is small":     {middle, 400, 0.99, []int{coarse, middle}},
		"a small one without any plates": {9999, 400, 0.99, []int{coarse, middle, far}},
		"a large one":                    {0, 2000, 0.99, []int{fine}},
		"a large one, read unsurely":     {0, 2000, 0.93, []int{fine, coarse, far}},
		"a large one without any plates": {9999, 2000, 0.99, []int{fine, coarse, far}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoad(t)
			r.scene.plates = []shown{{x: 100, y: 100, width: 120, text: "AB12CDE", sure: c.sure}}
			r.scene.least = c.least
			img := gocv.NewMatWithSize(c.width*3/4, c.width, gocv.MatTypeCV8UC3)
			defer img.Close()
			seen, err := r.rec.Photograph(&capture.Frame{Image: img})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(r.scene.sides, c.want) {
				t.Errorf("looked at sides of %v, want %v", r.scene.sides, c.want)
			}
			if found := c.least <= slices.Max(c.want); found != (len(seen) == 1) {
				t.Errorf("%d reads", len(seen))
			}
		})
	}
}
