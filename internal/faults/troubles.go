package main

import (
	"context"
	"errors"
	"time"

	"nrd/internal/faults/plant"
)

// The kinds of trouble beside those of the link, which are called as in evils.

// fullDiskOf is a disk without room.
func fullDiskOf(side string) string { return "the disk is full of the " + side }

// steppedBy are the ways in which a clock is off: with a time service that vouches
// for it all the same, or set by hand, which ends every proof.
var steppedBy = map[string]struct {
	years  int
	byHand bool
}{
	"ten years ahead":           {10, false},
	"ten years behind":          {-10, false},
	"ten years ahead, by hand":  {10, true},
	"ten years behind, by hand": {-10, true},
}

// clockOf is the clock of a side stepped one of these ways.
func clockOf(side, way string) string { return "clock of the " + side + " " + way }

// backlog is three days in which the unit makes records and central is not
// there.
const backlog = "72 hours pass"

const year = 365 * 24 * time.Hour

// track makes troubles happen in turn.
func (w *world) track(ctx context.Context, troubles []trouble) {
	for _, t := range troubles {
		pause(ctx, t.after)
		if ctx.Err() != nil {
			return
		}
		over, err := w.begin(ctx, t)
		if err != nil {
			w.complain("%s: %v", t, err)
			return
		}
		w.tally.injected(t.kind)
		pause(ctx, t.lasts)
		if err := over(); err != nil {
			w.complain("%s: %v", t, err)
			return
		}
	}
}

// begin begins a trouble; over ends it.
func (w *world) begin(ctx context.Context, t trouble) (over func() error, err error) {
	if evils[t.kind] != nil {
		return func() error { w.network.heal(ctx); return nil }, w.network.spoil(t.kind)
	}
	if t.kind == backlog {
		return w.threeDays(ctx, t.lasts), nil
	}
	for side, on := range map[string]struct {
		control *plant.Control
		disk    *disk
	}{"unit": {w.unitControl, w.unitDisk}, "central": {w.centralControl, w.centralDisk}} {
		if t.kind == fullDiskOf(side) {
			return on.disk.relieve, on.disk.fill()
		}
		for way, by := range steppedBy {
			if t.kind == clockOf(side, way) {
				return step(on.control, time.Duration(by.years)*year, by.byHand), nil
			}
		}
	}
	return nil, errors.New("there is no such trouble")
}

// step steps a clock until over.
func step(c *plant.Control, by time.Duration, byHand bool) (over func() error) {
	if byHand {
		c.Unproved.Store(1)
	}
	c.Wall.Add(int64(by))
	return func() error {
		c.Wall.Add(int64(-by))
		c.Unproved.Store(0)
		return nil
	}
}

// threeDays lets the unit's clock run from three days ago to now in so long.
func (w *world) threeDays(ctx context.Context, lasts time.Duration) (over func() error) {
	const days, steps = 72 * time.Hour, 72
	w.unitControl.Wall.Store(int64(-days))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range steps {
			pause(ctx, lasts/steps)
			w.unitControl.Wall.Add(int64(days / steps))
			w.unitControl.Monotonic.Add(int64(days / steps))
		}
	}()
	return func() error { <-done; return nil }
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
