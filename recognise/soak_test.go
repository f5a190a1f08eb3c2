//go:build matprofile

package recognise

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
)

// resident is the process's memory in MB.
func resident(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc here to ask for the memory")
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize() >> 20
}

// TestFootageLeaksNothing plays the drive again and again as fast as it goes and
// counts after each time the pictures that OpenCV holds and the memory. SOAK is
// how much footage, as 2h30m; without it some seconds, which a test run has time
// for.
func TestFootageLeaksNothing(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("SOAK"))
	frames := 0 // of each round; 0 is all
	if err != nil {
		long, frames = 6*time.Second, 30
	}
	rec := newNetworks(t)
	rec.config.Unread, rec.config.OnProvisional = true, func(*nrd.Record) {}
	var played time.Duration
	var mats, memory int
	for round := 1; played < long || round <= 4; round++ {
		played += play(t, rec, frames)
		rec.Flush()
		switch n, mb := gocv.MatProfile.Count(), resident(t); {
		case round == 2: // everything was needed once
			mats, memory = n, mb
		case round > 2:
			if n > mats {
				var stacks bytes.Buffer
				_ = gocv.MatProfile.WriteTo(&stacks, 1)
				t.Fatalf("after %v of footage OpenCV holds %d pictures, %d at first:\n%s", played, n, mats, stacks.String())
			}
			if mb > memory+memory/5 {
				t.Fatalf("after %v of footage the process has %d MB, %d at first", played, mb, memory)
			}
			t.Logf("%v of footage: %d pictures, %d MB", played.Round(time.Second), n, mb)
		}
	}
}

// play shows the drive, or so many frames of it, and gives how long that is on the
// road.
func play(t *testing.T, rec *Recogniser, frames int) (length time.Duration) {
	t.Helper()
	source, err := capture.Open("../testdata/drive/drive.mp4", capture.Options{Clock: today})
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	for n := 1; ; n++ {
		frame, err := source.Next(t.Context())
		if errors.Is(err, capture.ErrEnd) || frames > 0 && n > frames {
			if err := frame.Close(); err != nil {
				t.Error(err)
			}
			return length
		}
		if err != nil {
			t.Fatal(err)
		}
		length = frame.Taken.Monotonic
		if _, err := rec.Track(frame); err != nil {
			t.Error(err)
		}
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	}
}
