package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
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
	// restartTime is what systemd waits for, which is longer, before it starts a program anew that has ended by itself.
	restartTime = time.Second
	// exitFull is central's exit code where its store's disk is full.
	exitFull = 6
)

// run lets the plan happen and gives what is wrong at the end.
func (w *world) run(ctx context.Context) ([]string, error) {
	p := w.plan
	w.unitControl.Rate.Store(int64(p.rate) * 1000 / cameras)
	w.centralControl.Receipts.Store(int64(p.receipts))
	var sides sync.WaitGroup
	if w.broker != nil {
		sides.Go(func() { w.live(ctx, w.broker, nil, p.brokers) })
	}
	sides.Go(func() { w.live(ctx, w.unit, w.unitDisk, p.unit) })
	sides.Go(func() {
		if p.centralLate > 0 {
			w.books.awaitFirst(ctx)
			pause(ctx, p.centralLate)
		}
		w.live(ctx, w.central, w.centralDisk, p.central)
	})
	for _, track := range p.troubles {
		sides.Go(func() {
			w.books.awaitFirst(ctx)
			w.track(ctx, track)
		})
	}
	sides.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	w.settle(ctx)
	if err := errors.Join(w.unitDisk.unmount(), w.centralDisk.unmount()); err != nil {
		return nil, err
	}
	f, err := w.look(ctx)
	if err != nil {
		w.complain("what was left cannot be opened: %v", err)
		w.tally.ended(counted{}, w.wrongs())
		return w.wrongs(), nil
	}
	count, wrong := w.verdict(f)
	wrong = append(w.wrongs(), wrong...)
	w.tally.ended(count, wrong)
	return wrong, nil
}

// live lets a program live its lives, and leaves it running.
func (w *world) live(ctx context.Context, p *program, d *disk, lives []life) {
	for i, l := range lives {
		var extra []string
		if l.point != "" {
			extra = append(extra, fmt.Sprintf("%s=%s %d", plant.EnvCrash, l.point, l.count))
		}
		if err := w.start(ctx, p, l.young, extra...); err != nil {
			w.complain("the %s could not be started: %v", p.name, err)
			return
		}
		p.awaitGone(ctx, l.lasts)
		if ctx.Err() != nil {
			return
		}
		w.end(p, l)
		if err := w.afterDeath(p, d, l, uint64(i)); err != nil {
			w.complain("the %s: %v", p.name, err)
			return
		}
	}
	if err := w.start(ctx, p, false); err != nil {
		w.complain("the %s could not be started: %v", p.name, err)
	}
}

// start starts a program and, if it is not to die young, waits until it works. Central ends at once where its disk is
// full, and is started again until there is room, as by systemd.
func (w *world) start(ctx context.Context, p *program, young bool, extra ...string) error {
	for ctx.Err() == nil {
		if err := p.start(extra...); err != nil || young || p == w.broker {
			return err
		}
		p.awaitUp(ctx, upTime)
		if state := p.ended(); state == nil || !w.full(p, state) {
			break
		}
		pause(ctx, restartTime)
	}
	return nil
}

// full reports whether a program has ended because its disk was full.
func (w *world) full(p *program, state *os.ProcessState) bool {
	return p == w.central && state.ExitCode() == exitFull
}

// end ends a life, and says what ended it.
func (w *world) end(p *program, l life) {
	was, state := p.end(syscall.SIGKILL, time.Minute)
	switch {
	case was:
		w.tally.injected(kill + " of the " + p.name)
	case killed(state) && l.point != "":
		w.tally.injected("died at " + l.point)
	case l.young && w.full(p, state):
	default:
		w.complain("the %s has ended by itself: %s", p.name, state)
	}
}

// afterDeath does to a dead program's data what the plan says.
func (w *world) afterDeath(p *program, d *disk, l life, n uint64) error {
	if d == nil {
		return nil
	}
	cut, err := d.cut(l.survival, w.seed+n)
	if err != nil {
		return err
	}
	if cut {
		w.tally.injected("power cut of the " + p.name + ", " + string(l.survival) + " survives")
	}
	if p != w.unit {
		return nil
	}
	if l.reimaged {
		w.books.excuse()
		w.tally.injected("the unit is re-imaged")
		if err := empty(w.buffer()); err != nil {
			return err
		}
	}
	flipped, err := corrupt(w.buffer(), rand.New(rand.NewPCG(w.seed, n)), l.flips)
	w.flipped += flipped
	for range flipped {
		w.tally.injected("byte of the buffer corrupted")
	}
	return err
}

// The kinds of faults.
const kill = "kill -9"

// isKill reports whether a fault of that kind ends a process.
func isKill(kind string) bool {
	return strings.HasPrefix(kind, kill) || strings.HasPrefix(kind, "died at ")
}

// settle lets the unit send what it has, undisturbed, and ends the programs.
func (w *world) settle(ctx context.Context) {
	w.network.heal(ctx)
	w.centralControl.Receipts.Store(0)
	w.unitControl.Rate.Store(-1)
	state, ended := w.unit.awaitGone(ctx, drainTime)
	switch {
	case !ended:
		w.complain("the unit still has something that central has not stored, %s after the last fault", drainTime)
	case state.ExitCode() != 0:
		w.complain("the unit has ended by itself: %s", state)
	}
	w.unit.end(syscall.SIGTERM, endTime)
	if w.broker != nil {
		defer w.broker.end(syscall.SIGTERM, endTime)
	}
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
	for _, p := range w.all() {
		p.end(syscall.SIGKILL, time.Second)
		errs = append(errs, p.log.Close())
	}
	w.network.close()
	return errors.Join(append(errs, w.unitDisk.unmount(), w.centralDisk.unmount())...)
}
