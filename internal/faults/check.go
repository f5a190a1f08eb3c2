package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/clock"
	"nrd/internal/faults/generate"
	"nrd/internal/sealed"
	"nrd/uplink"
)

// findings is what both ends hold when a run is over.
type findings struct {
	stored      map[nrd.Key][]store.StoredRecord
	images      map[imageKey]nrd.Image
	quarantined map[itemKey]int
	// dead are the dead letters with why they were set aside.
	dead   map[itemKey]string
	totals store.Totals
	stats  uplink.Stats
	// reported is what central was told of drops.
	reported map[string]uint64
}

type imageKey struct {
	key  nrd.Key
	kind nrd.ImageKind
}

// itemKey names an item by its record's key as text and its kind.
type itemKey struct{ key, kind string }

func newFindings() *findings {
	return &findings{
		stored: map[nrd.Key][]store.StoredRecord{}, images: map[imageKey]nrd.Image{},
		quarantined: map[itemKey]int{}, dead: map[itemKey]string{},
	}
}

// look opens what the programs left; neither may run any more.
func (w *world) look(ctx context.Context) (_ *findings, err error) {
	f := newFindings()
	if err := f.lookAtCentral(ctx, w.site()); err != nil {
		return nil, fmt.Errorf("central's store: %w", err)
	}
	if err := f.lookAtUnit(filepath.Join(w.unitDir(), "storage.key"), w.buffer()); err != nil {
		return nil, fmt.Errorf("the unit's buffer: %w", err)
	}
	return f, nil
}

func (f *findings) lookAtCentral(ctx context.Context, site string) (err error) {
	key, err := sealed.LoadKey(filepath.Join(site, "master.key"))
	if err != nil {
		return err
	}
	s, err := sqlite.Open(sqlite.Config{Dir: filepath.Join(site, "data", "store"), Key: key, Clock: clock.System(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if f.totals, err = s.Totals(ctx); err != nil {
		return err
	}
	if err := f.records(ctx, s); err != nil {
		return err
	}
	aside, err := s.Quarantine(ctx, 1<<20)
	if err != nil {
		return err
	}
	for _, item := range aside {
		f.quarantined[itemKey{item.Key.String(), string(item.Kind)}]++
	}
	d, err := s.Device(ctx, device)
	if err != nil {
		return err
	}
	if d.Status != nil {
		f.reported = d.Status.Dropped
	}
	return s.CheckAccessLog(ctx)
}

// records reads all that search can find, and the images.
func (f *findings) records(ctx context.Context, s store.Store) error {
	seen := map[string]bool{}
	for to := time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC); ; {
		page, err := s.Search(ctx, store.Query{From: time.Unix(0, 0), To: to, Limit: store.MaxLimit})
		if err != nil {
			return err
		}
		news := 0
		for _, r := range page {
			to = r.Time().Add(1)
			id := fmt.Sprint(r.Key, r.Received.UnixNano(), r.Time().UnixNano())
			if seen[id] {
				continue
			}
			seen[id] = true
			news++
			f.stored[r.Key] = append(f.stored[r.Key], r)
			if err := f.imagesOf(ctx, s, &r); err != nil {
				return err
			}
		}
		if news == 0 || len(page) < store.MaxLimit {
			return nil
		}
	}
}

func (f *findings) imagesOf(ctx context.Context, s store.Store, r *store.StoredRecord) error {
	for kind, has := range map[nrd.ImageKind]bool{nrd.ImagePatch: r.HasPatch, nrd.ImageOverview: r.HasOverview} {
		if !has {
			continue
		}
		image, err := s.Image(ctx, r.Key, kind)
		if err != nil {
			return err
		}
		f.images[imageKey{r.Key, kind}] = image
	}
	return nil
}

func (f *findings) lookAtUnit(keyFile, buffer string) (err error) {
	key, err := sealed.LoadKey(keyFile)
	if err != nil {
		return err
	}
	b, err := uplink.OpenBuffer(uplink.BufferConfig{
		Dir: buffer, Device: device, Key: key, MaxBytes: 1 << 40, Clock: clock.System(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if f.stats, err = b.Stats(); err != nil {
		return err
	}
	letters, err := b.DeadLetters()
	for _, l := range letters {
		f.dead[itemKey{l.Key.String(), l.Kind}] = l.Reason
	}
	return err
}

// judge holds what was found against what the unit was promised.
type judge struct {
	*findings
	books *books
	seed  uint64
	plan  plan
	// flipped says how many bytes of the buffer were corrupted.
	flipped int
	count   counted
	wrong   []string
	// gone are the records and images that are nowhere.
	gone, goneImages []missing
}

func (j *judge) complain(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// verdict is the invariant.
func (w *world) verdict(f *findings) (counted, []string) {
	j := &judge{findings: f, books: w.books, seed: w.seed, plan: w.plan, flipped: w.flipped}
	j.books.mu.Lock()
	defer j.books.mu.Unlock()
	j.count.Begun, j.count.Kept, j.count.Refused = len(j.books.begun), len(j.books.kept), len(j.books.refused)
	if s := f.stats; s.Records+s.Images+s.Events > 0 {
		j.complain("%d records, %d images and %d events are still in the buffer", s.Records, s.Images, s.Events)
	}
	for _, n := range slices.Sorted(maps.Keys(j.books.kept)) {
		j.promise(n, j.books.kept[n])
	}
	j.nothingElse()
	j.setAside()
	j.drops()
	if j.plan.hitsFirst {
		j.order()
	}
	if j.plan.dropsFirst {
		j.dropOrder()
	}
	return j.count, j.wrong
}

// promise checks one record whose Append returned.
func (j *judge) promise(n uint64, p promise) {
	key, err := keyOf(p.payload)
	if err != nil || key.String() != p.key {
		j.complain("the unit said of record %d that it kept %s, and of what it kept that it is %s: %v", n, p.key, key, err)
		return
	}
	stored, aside, dead := j.stored[key], j.quarantined[itemKey{p.key, "record"}], j.dead[itemKey{p.key, "record"}] != ""
	switch {
	case len(stored) > 1:
		j.complain("record %d, %s, is stored %d times", n, p.key, len(stored))
	case len(stored) == 1 && aside > 0:
		j.complain("record %d, %s, is stored and in quarantine as well", n, p.key)
	case aside > 1:
		j.complain("record %d, %s, is in quarantine %d times", n, p.key, aside)
	case len(stored) == 1:
		j.same(n, &stored[0], p.payload)
	case aside == 1:
		j.count.Quarantined++
	case dead:
		j.count.DeadLetters++
	case j.books.excused[n]:
		j.count.TakenAway++
	default:
		j.gone = append(j.gone, missing{itemKey{p.key, "record"}, n, generate.Record(j.seed, n, nrd.Stamp{})})
	}
}

// same checks that a stored record is what was kept, images included.
func (j *judge) same(n uint64, stored *store.StoredRecord, payload []byte) {
	made := generate.Record(j.seed, n, stored.Captured)
	r := stored.Record
	r.Patch, r.Overview = made.Patch, made.Overview
	got, err := generate.Payload(&r)
	if err != nil || !bytes.Equal(got, payload) {
		j.complain("record %d, %s, is stored with another content than was kept: %v", n, r.Key, err)
	}
	for kind, image := range map[nrd.ImageKind]nrd.Image{nrd.ImagePatch: made.Patch, nrd.ImageOverview: made.Overview} {
		if len(image.JPEG) == 0 {
			continue
		}
		got, there := j.images[imageKey{r.Key, kind}]
		id := itemKey{r.Key.String(), string(kind)}
		switch {
		case there && !bytes.Equal(got.JPEG, image.JPEG):
			j.complain("the %s of record %d, %s, is stored with other bytes", kind, n, r.Key)
		case there || j.quarantined[id] > 0 || j.dead[id] != "" || j.books.excused[n]:
		default:
			j.goneImages = append(j.goneImages, missing{id, n, made})
		}
	}
}

// nothingElse checks that all that is stored was made by the unit.
func (j *judge) nothingElse() {
	for key, all := range j.stored {
		for i := range all {
			j.count.Stored++
			if all[i].IsHit() {
				j.count.Hits++
			}
			j.foreign(key, &all[i])
		}
	}
	j.count.Images = len(j.images)
	if n := j.count.Stored; j.totals.Records != uint64(n) {
		j.complain("central counts %d records, and finds %d", j.totals.Records, n)
	}
	if j.totals.Images != uint64(len(j.images)) {
		j.complain("central counts %d images, and finds %d", j.totals.Images, len(j.images))
	}
}

// foreign checks a record of which the unit could not say any more that it was
// kept.
func (j *judge) foreign(key nrd.Key, r *store.StoredRecord) {
	n := r.Passage.Frame
	if p, ok := j.books.kept[n]; ok {
		if p.key != key.String() {
			j.complain("record %d is stored as %s, and was kept as %s", n, key, p.key)
		}
		return
	}
	if !j.books.begun[n] || j.books.refused[n] {
		j.complain("%s is stored: record %d, which was never kept", key, n)
		return
	}
	made := generate.Record(j.seed, n, r.Captured)
	if r.Read.VRM != made.Read.VRM || r.Fix != made.Fix || r.Read.Raw != made.Read.Raw {
		j.complain("%s is stored: record %d with another content", key, n)
	}
	if others := len(j.stored[key]); others > 1 {
		j.complain("record %d, %s, is stored %d times", n, key, others)
	}
}

// setAside checks that no item was damaged unless somebody damaged it, and that no
// more than could have been.
func (j *judge) setAside() {
	damaged := j.stats.Dropped["damaged"]
	if damaged > 0 && j.flipped == 0 {
		j.complain("%d items are counted as damaged with their keys, and nobody has damaged any", damaged)
	}
	if j.reported["damaged"] != damaged {
		j.complain("%d items are counted as damaged with their keys, and central was told of %d", damaged, j.reported["damaged"])
	}
	j.count.Strangers = int(damaged)
	for id, reason := range j.dead {
		damaged := strings.Contains(reason, "damaged")
		if damaged && j.flipped == 0 {
			j.complain("the %s of %s was set aside as damaged, and nobody has damaged it: %s", id.kind, id.key, reason)
		}
		if _, ours := j.books.keys[id.key]; damaged && !ours {
			j.count.Strangers++
		}
	}
}

// order checks that of what had waited together hits came first.
func (j *judge) order() {
	var lastHit, firstRead time.Time
	for _, all := range j.stored {
		for i := range all {
			switch r := &all[i]; {
			case r.IsHit() && r.Received.After(lastHit):
				lastHit = r.Received
			case !r.IsHit() && (firstRead.IsZero() || r.Received.Before(firstRead)):
				firstRead = r.Received
			}
		}
	}
	if firstRead.IsZero() || lastHit.After(firstRead) {
		j.complain("a hit came at %s, after a read that is none at %s: hits go first", lastHit, firstRead)
	}
}
