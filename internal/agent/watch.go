package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"nrd"
	"nrd/capture"
	"nrd/recognise"
)

// watch is one camera at work: it opens the source, takes frames, recognises,
// and opens a live source anew when it stalls.
type watch struct {
	agent    *Agent
	settings CameraConfig
}

// A camera that cannot be opened is tried again after a while that doubles from
// reopenFirst to reopenLast, less a random part so that a site's cameras do not
// all come back at once.
const (
	reopenFirst = time.Second
	reopenLast  = time.Minute
)

// run ends with ctx, or with the end of a file.
func (w *watch) run(ctx context.Context) error {
	rec, err := w.recogniser()
	if err != nil {
		return err
	}
	defer rec.Close() //nolint:errcheck // nothing is left in it
	name := "camera " + w.settings.Name
	for pause := reopenFirst; ; pause = min(2*pause, reopenLast) {
		frames, err := w.watchOnce(ctx, rec)
		if ctx.Err() != nil || errors.Is(err, capture.ErrEnd) {
			w.agent.tally.problem(name, nil)
			return nil
		}
		if !w.live() {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.agent.tally.problem(name, err)
		w.agent.Log.Warn("the camera is opened anew", "camera", w.settings.Name, "error", err)
		if frames > 0 {
			pause = reopenFirst
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause/2 + rand.N(pause/2)):
		}
	}
}

// watchOnce takes frames from one opening of the source until it ends. What is
// still in view then is recorded, whatever ended it.
func (w *watch) watchOnce(ctx context.Context, rec *recognise.Recogniser) (frames int, err error) {
	source, err := capture.Open(w.settings.Footage, w.options())
	if err != nil {
		return 0, err
	}
	w.agent.Log.Info("watching", "camera", w.settings.Name, "source", source.String())
	var dropped uint64
	countDropped := func() {
		now := source.Dropped()
		w.agent.tally.droppedFrames(now - dropped)
		dropped = now
	}
	defer func() {
		countDropped()
		err = errors.Join(err, source.Close())
	}()
	defer func() { w.keep(rec.Flush()) }()
	file := ""
	for {
		frame, err := source.Next(ctx)
		if errors.Is(err, capture.ErrUnreadable) || errors.Is(err, capture.ErrTooLarge) {
			w.agent.Log.Warn("a picture was left out", "camera", w.settings.Name, "error", err)
			continue
		}
		if err != nil {
			return frames, err
		}
		// The next photograph is another scene: its vehicles are others.
		if frame.File != file {
			w.keep(rec.Flush())
			file = frame.File
		}
		frames++
		w.agent.tally.frame(w.settings.Name)
		countDropped()
		w.agent.tally.problem("camera "+w.settings.Name, nil)
		records, err := rec.Track(frame)
		if err := errors.Join(err, frame.Close()); err != nil {
			w.agent.Log.Warn("a frame could not be read", "camera", w.settings.Name, "error", err)
		}
		w.keep(records)
	}
}

func (w *watch) keep(records []*nrd.Record) {
	for _, r := range records {
		w.agent.record(r)
	}
}

// recogniser makes the camera's own recogniser with the configured engine.
func (w *watch) recogniser() (*recognise.Recogniser, error) {
	c := w.agent.Config
	localiser, err := recognise.NewNetworkLocaliser()
	if err != nil {
		return nil, err
	}
	reader, err := recognise.NewReader(c.Recognise.Engine)
	if err != nil {
		return nil, errors.Join(err, localiser.Close())
	}
	return recognise.New(recognise.Config{
		Localiser: localiser, Reader: reader, Profile: c.profile, Clock: w.agent.Clock,
		LeastConfidence: c.Recognise.MinimumConfidence, Region: w.settings.Region, Unread: true, OnProvisional: w.agent.provisional, Log: w.agent.Log,
	})
}

// live reports whether the footage is a camera rather than a file, before it
// could be opened.
func (w *watch) live() bool { return capture.IsLive(w.settings.Footage) }

func (w *watch) options() capture.Options {
	s := w.settings
	return capture.Options{
		Camera: nrd.Camera{Feed: s.Feed, Source: s.Source, Camera: s.Camera, Name: s.Name},
		Clock:  w.agent.Clock, Positions: w.agent.position, Stall: time.Duration(s.Stall), Pace: s.Pace, Log: w.agent.Log,
	}
}
