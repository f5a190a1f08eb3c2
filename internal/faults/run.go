package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"nrd"
	"nrd/internal/faults/plant"
	"nrd/uplink/wire"
)

const (
	// upTime is how long a start may take on a busy machine.
	upTime = time.Minute
	// drainTime is how long both sides may take, when nothing disturbs them any
	// more, until central has everything.
	drainTime = 2 * time.Minute
	endTime   = 20 * time.Second
)

// run lets a plan happen to a world and notes what is wrong at the end.
func (w *world) run(ctx context.Context, p plan) error {
	w.unitControl.Rate.Store(60 * 1000)
	var sides sync.WaitGroup
	sides.Go(func() { w.live(ctx, w.unit, p.unit) })
	sides.Go(func() { w.live(ctx, w.central, p.central) })
	sides.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	w.settle(ctx)
	f, err := w.look(ctx)
	if err != nil {
		w.complain("what was left cannot be opened: %v", err)
		w.tally.ended(counted{}, w.wrongs())
		return nil
	}
	count, wrong := w.verdict(f)
	w.tally.ended(count, append(w.wrongs(), wrong...))
	return nil
}

// live lets a program live its lives, and leaves it running.
func (w *world) live(ctx context.Context, p *program, lives []life) {
	for _, l := range lives {
		var extra []string
		if l.point != "" {
			extra = append(extra, fmt.Sprintf("%s=%s %d", plant.EnvCrash, l.point, l.count))
		}
		if err := p.start(extra...); err != nil {
			w.complain("the %s could not be started: %v", p.name, err)
			return
		}
		if !l.young {
			p.awaitUp(ctx, upTime)
		}
		p.awaitGone(ctx, l.lasts)
		w.end(p, l)
		if ctx.Err() != nil {
			return
		}
	}
	if err := p.start(); err != nil {
		w.complain("the %s could not be started: %v", p.name, err)
	}
}

// end ends a life, and says what ended it.
func (w *world) end(p *program, l life) {
	was, state := p.end(syscall.SIGKILL, time.Minute)
	switch {
	case was:
		w.tally.injected(kill + " of the " + p.name)
	case killed(state) && l.point != "":
		w.tally.injected("died at " + l.point)
	default:
		w.complain("the %s has ended by itself: %s", p.name, state)
	}
}

// The kinds of faults.
const kill = "kill -9"

// isKill reports whether a fault of that kind ends a process.
func isKill(kind string) bool {
	return strings.HasPrefix(kind, kill) || strings.HasPrefix(kind, "died at ")
}

// settle lets the unit send what it has, undisturbed, and ends the programs.
func (w *world) settle(ctx context.Context) {
	w.unitControl.Rate.Store(-1)
	state, ended := w.unit.awaitGone(ctx, drainTime)
	switch {
	case !ended:
		w.complain("the unit still has something that central has not stored, %s after the last fault", drainTime)
	case state.ExitCode() != 0:
		w.complain("the unit has ended by itself: %s", state)
	}
	w.unit.end(syscall.SIGTERM, endTime)
	if _, state := w.central.end(syscall.SIGTERM, endTime); state.ExitCode() != 0 {
		w.complain("central was told to end, and ended with: %s", state)
	}
}

// keyOf reads the key of a record as it is on the wire.
func keyOf(payload []byte) (nrd.Key, error) {
	var m wire.Record
	if err := wire.Unmarshal(payload, &m); err != nil {
		return nrd.Key{}, err
	}
	return wire.ToKey(m.GetKey())
}

// close ends whatever still runs.
func (w *world) close() error {
	var errs []error
	for _, p := range []*program{w.unit, w.central} {
		p.end(syscall.SIGKILL, time.Second)
		errs = append(errs, p.log.Close())
	}
	return errors.Join(errs...)
}
