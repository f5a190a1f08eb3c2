package capture_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/capture"
	"nrd/capture/capturetest"
	"nrd/internal/clock"
)

func TestAVideoIsASource(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.avi"), "MJPG", 12)
	capturetest.Suite{
		Clock:  clock.System(),
		Frames: 12,
		Open: func(t *testing.T, o capture.Options) capture.Source {
			source, err := capture.Open(path, o)
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
	}.Run(t)
}

func TestAPacedVideoIsASource(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.avi"), "MJPG", 12)
	capturetest.Suite{
		Clock:  clock.System(),
		Frames: 12,
		Paced:  true,
		Open: func(t *testing.T, o capture.Options) capture.Source {
			o.Pace = true
			source, err := capture.Open(path, o)
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
	}.Run(t)
}

// all takes frames until there are no more and gives their times and grey.
func all(t *testing.T, source capture.Source) (taken []nrd.Stamp, grey []int) {
	t.Helper()
	for {
		frame, err := next(t, source)
		if errors.Is(err, capture.ErrEnd) {
			return taken, grey
		}
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, frame.Taken)
		grey = append(grey, brightness(frame, 80, 60))
	}
}

func TestAVideosFramesComeAllAndAtTheirTimes(t *testing.T) {
	start := time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC)
	for _, c := range []struct{ name, codec string }{{"a.avi", "MJPG"}, {"a:b.mp4", "mp4v"}} {
		t.Run(c.name, func(t *testing.T) {
			path := film(t, filepath.Join(t.TempDir(), c.name), c.codec, 30)
			o := options()
			o.Start = start
			taken, grey := all(t, openTest(t, path, o))
			if len(taken) != 30 {
				t.Fatalf("%d frames", len(taken))
			}
			for n := range taken {
				want := start.Add(time.Duration(n) * 40 * time.Millisecond)
				if d := taken[n].UTC.Sub(want).Abs(); d > time.Millisecond {
					t.Errorf("frame %d was taken %v, want %v", n, taken[n].UTC, want)
				}
				// A codec may be a little off, but not by two frames.
				if d := grey[n] - darkest - 5*n; d < -6 || d > 6 {
					t.Errorf("frame %d shows grey %d: it is another one", n, grey[n])
				}
			}
		})
	}
}

func TestAVideoWithoutAStartBeganWhenItsFileWasWritten(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.avi"), "MJPG", 3)
	at := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	taken, _ := all(t, openTest(t, path, options()))
	if !taken[0].UTC.Equal(at) {
		t.Errorf("began %v", taken[0].UTC)
	}
}

func TestAPacedVideoTakesItsTime(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.avi"), "MJPG", 15)
	o := options()
	o.Pace = true
	began := o.Clock.Stamp().Monotonic
	source := openTest(t, path, o)
	taken := 0
	for {
		frame, err := next(t, source)
		if errors.Is(err, capture.ErrEnd) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		taken++
		// A busy machine may be late, but no frame may be early.
		place := time.Duration(frame.Sequence-1) * 40 * time.Millisecond
		if frame.Taken.Monotonic-began < place {
			t.Errorf("frame %d came after %v, its place is %v", frame.Sequence, frame.Taken.Monotonic-began, place)
		}
		if frame.Taken.Source == nrd.ClockFile {
			t.Errorf("frame %d is stamped by the file", frame.Sequence)
		}
	}
	if n := taken + int(source.Dropped()); n != 15 {
		t.Errorf("%d frames were taken or dropped", n)
	}
}

// slowed makes the second half of an MP4's frames last twice as long, as in the
// film of a telephone, whose frames come in uneven steps.
func slowed(t *testing.T, path string, frames int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// The table of durations, stts, has one entry: count and duration. It gets
	// a second one, and every box around it grows. The frames lie before it.
	at := bytes.Index(content, []byte("stts"))
	if at < 0 {
		t.Fatal("no table of durations")
	}
	duration := binary.BigEndian.Uint32(content[at+16:])
	table := binary.BigEndian.AppendUint32([]byte("stts\x00\x00\x00\x00"), 2)
	table = binary.BigEndian.AppendUint32(table, uint32(frames/2))
	table = binary.BigEndian.AppendUint32(table, duration)
	table = binary.BigEndian.AppendUint32(table, uint32(frames-frames/2))
	table = binary.BigEndian.AppendUint32(table, 2*duration)
	for _, box := range []string{"moov", "trak", "mdia", "minf", "stbl", "stts"} {
		size := content[bytes.LastIndex(content[:at+4], []byte(box))-4:]
		binary.BigEndian.PutUint32(size, binary.BigEndian.Uint32(size)+8)
	}
	content = slices.Concat(content[:at], table, content[at+20:])
	// Nor is there an edit list any more, which would end the film early.
	copy(content[max(0, bytes.LastIndex(content, []byte("edts"))):], "free")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFramesInUnevenStepsKeepTheirTimes(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.mp4"), "mp4v", 20)
	slowed(t, path, 20)
	taken, _ := all(t, openTest(t, path, options()))
	if len(taken) != 20 {
		t.Fatalf("%d frames", len(taken))
	}
	first, second := taken[9].Monotonic-taken[0].Monotonic, taken[19].Monotonic-taken[10].Monotonic
	if d := (second - 2*first).Abs(); d > 2*time.Millisecond || first < 300*time.Millisecond {
		t.Errorf("nine steps took %v, and the last nine %v", first, second)
	}
}

func TestAPacedVideoWaitsForWhoIsSlow(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.avi"), "MJPG", 15)
	o := options()
	o.Pace = true
	source := openTest(t, path, o)
	time.Sleep(400 * time.Millisecond) // ten frames' time
	taken, _ := all(t, source)
	if len(taken) != 15 || source.Dropped() != 0 {
		t.Errorf("%d frames of 15 came, %d were dropped", len(taken), source.Dropped())
	}
}

func TestATruncatedVideoGivesWhatItHasAndSaysSo(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.avi"), "MJPG", 200)
	halve(t, path)
	var log bytes.Buffer
	o := options()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	taken, _ := all(t, openTest(t, path, o))
	if len(taken) < 80 || len(taken) > 110 {
		t.Errorf("half the video gave %d frames of 200", len(taken))
	}
	if text := log.String(); !strings.Contains(text, "breaks off") || !strings.Contains(text, "promised=200") || !strings.Contains(text, path) {
		t.Errorf("the log says %q", text)
	}
}

func TestAWholeVideoIsNotComplainedAbout(t *testing.T) {
	path := film(t, filepath.Join(t.TempDir(), "film.mp4"), "mp4v", 60)
	var log bytes.Buffer
	o := options()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	all(t, openTest(t, path, o))
	if log.Len() > 0 {
		t.Errorf("the log says %q", log.String())
	}
}

func TestABadVideoIsAnErrorWithItsName(t *testing.T) {
	dir := t.TempDir()
	cut := film(t, filepath.Join(dir, "cut.mp4"), "mp4v", 60) // its index stands at the end
	halve(t, cut)
	cases := []string{
		write(t, nil, dir, "empty.mp4"),
		write(t, []byte("this is no video\n"), dir, "text.avi"),
		write(t, []byte("neither\n"), dir, "noextension"),
		cut,
		filepath.Join(dir, "missing.mp4"),
	}
	for _, path := range cases {
		_, err := capture.Open(path, options())
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
		if !strings.Contains(path, "missing") && !errors.Is(err, capture.ErrUnreadable) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func BenchmarkVideoFrame(b *testing.B) {
	path := film(b, filepath.Join(b.TempDir(), "film.avi"), "MJPG", 50)
	source := openTest(b, path, options())
	for b.Loop() {
		frame, err := source.Next(b.Context())
		if errors.Is(err, capture.ErrEnd) {
			source = openTest(b, path, options())
			continue
		}
		if err != nil {
			b.Fatal(err)
		}
		if err := frame.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
