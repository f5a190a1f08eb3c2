package capture

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gocv.io/x/gocv"

	"nrd"
)

// closeWait is how long Close waits for a read that hangs in a driver.
const closeWait = time.Second

// liveQueue is how many frames of a live source wait for Next. The recogniser is
// late by so many frames at most; older ones are dropped.
const liveQueue = 2

// driver is what a stream is read from: a camera or a video file. Only the
// stream's own goroutine uses it, except for String.
type driver interface {
	// open may take long, but gives up when ctx ends if it can.
	open(ctx context.Context) error
	// read puts the next picture into image. It may hang for ever. ErrEnd says
	// that there are no more.
	read(image *gocv.Mat) error
	// taken is the stamp of the picture last read; it may wait for its time,
	// no longer than ctx.
	taken(ctx context.Context) nrd.Stamp
	// close ends it, also when open has failed.
	close() error
	// file is Frame.File.
	file() string
	// String is Source.String.
	String() string
}

// stream is the Source of everything that moves. One goroutine, grab, reads the
// driver; Next takes what it has put into frames.
type stream struct {
	driver  driver
	options Options
	live    bool
	frames  chan *Frame
	pool    *pool
	dropped atomic.Uint64

	// over ends once, with the reason; see end. It also ends grab.
	over context.Context
	end  context.CancelCauseFunc
	// grabbed is closed when grab has returned.
	grabbed chan struct{}
	closed  atomic.Bool
}

// newStream starts to read the driver. A live stream keeps the newest frames, any
// other waits for Next. A positive stall is the longest silence of the driver.
func newStream(d driver, live bool, stall time.Duration, o Options) *stream {
	s := &stream{driver: d, options: o, live: live, pool: &pool{}, grabbed: make(chan struct{})}
	s.over, s.end = context.WithCancelCause(context.Background())
	if live {
		s.frames = make(chan *Frame, liveQueue)
	} else {
		s.frames = make(chan *Frame)
	}
	go s.grab(stall)
	return s
}

// grab is the life of the driver.
func (s *stream) grab(stall time.Duration) {
	defer close(s.grabbed)
	defer s.dropUnwanted()
	alive := func() {}
	if stall > 0 {
		watchdog := time.AfterFunc(stall, func() {
			s.end(fmt.Errorf("%s: %w: none for %v", s.driver, ErrStalled, stall))
		})
		defer watchdog.Stop()
		alive = func() { watchdog.Reset(stall) }
	}
	err := s.driver.open(s.over)
	for n := uint64(1); err == nil && s.over.Err() == nil; n++ {
		err = s.grabOne(n, alive)
	}
	s.end(err)
	if err := errors.Join(s.driver.close(), s.pool.close()); err != nil {
		s.options.Log.Warn("a source was not closed properly", "source", s.String(), "error", err)
	}
}

func (s *stream) grabOne(sequence uint64, alive func()) error {
	image := s.pool.take()
	if err := s.driver.read(&image); err != nil {
		return errors.Join(err, image.Close())
	}
	alive()
	frame := s.options.frame(image, sequence, s.driver.taken(s.over), s.driver.file())
	frame.pool = s.pool
	if s.live {
		s.putNewest(frame)
		return nil
	}
	select {
	case s.frames <- frame:
		return nil
	case <-s.over.Done():
		return frame.Close()
	}
}

// putNewest never waits: while the queue is full its oldest frame goes.
func (s *stream) putNewest(frame *Frame) {
	for {
		select {
		case s.frames <- frame:
			return
		default:
		}
		select {
		case oldest := <-s.frames:
			s.dropped.Add(1)
			s.release(oldest)
		default:
		}
	}
}

// dropUnwanted gives the queue's pixels back once nobody can ask for them.
func (s *stream) dropUnwanted() {
	if !s.closed.Load() {
		return
	}
	for {
		select {
		case frame := <-s.frames:
			s.release(frame)
		default:
			return
		}
	}
}

func (s *stream) release(frame *Frame) {
	if err := frame.Close(); err != nil {
		s.options.Log.Warn("a frame was not released", "source", s.String(), "error", err)
	}
}

func (s *stream) Next(ctx context.Context) (*Frame, error) {
	if s.closed.Load() {
		return nil, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case frame := <-s.frames:
		return frame, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.over.Done():
	}
	if s.closed.Load() {
		return nil, ErrClosed
	}
	// What came before the end is still given.
	select {
	case frame := <-s.frames:
		return frame, nil
	default:
		return nil, context.Cause(s.over)
	}
}

func (s *stream) Dropped() uint64 { return s.dropped.Load() }

func (s *stream) Live() bool { return s.live }

func (s *stream) String() string { return s.driver.String() }

func (s *stream) Close() error {
	s.closed.Store(true)
	s.end(ErrClosed)
	patience := time.NewTimer(closeWait)
	defer patience.Stop()
	select {
	case <-s.grabbed:
		s.dropUnwanted()
	case <-patience.C:
		// grab drops the queue itself when the driver lets go of it.
		s.options.Log.Warn("a camera's driver hangs; it is left behind", "source", s.String())
	}
	return nil
}
