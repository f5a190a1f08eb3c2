// Package noise makes pictures of noise, for tests: whatever a network does with one, it does with the same one always.
package noise

import (
	"testing"

	"gocv.io/x/gocv"
)

// Picture is filled with bytes that repeat only after a long while. The caller closes it.
func Picture(t testing.TB, rows, cols int, kind gocv.MatType) gocv.Mat {
	t.Helper()
	m := gocv.NewMatWithSize(rows, cols, kind)
	pixels, err := m.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	state := uint32(1)
	for i := range pixels {
		state = state*1664525 + 1013904223
		pixels[i] = uint8(state >> 24)
	}
	return m
}
