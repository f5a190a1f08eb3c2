//go:build matprofile

package capture_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd/capture"
)

// TestNoMatIsLeft counts the pictures that OpenCV holds before and after every
// way in which a source can end.
func TestNoMatIsLeft(t *testing.T) {
	dir := t.TempDir()
	photographs := filepath.Join(dir, "photographs")
	write(t, jpegBytes(t, picture(64, 48)), photographs, "1.jpg")
	write(t, []byte("no picture"), photographs, "2.jpg")
	write(t, hugePNG(64, 64), photographs, "3.png")
	film(t, filepath.Join(dir, "film.avi"), "MJPG", 15)
	if err := os.WriteFile(filepath.Join(dir, "bad.mp4"), []byte("no video"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, host := rtspServer(t)

	paced := options()
	paced.Pace = true
	stalling := options()
	stalling.Stall = 3 * time.Second
	cases := []struct {
		name, footage string
		o             capture.Options
		frames        int // taken before Close
		before        func()
	}{
		{name: "photographs", footage: photographs, frames: 10},
		{name: "a video to its end", footage: filepath.Join(dir, "film.avi"), frames: 20},
		{name: "a video given up", footage: filepath.Join(dir, "film.avi"), frames: 3},
		{name: "a video never looked at", footage: filepath.Join(dir, "film.avi")},
		{name: "a paced video taken late", footage: filepath.Join(dir, "film.avi"), o: paced, before: func() { time.Sleep(400 * time.Millisecond) }},
		{name: "a paced video that nobody took", footage: filepath.Join(dir, "film.avi"), o: paced, before: func() { time.Sleep(1200 * time.Millisecond) }},
		{name: "no video", footage: filepath.Join(dir, "bad.mp4")},
		{name: "no camera", footage: "/dev/null", frames: 1},
		{name: "a camera", footage: "rtsp://" + host + "/stream", frames: 5},
		{name: "a camera that dies", footage: "rtsp://" + host + "/stream", o: stalling, frames: 500, before: func() { _ = server.Kill() }},
	}
	for _, c := range cases {
		if c.o.Clock == nil {
			c.o = options()
		}
		before := gocv.MatProfile.Count()
		source, err := capture.Open(c.footage, c.o)
		if err == nil {
			if c.before != nil {
				c.before()
			}
			for range c.frames {
				frame, _ := source.Next(t.Context())
				if err := frame.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := source.Close(); err != nil {
				t.Error(err)
			}
		}
		if after := gocv.MatProfile.Count(); after != before {
			var where bytes.Buffer
			if err := gocv.MatProfile.WriteTo(&where, 1); err != nil {
				t.Error(err)
			}
			t.Errorf("%s: %d pictures are left\n%s", c.name, after-before, where.String())
		}
	}
}
