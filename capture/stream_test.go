package capture

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/internal/clock"
)

// These tests put a driver of their own under a stream, one that fails as a
// broken camera does: it cannot be had to fail at will.

// brokenDriver gives good pictures and then hangs until it is let go.
type brokenDriver struct {
	good     int
	every    time.Duration // how long a good picture takes
	letGo    chan struct{}
	closed   chan struct{}
	hanging  chan struct{}
	pictures atomic.Int64
}

func newBrokenDriver(good int) *brokenDriver {
	return &brokenDriver{good: good, letGo: make(chan struct{}), closed: make(chan struct{}), hanging: make(chan struct{})}
}

func (d *brokenDriver) open(context.Context) error { return nil }

func (d *brokenDriver) read(image *gocv.Mat) error {
	time.Sleep(d.every)
	if d.pictures.Add(1) > int64(d.good) {
		if d.pictures.Load() == int64(d.good)+1 {
			close(d.hanging)
		}
		<-d.letGo
	}
	grey := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(1, 2, 3, 0), 8, 8, gocv.MatTypeCV8UC3)
	grey.CopyTo(image)
	return grey.Close()
}

func (d *brokenDriver) taken(context.Context) nrd.Stamp { return nrd.Stamp{} }
func (d *brokenDriver) close() error                    { close(d.closed); return nil }
func (d *brokenDriver) file() string                    { return "" }
func (d *brokenDriver) String() string                  { return "broken camera" }

func testOptions() Options {
	return Options{Clock: clock.System()}.withDefaults()
}

// wait fails the test where something does not happen.
func wait(t *testing.T, what string, happens <-chan struct{}) {
	t.Helper()
	select {
	case <-happens:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: it never happens", what)
	}
}

func TestAHungReadBlocksNeitherNextNorClose(t *testing.T) {
	d := newBrokenDriver(1)
	s := newStream(d, true, time.Hour, testOptions())
	frame, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := frame.Close(); err != nil {
		t.Error(err)
	}
	wait(t, "the driver hangs", d.hanging)

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next: %v", err)
	}

	waiting := make(chan error, 1)
	go func() {
		_, err := s.Next(t.Context())
		waiting <- err
	}()
	begun := time.Now()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took < closeWait/2 || took > 10*closeWait {
		t.Errorf("Close waited %v", took)
	}
	if err := <-waiting; !errors.Is(err, ErrClosed) {
		t.Errorf("the waiting Next: %v", err)
	}

	// What hangs still owns the camera; it is closed when the driver returns,
	// not before.
	select {
	case <-d.closed:
		t.Error("the camera was closed under a read")
	default:
	}
	close(d.letGo)
	wait(t, "the driver is closed", d.closed)
	wait(t, "the goroutine ends", s.grabbed)
	if len(s.frames) != 0 {
		t.Error("the late frame was kept")
	}
}

func TestASilentCameraIsStalledAndSaysSo(t *testing.T) {
	d := newBrokenDriver(1)
	s := newStream(d, true, 50*time.Millisecond, testOptions())
	wait(t, "the driver hangs", d.hanging)
	frame, err := s.Next(t.Context())
	if err != nil {
		t.Fatalf("what came before is given: %v", err)
	}
	if err := frame.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if _, err := s.Next(t.Context()); !errors.Is(err, ErrStalled) {
			t.Errorf("got %v", err)
		}
	}
	close(d.letGo)
	wait(t, "the goroutine ends by itself", s.grabbed)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestASlowCameraIsNotASilentOne(t *testing.T) {
	d := newBrokenDriver(12)
	d.every = 100 * time.Millisecond
	s := newStream(d, true, time.Second, testOptions())
	wait(t, "twelve frames came in more than the time-out", d.hanging)
	if s.over.Err() != nil {
		t.Errorf("given up: %v", context.Cause(s.over))
	}
	close(d.letGo)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheNewestFramesOfALiveSourceAreKept(t *testing.T) {
	d := newBrokenDriver(10)
	s := newStream(d, true, time.Hour, testOptions())
	wait(t, "ten frames came", d.hanging)
	if s.Dropped() != 10-liveQueue {
		t.Errorf("%d dropped", s.Dropped())
	}
	frame, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if frame.Sequence != 10-liveQueue+1 {
		t.Errorf("frame %d", frame.Sequence)
	}
	if err := frame.Close(); err != nil {
		t.Error(err)
	}
	close(d.letGo)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnUnpluggedCameraIsToldFromASilentOne(t *testing.T) {
	if why := deviceLost("/dev/null"); why != "" {
		t.Errorf("a device that is there: %q", why)
	}
	if why := deviceLost("/dev/video-unplugged"); why != "it was unplugged" {
		t.Errorf("one that is gone: %q", why)
	}
}
