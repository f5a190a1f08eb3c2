// Package alarm watches the devices and raises an alarm where a person should
// see to one: it is silent, its backlog grows old, its clock is not to be
// trusted, its disk fills up, it drops reads, it is full of hits and refuses
// records, central has refused some, a list on it is stale, it lacks a list or its
// newest version for too long, it has gone blind, its identity is perhaps copied,
// its certificate runs out, or the review of its location is overdue.
//
// An alarm of a kind is raised once for a device, stands in the store until what
// it says is over, and is then cleared by itself. While a device is silent its
// last status says nothing, so the alarms that come from it stand as they are. [Watch.Look]
// is one look at everything; [Watch.Run] looks once a minute.
package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"nrd"
	"nrd/collector/store"
)

// The kinds of alarm.
const (
	Silent  = "silent"
	Backlog = "backlog"
	Clock   = "clock"
	Disk    = "disk"
	Dropped = "dropped"
	Full    = "full"
	Refused = "refused"
	List    = "list"
	Behind  = "behind"
	Blind   = "blind"
	// These come from what central itself holds of the device.
	Copied      = "copied"
	Certificate = "certificate"
	Review      = "review"
	// These are about lists, and are raised by package lists.
	Extract = "extract"
	Held    = "held"
	Publish = "publish"
	Keys    = "keys"
)

// Kinds lists the kinds of alarm.
var Kinds = []string{Silent, Backlog, Clock, Disk, Dropped, Full, Refused, List, Behind, Blind, Copied, Certificate, Review, Extract, Held, Publish, Keys}

// Limits are what is let pass.
type Limits struct {
	// Silent is how long a device may say nothing: it reports once a minute.
	Silent time.Duration
	// Backlog is how old the oldest record that waits on a device may get.
	Backlog time.Duration
	// Clock is how far a device's clock may be off.
	Clock time.Duration
	// DiskFree is how many bytes must be free where the device's buffer is.
	DiskFree uint64
}

// droppedFor is how long an alarm about dropped reads or refused records stands
// after the last of them.
const droppedFor = time.Hour

// lookEvery is how often devices are looked at.
const lookEvery = time.Minute

// Watch looks at the devices. Fill the fields and call Run.
type Watch struct {
	Store   store.Store
	Profile nrd.Profile
	Limits  Limits
	// Zone is the zone by which traffic has its hours of the week.
	Zone  *time.Location
	Clock nrd.Clock
	Log   *slog.Logger

	began   time.Time
	devices map[string]*watched
	// published are the lists that units are given, as of this look.
	published []store.List
}

// watched is what the watch remembers of a device.
type watched struct {
	standing map[string]bool
	traffic  traffic
	// drops are reads that it had to let go, refusals records that it had no
	// room for.
	drops, refusals growth
	// lacks are, by name, the lists that it should have in a newer version.
	lacks map[string]lacking
}

// Initialize takes up what the store holds from before.
func (w *Watch) Initialize(ctx context.Context) error {
	if w.Store == nil || w.Zone == nil || w.Clock == nil || w.Log == nil || w.Limits.Silent <= 0 {
		return errors.New("alarm: Store, Limits, Zone, Clock and Log are needed")
	}
	w.began, w.devices = w.Clock.Now(), map[string]*watched{}
	standing, err := w.Store.StandingAlarms(ctx)
	if err != nil {
		return err
	}
	for _, a := range standing {
		d := w.of(a.Device)
		d.standing[a.Kind] = true
		switch a.Kind {
		case Dropped:
			d.drops.grew = w.began
		case Full:
			d.refusals.grew = w.began
		}
	}
	hours, err := w.Store.Traffic(ctx)
	for _, h := range hours {
		w.of(h.Device).traffic.hours[hourOf(h.Hour)] = h
	}
	return err
}

func (w *Watch) of(device string) *watched {
	if w.devices[device] == nil {
		w.devices[device] = &watched{standing: map[string]bool{}, traffic: newTraffic()}
	}
	return w.devices[device]
}

// Run looks until ctx ends. What fails is logged and tried again.
func (w *Watch) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			w.Log.Error("the devices could not be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Look looks at every device once, raises and clears.
func (w *Watch) Look(ctx context.Context) error {
	devices, err := w.Store.Devices(ctx)
	if err != nil {
		return err
	}
	if err := w.lookAtLists(ctx); err != nil {
		return err
	}
	now := w.Clock.Now()
	errs := []error{w.count(ctx, devices, now)}
	for i := range devices {
		errs = append(errs, w.look(ctx, &devices[i], now))
	}
	return errors.Join(errs...)
}

// count adds what the devices saw since the last look to the traffic.
func (w *Watch) count(ctx context.Context, devices []store.Device, now time.Time) error {
	var changed []store.Traffic
	for i := range devices {
		d := &devices[i]
		if d.Status == nil || !inUse(d) {
			continue
		}
		known := w.of(d.Name)
		if h, ok := known.traffic.add(d.Status, d.LastSeen); ok {
			h.Device, h.Blind = d.Name, h.Blind || known.standing[Blind]
			known.traffic.hours[hourOf(h.Hour)] = h
			changed = append(changed, h)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	forget := now.AddDate(0, 0, -7*(historyWeeks+1))
	for _, known := range w.devices {
		known.traffic.forget(forget)
	}
	return w.Store.PutTraffic(ctx, forget, changed)
}

func inUse(d *store.Device) bool { return !d.Approved.IsZero() && d.Revoked.IsZero() }

// finding is what is wrong with a device, or unknown at this look, in which case
// an alarm stays as it is.
type finding struct {
	text    string // "" for nothing wrong
	unknown bool
}

func (w *Watch) look(ctx context.Context, d *store.Device, now time.Time) error {
	known := w.of(d.Name)
	findings := w.judge(d, known, now)
	var errs []error
	for _, kind := range Kinds {
		f := findings[kind]
		switch {
		case f.unknown:
		case f.text != "" && !known.standing[kind]:
			errs = append(errs, w.raise(ctx, known, store.Alarm{Device: d.Name, Kind: kind, Raised: now, Text: f.text}))
		case f.text == "" && known.standing[kind]:
			errs = append(errs, w.clear(ctx, known, d.Name, kind, now))
		}
	}
	return errors.Join(errs...)
}

func (w *Watch) raise(ctx context.Context, known *watched, a store.Alarm) error {
	raised, err := w.Store.RaiseAlarm(ctx, a)
	if err != nil {
		return fmt.Errorf("alarm %s of %s: %w", a.Kind, a.Device, err)
	}
	known.standing[a.Kind] = true
	if raised {
		w.Log.Warn("an alarm is raised", "device", a.Device, "kind", a.Kind, "text", a.Text)
	}
	return nil
}

func (w *Watch) clear(ctx context.Context, known *watched, device, kind string, now time.Time) error {
	if _, err := w.Store.ClearAlarm(ctx, device, kind, now); err != nil {
		return fmt.Errorf("alarm %s of %s: %w", kind, device, err)
	}
	delete(known.standing, kind)
	w.Log.Info("an alarm is cleared", "device", device, "kind", kind)
	return nil
}
