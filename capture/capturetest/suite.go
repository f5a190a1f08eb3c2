// Package capturetest holds what every [capture.Source] must do, as one suite of
// tests that each kind of source runs.
package capturetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
)

// patience is how long the suite waits for something that a user would not wait
// for either.
const patience = 20 * time.Second

// Suite describes one kind of source.
type Suite struct {
	// Clock stamps the frames.
	Clock nrd.Clock
	// Open opens the source anew.
	Open func(t *testing.T, o capture.Options) capture.Source
	// Live is what the source must say of itself.
	Live bool
	// Paced says that a file is stamped by the clock, as a live source is;
	// otherwise it is stamped by the file.
	Paced bool
	// Frames is how many frames it has in all, 0 for one without an end.
	Frames int
	// Secret must not show in String.
	Secret string
}

// camera is what frames are expected to carry.
var camera = nrd.Camera{Feed: 1, Source: 2, Camera: 3, Name: "suite"}

// here is a position that tells which stamp it was asked for.
type here struct{}

func (here) Fix(at nrd.Stamp) nrd.Fix {
	return nrd.Fix{Source: nrd.FixStatic, Latitude: 52.6, Longitude: 1.3, Time: at.UTC}
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	t.Run("EveryFrameIsComplete", s.everyFrameIsComplete)
	t.Run("FramesComeInOrder", s.framesComeInOrder)
	t.Run("TheEndIsSaidAgainAndAgain", s.theEndIsSaidAgainAndAgain)
	t.Run("NextEndsWithItsContext", s.nextEndsWithItsContext)
	t.Run("CloseWakesNext", s.closeWakesNext)
	t.Run("NothingComesAfterClose", s.nothingComesAfterClose)
	t.Run("NobodyNeedsToTakeTheFrames", s.nobodyNeedsToTakeTheFrames)
	t.Run("ItTellsWhatItIs", s.itTellsWhatItIs)
}

func (s Suite) open(t *testing.T) capture.Source {
	t.Helper()
	source := s.Open(t, capture.Options{Camera: camera, Clock: s.Clock, Positions: here{}})
	t.Cleanup(func() { closeSource(t, source) })
	return source
}

func closeSource(t *testing.T, source capture.Source) {
	t.Helper()
	if err := source.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// take gives the next frame, and closes it when the test ends.
func take(t *testing.T, source capture.Source) *capture.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	frame, err := source.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	t.Cleanup(func() { release(t, frame) })
	return frame
}

func release(t *testing.T, frame *capture.Frame) {
	t.Helper()
	if err := frame.Close(); err != nil {
		t.Errorf("closing a frame: %v", err)
	}
}

func (s Suite) everyFrameIsComplete(t *testing.T) {
	source := s.open(t)
	before := s.Clock.Stamp()
	frame := take(t, source)
	after := s.Clock.Stamp()
	if frame.Image.Empty() || frame.Image.Type() != gocv.MatTypeCV8UC3 {
		t.Errorf("the image is of type %v, want 8-bit BGR", frame.Image.Type())
	}
	if frame.Camera != camera {
		t.Errorf("camera %+v", frame.Camera)
	}
	if frame.Fix.Source != nrd.FixStatic || !frame.Fix.Time.Equal(frame.Taken.UTC) {
		t.Errorf("the fix is not that of the frame's moment %v: %+v", frame.Taken.UTC, frame.Fix)
	}
	if frame.Taken.UTC.IsZero() || frame.Taken.UTC.Location() != time.UTC {
		t.Errorf("taken %v", frame.Taken.UTC)
	}
	if !s.Live && !s.Paced {
		if frame.Taken.Source != nrd.ClockFile || frame.Taken.Proved || frame.Taken.BootID != "" || frame.File == "" {
			t.Errorf("a file's time is no observation: %+v of %q", frame.Taken, frame.File)
		}
		return
	}
	m := frame.Taken.Monotonic
	if frame.Taken.BootID != before.BootID || m < before.Monotonic-patience || m > after.Monotonic {
		t.Errorf("stamped %+v, asked between %v and %v", frame.Taken, before, after)
	}
}

func (s Suite) framesComeInOrder(t *testing.T) {
	source := s.open(t)
	wanted := s.Frames
	if wanted == 0 {
		wanted = 10
	}
	var last nrd.Stamp
	var sequence uint64
	got := 0
	for got < wanted {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		frame, err := source.Next(ctx)
		cancel()
		if errors.Is(err, capture.ErrEnd) {
			break
		}
		if err != nil {
			t.Fatalf("frame %d: %v", got+1, err)
		}
		got++
		if frame.Sequence <= sequence || !s.Live && frame.Sequence != sequence+1 {
			t.Errorf("frame %d follows frame %d", frame.Sequence, sequence)
		}
		if frame.Taken.Monotonic < last.Monotonic || frame.Taken.UTC.Before(last.UTC) {
			t.Errorf("frame %d was taken at %v, before the one before it, %v", frame.Sequence, frame.Taken, last)
		}
		sequence, last = frame.Sequence, frame.Taken
		release(t, frame)
	}
	if lost := source.Dropped(); uint64(got)+lost < uint64(wanted) || lost > 0 && !s.Live {
		t.Errorf("%d frames and %d dropped, want %d", got, lost, wanted)
	}
}

func (s Suite) theEndIsSaidAgainAndAgain(t *testing.T) {
	if s.Frames == 0 {
		return // it has no end
	}
	source := s.open(t)
	for n := 0; ; n++ {
		frame, err := source.Next(t.Context())
		if err == nil {
			release(t, frame)
			continue
		}
		if !errors.Is(err, capture.ErrEnd) {
			t.Fatalf("after %d frames: %v", n, err)
		}
		break
	}
	if _, err := source.Next(t.Context()); !errors.Is(err, capture.ErrEnd) {
		t.Errorf("after the end: %v", err)
	}
	closeSource(t, source)
	if _, err := source.Next(t.Context()); !errors.Is(err, capture.ErrClosed) {
		t.Errorf("closed after the end: %v", err)
	}
}

func (s Suite) nextEndsWithItsContext(t *testing.T) {
	source := s.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := source.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if frame := take(t, source); !s.Live && frame.Sequence != 1 {
		t.Errorf("the call that was given up swallowed frames: the first is %d", frame.Sequence)
	}
}

func (s Suite) closeWakesNext(t *testing.T) {
	source := s.open(t)
	ended := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		close(started)
		for {
			frame, err := source.Next(t.Context())
			if err != nil {
				ended <- err
				return
			}
			if err := frame.Close(); err != nil {
				ended <- err
				return
			}
		}
	}()
	<-started
	closeSource(t, source)
	select {
	case err := <-ended:
		if !errors.Is(err, capture.ErrClosed) && !errors.Is(err, capture.ErrEnd) {
			t.Errorf("got %v", err)
		}
	case <-time.After(patience):
		t.Fatal("Next still waits")
	}
}

func (s Suite) nothingComesAfterClose(t *testing.T) {
	source := s.open(t)
	take(t, source)
	for range 2 {
		closeSource(t, source)
		if _, err := source.Next(t.Context()); !errors.Is(err, capture.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

func (s Suite) nobodyNeedsToTakeTheFrames(t *testing.T) {
	closeSource(t, s.open(t))
}

func (s Suite) itTellsWhatItIs(t *testing.T) {
	source := s.open(t)
	if source.Live() != s.Live {
		t.Errorf("Live is %v", source.Live())
	}
	name := source.String()
	if name == "" || s.Secret != "" && strings.Contains(name, s.Secret) {
		t.Errorf("it calls itself %q", name)
	}
}
