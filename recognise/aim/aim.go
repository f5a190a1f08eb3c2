// Package aim helps whoever mounts a unit to aim its camera: it serves a page
// with the live picture, the plates that are found in it with their width and
// sharpness, advice in plain words, a count of the last minute, and whether the
// site can meet its figures. The region of interest is drawn on the page.
//
//	a := &aim.Aim{Name: "A1 northbound", Open: open, Listener: l, Terminal: os.Stderr, Profile: p, Clock: clock.System(), Log: log}
//	err := a.Run(ctx)
//
// The page is served to this machine alone; on any other address it is served
// over TLS, and only to who has the code that is printed at the terminal. Reads
// are not shown unless asked for. Nothing that is seen is kept.
package aim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"nrd"
	"nrd/capture"
	"nrd/recognise"
)

// Aim is an aiming aid. Fill in the fields, then Run it once.
type Aim struct {
	// Name is the camera's, for the page.
	Name string
	// Open opens the camera, or the footage that stands for it: that is begun
	// anew when it ends.
	Open func() (capture.Source, error)
	// Listener is where the page is served. Run closes it.
	Listener net.Listener
	// Terminal is told the page's address and, where they are needed, codes.
	Terminal io.Writer
	// ShowReads puts the marks on the page.
	ShowReads bool
	// Profile has the figures to be met, and Vehicle says that they are those
	// of a unit in a vehicle.
	Profile nrd.Profile
	Vehicle bool
	// Engine is one of recognise's readers; "" means networks. LeastConfidence
	// is the confidence below which a plate counts as not read; 0 means
	// recognise.DefaultLeastConfidence.
	Engine          string
	LeastConfidence int
	// Region is the camera's at the beginning. Save keeps another one and
	// says, for a person, where; it may be nil.
	Region recognise.Region
	Save   func(recognise.Region) (string, error)
	Clock  nrd.Clock
	Log    *slog.Logger

	board *board
}

// Run serves the page until ctx ends. It fails at once where the camera gives no
// picture; a camera that is lost later is waited for.
func (a *Aim) Run(ctx context.Context) (err error) {
	defer func() {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil
		}
	}()
	eye, err := a.newEye()
	if err != nil {
		return errors.Join(err, a.Listener.Close())
	}
	defer eye.close()
	source, first, err := a.begin(ctx)
	if err != nil {
		return errors.Join(err, a.Listener.Close())
	}
	a.board = newBoard(a.Region)
	server, err := a.newServer()
	if err != nil {
		return errors.Join(err, first.Close(), source.Close(), a.Listener.Close())
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return server.run(ctx) })
	group.Go(func() error { return a.watch(ctx, eye, source, first) })
	return group.Wait()
}

func (a *Aim) newEye() (*eye, error) {
	localiser, err := recognise.NewNetworkLocaliser()
	if err != nil {
		return nil, err
	}
	engine := a.Engine
	if engine == "" {
		engine = recognise.EngineNetworks
	}
	reader, err := recognise.NewReader(engine)
	if err != nil {
		return nil, errors.Join(err, localiser.Close())
	}
	e := &eye{localiser: &once{Localiser: localiser}, gauge: newGauge(), showReads: a.ShowReads, tally: tally{target: newTarget(a.Profile, a.Vehicle)}}
	e.reader, err = recognise.New(recognise.Config{
		Localiser: e.localiser, Reader: reader, Profile: a.Profile, Clock: a.Clock, LeastConfidence: a.LeastConfidence, Log: a.Log,
	})
	if err != nil {
		e.gauge.close()
		return nil, errors.Join(err, localiser.Close(), reader.Close())
	}
	return e, nil
}

func (e *eye) close() {
	_ = e.reader.Close() // nothing was written
	e.gauge.close()
}

// begin opens the camera and waits for its first frame.
func (a *Aim) begin(ctx context.Context) (capture.Source, *capture.Frame, error) {
	source, err := a.Open()
	if err != nil {
		return nil, nil, err
	}
	frame, err := source.Next(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, source.Close())
	}
	return source, frame, nil
}

const (
	// reopen is how long a lost camera is left alone before it is tried again.
	reopen = 2 * time.Second
	// hold is how long a photograph is looked at.
	hold = 1500 * time.Millisecond
)

// watch looks at frames until ctx ends.
func (a *Aim) watch(ctx context.Context, e *eye, source capture.Source, first *capture.Frame) error {
	for {
		err := a.frames(ctx, e, source, first)
		first = nil
		err = errors.Join(err, source.Close())
		for {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !errors.Is(err, capture.ErrEnd) {
				a.board.trouble(err)
				a.Log.Warn("the camera is opened anew", "camera", a.Name, "error", err)
				if err := wait(ctx, reopen); err != nil {
					return err
				}
			}
			if source, err = a.Open(); err == nil {
				break
			}
		}
	}
}

// frames looks at the frames of one opening of the camera.
func (a *Aim) frames(ctx context.Context, e *eye, source capture.Source, frame *capture.Frame) (err error) {
	for {
		if frame == nil {
			if frame, err = source.Next(ctx); err != nil {
				return err
			}
		}
		e.region = a.board.region()
		look, err := e.look(frame, a.Clock.Stamp().Monotonic)
		still := frame.File != "" && capture.IsStills(frame.File)
		if err := errors.Join(err, frame.Close()); err != nil {
			return fmt.Errorf("a frame cannot be looked at: %w", err)
		}
		frame = nil
		a.board.show(look)
		if still {
			if err := wait(ctx, hold); err != nil {
				return err
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
