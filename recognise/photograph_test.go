package recognise

import (
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"nrd/capture"
)

func TestAPhotographIsLookedAtMoreCloselyUntilAPlateIsSurelyRead(t *testing.T) {
	const near, far = 512, 1024
	for name, c := range map[string]struct {
		least, width int
		sure         float64
		want         []int
	}{
		"a plate read at once":           {0, 1280, 0.99, []int{near}},
		"a plate that is tiny":           {far, 1280, 0.99, []int{near, far}},
		"a plate that is read unsurely":  {0, 1280, 0.93, []int{near, far}},
		"a photograph that is small":     {far, 400, 0.99, []int{near}},
		"a large one":                    {0, 2000, 0.99, []int{far}},
		"a large one, read unsurely":     {0, 2000, 0.93, []int{far, near}},
		"a large one without any plates": {9999, 2000, 0.99, []int{far, near}},
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
			if found := c.least <= c.want[len(c.want)-1]; found != (len(seen) == 1) {
				t.Errorf("%d reads", len(seen))
			}
		})
	}
}
