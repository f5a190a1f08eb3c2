// Package agent is the program of a unit: it joins the stages that a read goes
// through, from the camera to the buffer, and keeps them going.
//
// Each camera has a goroutine of its own that takes frames, recognises, matches
// and appends; the link to central has one, the lists one, the status one. What
// they share is the buffer and the cache of lists, which are safe for that.
// Nothing waits for central: a record is done when the buffer has it.
package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nrd"
	"nrd/hotlist"
	"nrd/hotlist/live"
	"nrd/incab"
	"nrd/internal/identity"
	"nrd/internal/notify"
	"nrd/uplink"
	"nrd/uplink/wire"
)

// Agent runs a unit. Fill in the fields, then Run it once.
type Agent struct {
	Config   *Config
	Clock    nrd.Clock
	Log      *slog.Logger
	Software string
	// Follow, where set, is told what becomes of each read. It is called from
	// several goroutines, one at a time, and must not block.
	Follow func(Happening)

	tally    *tally
	buffer   *uplink.Buffer
	cache    *hotlist.Cache
	position position
	client   *uplink.Client
	screen   *incab.Screen // nil for none
	live     *live.Lookups // nil for none
	// met says that central was reached once.
	met atomic.Bool

	published  *published // nil for lists of files only
	credential *identity.Credential
	pushed     *pushed
	orders     chan *wire.Signed
	news       chan struct{}
	// stop ends the work with a reason of the unit's own.
	stop context.CancelCauseFunc
	// wiped is the order by which the keys were destroyed.
	wiped atomic.Uint64
	// patience is how long a configuration from central may take to reach
	// central; 0 for the usual time.
	patience time.Duration
}

// Run works until ctx ends or, where every camera is a file, until the footage
// is over and central has stored all of it. The summary holds in both cases. The
// error is ErrRestart where central has changed the configuration: load it and run
// a new Agent. It is identity.ErrWiped where central ordered the unit to destroy
// what it holds.
func (a *Agent) Run(ctx context.Context) (Summary, error) {
	ctx, a.stop = context.WithCancelCause(ctx)
	defer a.stop(nil)
	summary, err := a.work(ctx)
	switch cause := context.Cause(ctx); {
	case a.wiped.Load() != 0:
		return summary, errors.Join(cause, err, a.removeRest())
	case errors.Is(cause, ErrRestart):
		return summary, cause
	case err != nil && a.pushed.onTrial():
		return summary, errors.Join(ErrRestart, a.pushed.rollBack(err.Error()))
	}
	return summary, err
}

func (a *Agent) work(ctx context.Context) (Summary, error) {
	a.tally = newTally(a.Clock, a.Follow, a.Config.Match)
	if err := a.open(); err != nil {
		return Summary{}, errors.Join(err, a.close())
	}
	a.tally.start(a.stats())

	watched := &lists{agent: a}
	if err := watched.begin(ctx); err != nil {
		return Summary{}, errors.Join(err, a.close())
	}

	local, err := a.listenLocal(ctx)
	if err != nil {
		return Summary{}, errors.Join(err, a.close())
	}
	if err := errors.Join(a.openLive(), a.openScreen(ctx)); err != nil {
		return Summary{}, errors.Join(err, local.close(), a.close())
	}

	// The link outlives the cameras, so that what they saw last still goes out.
	link, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	var group errgroup.Group
	group.Go(func() error { return quiet(a.client.Run(link)) })
	group.Go(func() error { return a.position.run(link) })
	group.Go(func() error { return watched.run(link) })
	if a.published != nil {
		group.Go(func() error { return a.published.run(link) })
	}
	group.Go(func() error { return notify.Watch(link, a.healthy) })
	group.Go(func() error { return a.keepIdentity(link) })
	group.Go(func() error {
		return (&anchors{clock: a.Clock, keep: a.buffer.Correct, log: a.Log}).run(link)
	})
	group.Go(func() error { return a.serveLocal(link, local) })
	group.Go(func() error { return a.obey(link) })
	if a.screen != nil {
		group.Go(func() error { return a.screen.Run(link) })
	}
	if a.live != nil {
		group.Go(func() error { return a.runLive(link) })
	}
	if err := notify.Ready(); err != nil {
		a.Log.Warn("the service manager was not told", "error", err)
	}

	err = a.watchCameras(ctx)
	if cause := context.Cause(ctx); !errors.Is(cause, ErrRestart) && !errors.Is(cause, identity.ErrWiped) {
		a.drain(ctx)
	}
	hangUp()
	err = errors.Join(err, group.Wait())
	summary := a.tally.summary(a.stats())
	return summary, errors.Join(err, a.close())
}

// open opens what the unit keeps and the link to central.
func (a *Agent) open() error {
	if err := a.unwiped(); err != nil {
		return err
	}
	key, err := a.Config.storageKey()
	if err != nil {
		return err
	}
	if a.pushed, err = openPushed(a.Config.pushedFile(), key); err != nil {
		return err
	}
	if a.Config, err = a.pushed.inForce(a.Config, a.Log); err != nil {
		return err
	}
	c := a.Config
	kept := c.cache(key, a.Clock, a.Log)
	kept.Good = func() time.Time { return a.credential.Reference() }
	if a.cache, err = hotlist.Open(kept); err != nil {
		return err
	}
	if a.buffer, err = uplink.OpenBuffer(c.buffer(key, a.Clock, a.Log)); err != nil {
		return err
	}
	if a.credential, err = identity.OpenCredential(c.Central.files(), key, a.Clock); err != nil {
		return fmt.Errorf("%s: central: %w", c.file, err)
	}
	if a.published, err = a.openPublished(key); err != nil {
		return err
	}
	a.orders, a.news = make(chan *wire.Signed, 4), make(chan struct{}, 1)
	if a.position, err = openPosition(c.Position, a.Clock, a.Log); err != nil {
		return fmt.Errorf("%s: position: %w", c.file, err)
	}
	a.client = &uplink.Client{
		Broker: c.Central.Broker, TLS: a.credential.TLS(), Device: c.Device, Buffer: a.buffer, Clock: a.Clock, Log: a.Log, Links: c.links(),
		Status: func() nrd.Status {
			a.met.Store(true) // only a connection asks
			return a.status()
		}, OnReceipt: a.tally.receipt, OnOrder: a.ordered, News: a.news,
	}
	if a.published != nil {
		a.client.OnNotice = a.published.noticed
	}
	return nil
}

func (a *Agent) close() error {
	a.published.close()
	var errs []error
	if a.cache != nil {
		errs = append(errs, a.cache.Close())
	}
	if a.buffer != nil {
		errs = append(errs, a.buffer.Close())
	}
	return errors.Join(errs...)
}

// watchCameras ends when every camera has: a live one at the end of ctx, a file
// at its own end. One camera's failure leaves the others at work.
func (a *Agent) watchCameras(ctx context.Context) error {
	errs := make([]error, len(a.Config.Cameras))
	var group errgroup.Group
	for i, settings := range a.Config.Cameras {
		group.Go(func() error {
			w := &watch{agent: a, settings: settings}
			if errs[i] = w.run(ctx); errs[i] != nil {
				a.Log.Error("a camera has stopped", "camera", settings.Name, "error", errs[i])
			}
			return nil
		})
	}
	_ = group.Wait() // the functions return nil; errs holds what happened
	return errors.Join(errs...)
}

// drainGrace is how long a unit that is told to stop waits for receipts: what
// has not gone by then waits in the buffer for the next start.
const drainGrace = 5 * time.Second

// drain waits until central has stored everything. Footage that came to its
// end waits without a limit; a stop waits for drainGrace.
func (a *Agent) drain(ctx context.Context) {
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	var grace <-chan time.Time
	stopped := ctx.Done()
	for waiting := a.stats(); waiting.Records+waiting.Images+waiting.Events > 0; waiting = a.stats() {
		select {
		case <-stopped:
			stopped, grace = nil, time.After(drainGrace)
		case <-grace:
			return
		case <-poll.C:
		}
	}
}

// stats asks the buffer how it stands; that it cannot say, or is full, is a
// problem to show.
func (a *Agent) stats() uplink.Stats {
	s, err := a.buffer.Stats()
	if s.Full {
		err = uplink.ErrFull
	}
	a.tally.problem("buffer", err)
	return s
}

// record matches what was recognised, keeps it, and tells whoever follows.
func (a *Agent) record(rec *nrd.Record) {
	c := a.Config
	rec.Profile, rec.Controller, rec.Deployment, rec.Software = c.profile.Name, c.Controller, c.Deployment, a.Software
	if !rec.Unread() {
		rec.Hits = a.matchNow(rec.Read.VRM)
	}
	as := a.tally.note(rec)
	if a.screen != nil {
		rec.Deployment = cmp.Or(a.screen.Authority(), rec.Deployment)
	}
	kept := a.keep(rec, as)
	if a.screen != nil {
		a.screen.Recorded(rec, as) // also where it was not kept: the people in the car are told
	}
	// The gateway's answer is about what they were told.
	if kept && a.live != nil && !rec.Unread() {
		a.live.Ask(rec)
	}
}

// keep gives a record to the buffer and tells whoever follows; it reports whether
// the buffer took it.
func (a *Agent) keep(rec *nrd.Record, as incab.Telling) bool {
	key, err := a.buffer.Append(rec)
	if err != nil {
		a.tally.lost(err)
		a.Log.Error("a record could not be kept", "error", err)
		return false
	}
	a.Log.Debug("kept", "key", key.String(), "vrm", rec.Read.VRM)
	if rec.IsHit() {
		a.Log.Info("hit", "key", key.String(), "priority", rec.Hits[0].Entry.Priority.String(), "list", rec.Hits[0].List.List)
	}
	a.tally.kept(rec, as)
	return true
}

// provisional tells a hit before the passage is over; the record follows.
func (a *Agent) provisional(rec *nrd.Record) {
	hits := a.matchNow(rec.Read.VRM)
	if len(hits) == 0 {
		return
	}
	for i := range hits {
		hits[i].Provisional = true
	}
	rec.Hits = hits
	as := a.tally.note(rec)
	if a.screen != nil {
		a.screen.Provisional(rec, as)
	}
	a.tally.provisional(rec, as)
}

// quiet drops the error that every component gives when it is told to stop.
func quiet(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
