// Package publish gives units the lists that they may have.
//
//	p := &publish.Publisher{Dir: dir, Key: key, Signer: signer, Devices: approved, Admit: admit, Notice: notice, Clock: clock, Log: log}
//	err := p.Initialize(ctx)
//	err = p.Publish(ctx, publish.List{Name: "wanted", Version: 7, Made: made}, entries)
//
// A list is published as a snapshot and as the delta from the version before
// (package hotlist/publication); a unit takes what brings it to the newest version
// with the fewest bytes. The files are sealed, each under a key of its own that
// only the metadata of the devices that may have them names; so neither central's
// disk nor a copy of it gives a list away, and a download that was cut is no
// plaintext either.
//
// What a device may have is its role in the signed repository (internal/trust).
// The metadata is made anew when a list or the devices change and every few hours,
// is kept in memory and goes to none but its device: [Publisher.Handler] decides by
// the certificate. What is published, with which keys, stands sealed in one file
// that changes in one step.
package publish

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"time"

	"nrd"
	"nrd/hotlist/publication"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/internal/trust"
	"nrd/internal/turn"
)

// List is a list to be published.
type List struct {
	Name string
	// Version is above every version of this list that was published before.
	Version uint64
	// Made is when its owner made it; after Expires units show it as late. The
	// zero time is no expiry.
	Made, Expires time.Time
	// Near matches look-alikes too; Status is for a list of tens of millions of
	// entries that come in few kinds. It travels as snapshots only.
	Near, Status bool
	// Recipients are the devices that may have it; nil is every approved one.
	Recipients []string
}

func (l List) check() error {
	say := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrList}, args...)...)
	}
	switch {
	case l.Name == "" || len(l.Name) > 256:
		return say("its name has 1 to 256 bytes")
	case l.Version == 0:
		return say("%s: versions count from 1", l.Name)
	case l.Made.IsZero():
		return say("%s: it does not say when it was made", l.Name)
	case l.Near && l.Status:
		return say("%s: a list of statuses is too large to be matched nearly", l.Name)
	}
	for _, device := range l.Recipients {
		if err := identity.ValidDevice(device); err != nil {
			return say("%s: recipient %w", l.Name, err)
		}
	}
	return nil
}

// For says whether a device may have the list.
func (l List) For(device string) bool {
	return l.Recipients == nil || slices.Contains(l.Recipients, device)
}

// Publisher publishes. Fill the fields and call Initialize, then Run. Its methods
// are safe for concurrent use.
type Publisher struct {
	// Dir is the folder of what is published; it is made if it is not there.
	Dir string
	// Key is the site's; the publisher derives its own from it.
	Key    *sealed.Key
	Signer *trust.Online
	// Devices gives the devices that are approved and not revoked.
	Devices func(ctx context.Context) ([]string, error)
	// Admit says whether a device may come with the certificate of this
	// fingerprint, and why not.
	Admit func(ctx context.Context, device, fingerprint string) error
	// Notice is told that something new is published. It may be nil.
	Notice func(number int64)
	Clock  nrd.Clock
	Log    *slog.Logger

	key *sealed.Key
	// turns are of whoever makes the next version of a list. That takes minutes where
	// it is large, and no other list and no new device waits for it.
	turns turn.Turns
	// publishing is held by whoever changes what is published: never for long.
	publishing sync.Mutex
	mu         sync.RWMutex
	state      state
	signed     signed
}

// Initialize reads what is published and signs it anew.
func (p *Publisher) Initialize(ctx context.Context) error {
	p.key = p.Key.Derive("publication of lists")
	if err := sealed.MakeDir(p.Dir); err != nil {
		return err
	}
	var err error
	if p.state, err = p.readState(); err != nil {
		return err
	}
	p.publishing.Lock()
	defer p.publishing.Unlock()
	if err := p.sweep(true); err != nil {
		return err
	}
	return p.sign(ctx, p.state.copy())
}

// signEvery is how often the metadata is signed anew: often enough that a morning
// without central makes none expire.
const signEvery = trust.Life / 4

// lookEvery is how often it is looked whether there are other devices now.
const lookEvery = time.Minute

// Run keeps the metadata fresh until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := p.refresh(ctx); err != nil && ctx.Err() == nil {
			p.Log.Error("what units may have could not be signed anew", "error", err)
		}
	}
}

// refresh signs anew where that is due.
func (p *Publisher) refresh(ctx context.Context) error {
	devices, err := p.Devices(ctx)
	if err != nil {
		return err
	}
	p.publishing.Lock()
	defer p.publishing.Unlock()
	p.mu.RLock()
	age, same := p.Clock.Now().Sub(p.signed.at), p.signed.isFor(devices)
	p.mu.RUnlock()
	if same && age >= 0 && age < signEvery {
		return nil
	}
	return p.sign(ctx, p.state.copy())
}

// Publish puts a version of a list in the place of the one before. The entries
// come in the order of their VRMs; one that stands twice (same VRM and source
// reference) is taken from its first place. They are gone through a second time
// where what is published of the list is damaged: the new version is then a
// snapshot alone. An error of any kind, of the entries too, leaves what was
// published before. The errors are ErrList, ErrOlder and ErrOrder, and
// voi.ErrUnwritable for an entry that no file can hold.
func (p *Publisher) Publish(ctx context.Context, l List, entries iter.Seq2[nrd.Entry, error]) error {
	if err := l.check(); err != nil {
		return err
	}
	defer p.turns.Take(l.Name)()
	old := p.held(l.Name)
	if old != nil && l.Version == old.Version && l.Made.Equal(old.Made) {
		return nil // whoever asks did not hear that it was done
	}
	if old != nil && l.Version <= old.Version {
		return fmt.Errorf("%s: %w: %d, and %d is", l.Name, ErrOlder, l.Version, old.Version)
	}
	w := &work{p: p, list: l, old: old}
	made, err := w.run(ctx, entries)
	if errors.Is(err, errBefore) {
		p.Log.Error("what is published of a list cannot be read; its next version has no delta", "list", l.Name, "version", old.Version, "error", err)
		if err := w.discard(); err != nil {
			return err
		}
		w = &work{p: p, list: l}
		made, err = w.run(ctx, entries)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("list %s: %w", l.Name, err), w.discard())
	}
	if err := errors.Join(p.putInForce(ctx, made, w), w.discard()); err != nil {
		return err
	}
	p.Log.Info("a list is published", "list", l.Name, "version", l.Version, "entries", made.Entries, "snapshot bytes", made.Snapshots[len(made.Snapshots)-1].Length)
	return nil
}

// held gives what is published of a list, or nil.
func (p *Publisher) held(name string) *published {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.state.Lists[name]
}

// putInForce gives the files of a version their names and tells the units.
func (p *Publisher) putInForce(ctx context.Context, made *published, w *work) error {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	if err := w.keep(); err != nil {
		return err
	}
	next := p.state.copy()
	next.Lists[made.Name] = made
	return p.commit(ctx, next)
}

// Withdraw takes a list away from every unit at its next contact. The error is
// ErrNoList.
func (p *Publisher) Withdraw(ctx context.Context, name string) error {
	defer p.turns.Take(name)()
	p.publishing.Lock()
	defer p.publishing.Unlock()
	if p.state.Lists[name] == nil {
		return fmt.Errorf("%s: %w", name, ErrNoList)
	}
	next := p.state.copy()
	delete(next.Lists, name)
	if err := p.commit(ctx, next); err != nil {
		return err
	}
	p.Log.Info("a list is withdrawn", "list", name)
	return nil
}

// commit puts a state in force and tells the units.
func (p *Publisher) commit(ctx context.Context, next state) error {
	if err := p.sign(ctx, next); err != nil {
		return err
	}
	if p.Notice != nil {
		p.Notice(p.Number())
	}
	return p.sweep(false)
}

// Published gives what units are given, by name of the list.
func (p *Publisher) Published() []publication.Publication {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var all []publication.Publication
	for _, name := range p.state.names() {
		l := p.state.Lists[name]
		newest := l.Snapshots[len(l.Snapshots)-1].Publication
		newest.Key = nil
		all = append(all, newest)
	}
	return all
}

// Signed is when the metadata was signed last. It is good for trust.Life.
func (p *Publisher) Signed() time.Time {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.signed.at
}

// Number counts up with each change of what is published.
func (p *Publisher) Number() int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.signed.number
}
