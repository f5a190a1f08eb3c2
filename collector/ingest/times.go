package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

const (
	// knownError is how far a unit may know its proved clock to be off before
	// the time without that error takes its place.
	knownError = time.Second
	// nearEnough is how well central's own clock can know a unit's time, the
	// way of a status included: a time no further off is confirmed, not
	// changed.
	nearEnough = 5 * time.Second
	// anchorEvery is how long, in the unit's monotonic time, an anchor by
	// central's clock is good enough.
	anchorEvery = 24 * time.Hour
	// releaseAtOnce is how many records one commit takes out of quarantine.
	releaseAtOnce = 100
	maxStarts     = 10_000
)

// boot is one start of a unit's kernel.
type boot struct{ device, id string }

// times is what the committer knows of units' clocks. A time that was not proved
// is only taken with an anchor: a moment of the same start of the unit whose time
// is known. The unit sends one when its clock is proved; until then central's own
// clock gives one each time that the unit is heard.
type times struct {
	in *Ingest
	// anchors are looked up once for each start in a turn: a person, or records
	// that were carried here, may have brought others meanwhile.
	anchors map[boot][]store.Anchor
	// due are starts with a new anchor, whose records may leave quarantine;
	// looked says for which that was tried since central began.
	due, looked map[boot]bool
}

func newTimes(in *Ingest) *times {
	return &times{in: in, anchors: map[boot][]store.Anchor{}, due: map[boot]bool{}, looked: map[boot]bool{}}
}

// turn begins a batch.
func (t *times) turn() { clear(t.anchors) }

// learn takes what an event says of the unit's clock.
func (t *times) learn(ctx context.Context, item *store.Item) error {
	var m wire.Event
	if err := wire.Unmarshal(item.Event, &m); err != nil {
		return err
	}
	c, ok, err := wire.ToCorrection(&m)
	if err != nil || !ok {
		return err
	}
	return t.put(ctx, store.Anchor{Correction: c, Device: item.Key.Device, By: item.Key.String(), At: item.Received})
}

// heard makes an anchor of a status, which a unit sends as it is made and never
// keeps: its stamp is of the moment at which it came, less its way. Only central's
// own broker is sure to keep none either.
func (t *times) heard(ctx context.Context, device string, clock nrd.Stamp, received time.Time) {
	s := boot{device, clock.BootID}
	if clock.BootID == "" || clock.Source == nrd.ClockFile {
		return
	}
	if !t.looked[s] {
		t.due[s] = true
	}
	// A broker that is not central's own may have kept a status for long.
	if clock.Proved || t.in.Broker != nil {
		return
	}
	known, err := t.known(ctx, s)
	if err == nil {
		if near, ok := nearest(known, clock); ok && (near.Correction.Monotonic-clock.Monotonic).Abs() < anchorEvery {
			return
		}
		err = t.put(ctx, store.Anchor{Device: device, By: "central's clock", At: received, Correction: nrd.Correction{
			BootID: clock.BootID, Monotonic: clock.Monotonic, UTC: received, ClockError: clock.UTC.Sub(received), Source: nrd.ClockCentral,
		}})
	}
	if err != nil {
		t.in.Log.Error("what is known of a unit's clock could not be stored", "device", device, "error", err)
	}
}

func (t *times) put(ctx context.Context, a store.Anchor) error {
	// Records of that time would be weeded by now.
	forget := a.At.AddDate(0, 0, -t.in.Profile.RetentionDays)
	if err := t.in.Store.PutAnchor(ctx, a, forget); err != nil {
		return err
	}
	s := boot{a.Device, a.BootID}
	delete(t.anchors, s)
	t.due[s] = true
	t.in.Log.Info("the time of a unit's start is known", "device", a.Device, "source", string(a.Source), "clock ahead", a.ClockError)
	return nil
}

func (t *times) known(ctx context.Context, s boot) ([]store.Anchor, error) {
	if anchors, ok := t.anchors[s]; ok {
		return anchors, nil
	}
	anchors, err := t.in.Store.Anchors(ctx, s.device, s.id)
	if err != nil {
		return nil, err
	}
	t.anchors[s] = anchors
	return anchors, nil
}

// ranks of anchors: the unit's own come before a person's, and central's clock
// last.
var ranks = map[nrd.ClockSource]int{nrd.ClockPerson: 1, nrd.ClockCentral: 2}

// nearest is the best anchor for a stamp, of the same rank the one next to it.
func nearest(anchors []store.Anchor, s nrd.Stamp) (store.Anchor, bool) {
	if len(anchors) == 0 {
		return store.Anchor{}, false
	}
	return slices.MinFunc(anchors, func(a, b store.Anchor) int {
		return cmp.Or(cmp.Compare(ranks[a.Source], ranks[b.Source]),
			cmp.Compare((a.Monotonic-s.Monotonic).Abs(), (b.Monotonic-s.Monotonic).Abs()))
	}), true
}

// judge decides what time a record goes by, or sets it aside where none can be
// believed. Footage is not judged by a clock: its times are the file's.
func (t *times) judge(ctx context.Context, item *store.Item) error {
	if item.Kind != store.KindRecord {
		return nil
	}
	captured := item.Record.Captured
	at := captured.UTC
	switch {
	case captured.Source == nrd.ClockFile:
	case captured.Proved && captured.ClockError.Abs() > knownError:
		at = at.Add(-captured.ClockError)
		item.Correction = &store.Correction{UTC: at, Source: captured.Source, By: "the unit, with the record", At: item.Received}
	case !captured.Proved:
		correction, err := t.correction(ctx, item.Key.Device, captured, item.Received)
		if err != nil {
			return err
		}
		if correction == nil {
			item.Quarantine = "the unit's clock was not proved, and the time of that start of the unit is not known"
			return nil
		}
		item.Correction, at = correction, correction.UTC
	}
	if err := t.in.Profile.Plausible(at, item.Received); err != nil {
		item.Correction, item.Quarantine = nil, err.Error()
	}
	return nil
}

// correction is what is known of an unproved stamp, nil for nothing.
func (t *times) correction(ctx context.Context, device string, captured nrd.Stamp, now time.Time) (*store.Correction, error) {
	if captured.BootID == "" {
		return nil, nil
	}
	anchors, err := t.known(ctx, boot{device, captured.BootID})
	if err != nil {
		return nil, err
	}
	anchor, ok := nearest(anchors, captured)
	if !ok {
		return nil, nil
	}
	return correctionBy(anchor, captured, now), nil
}

func correctionBy(a store.Anchor, captured nrd.Stamp, now time.Time) *store.Correction {
	at := a.Correction.Time(captured)
	if a.Source == nrd.ClockCentral && at.Sub(captured.UTC).Abs() <= nearEnough {
		at = captured.UTC
	}
	return &store.Correction{UTC: at, Source: a.Source, By: a.By, Reason: a.Reason, At: now}
}

// settle takes out of quarantine what has got its time. What fails is tried
// again on the next turn.
func (t *times) settle(ctx context.Context, show func(*store.StoredRecord)) {
	for s := range t.due {
		n, err := t.release(ctx, s, show)
		if n > 0 {
			t.in.Log.Info("records have got their time and left quarantine", "device", s.device, "records", n)
		}
		if err != nil {
			t.in.Log.Error("records could not leave quarantine", "device", s.device, "error", err)
			continue
		}
		delete(t.due, s)
		if len(t.looked) >= maxStarts {
			clear(t.looked)
		}
		t.looked[s] = true
	}
}

func (t *times) release(ctx context.Context, s boot, show func(*store.StoredRecord)) (n int, err error) {
	waiting, err := t.in.Store.Unproved(ctx, s.device, s.id)
	if err != nil {
		return 0, err
	}
	now := t.in.Clock.Now()
	var releases []store.Release
	for _, w := range waiting {
		correction, err := t.correction(ctx, s.device, w.Captured, now)
		if err != nil {
			return 0, err
		}
		if correction != nil && t.in.Profile.Plausible(correction.UTC, now) == nil {
			releases = append(releases, store.Release{Key: w.Key, Correction: *correction})
		}
	}
	for chunk := range slices.Chunk(releases, releaseAtOnce) {
		records, err := t.in.Store.Release(ctx, chunk)
		if err != nil {
			return n, fmt.Errorf("after %d: %w", n, err)
		}
		n += len(records)
		for i := range records {
			show(&records[i])
		}
	}
	return n, nil
}
