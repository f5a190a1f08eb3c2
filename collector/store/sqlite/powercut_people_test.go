package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/powercut"
	"nrd/uplink/wire"
)

// The record that is set aside and released, and the one that an officer has
// acted on.
const (
	asideSequence = 10
	actedSequence = 1
)

// setAsideItems are a record's whose unit did not know the time.
func setAsideItems() []store.Item {
	r := crashRecord(asideSequence)
	r.Captured = nrd.Stamp{UTC: time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC), Source: nrd.ClockUnknown, BootID: "boot 1", Monotonic: time.Hour}
	items := storetest.Items(r, storetest.Noon)
	items[0].Quarantine = "the clock was not proved"
	return items
}

// officerItem is what an officer did with a hit, as it comes from a device.
func officerItem(about nrd.Key) (store.Item, error) {
	e := nrd.OfficerEvent{
		Action: nrd.OfficerActed, At: storetest.Noon, Role: "observer", Record: about, VRM: "AB12CDE", Disposition: nrd.DispositionStopped,
		Officer: nrd.Officer{Collar: "1234", Authoriser: "Insp Grey", Reference: "LOG-1", Since: storetest.Noon},
	}
	m, key := wire.FromOfficerEvent(e), about
	key.Sequence = 20
	m.Key = wire.FromKey(key)
	payload, err := proto.Marshal(m)
	return store.Item{Key: key, Kind: store.KindEvent, Digest: wire.Digest(payload), Received: storetest.Noon, Event: payload, Officer: &e, Filed: e.At}, err
}

// TestPowerCutProgramOfPeople is no test of its own:
// TestAPowerCutCostsNothingOfWhatPeopleDidOrMustJudge runs it in a process whose
// disk it watches.
func TestPowerCutProgramOfPeople(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	ctx := context.Background()
	s := openStore(t, filepath.Join(disk, "store"), cutKey(t))
	hit := storetest.Hit(crashRecord(actedSequence))
	officer, err := officerItem(hit.Key)
	if err != nil {
		t.Fatal(err)
	}
	var held store.ListImport
	for _, step := range []struct {
		promise string
		do      func() error
	}{
		{"approved", func() error {
			return s.ChangeDevice(ctx, "unit-1", func(d *store.Device) error { d.ApprovedBy = "ann"; return nil })
		}},
		{"aside", func() error { _, err := s.Insert(ctx, setAsideItems()); return err }},
		{"hit", func() error { _, err := s.Insert(ctx, storetest.Items(hit, storetest.Noon)); return err }},
		{"acted", func() error { _, err := s.Insert(ctx, []store.Item{officer}); return err }},
		{"owned", func() error {
			return s.ChangeList(ctx, "burglars", func(l *store.List) error { l.Owner = "DI Gray"; return nil })
		}},
		{"entered", func() error {
			e := store.ListEntry{Entry: nrd.Entry{VRM: "AB12CDE", Reference: "1", Priority: nrd.PriorityHigh}, Creator: "ann", Created: storetest.Noon}
			return s.ChangeEntries(ctx, "burglars", store.EntryChange{Put: []store.ListEntry{e}}, store.Retrospect{List: "burglars", Marks: []nrd.VRM{"AB12CDE"}})
		}},
		{"held", func() (err error) {
			held, err = s.PutImport(ctx, store.ListImport{List: "national", State: store.ImportHeld, Received: storetest.Noon})
			return err
		}},
		{"enforced", func() error {
			held.State = store.ImportApproved
			return s.PutInForce(ctx, held, store.Retrospect{}, func(l *store.List) error { l.InForce.Version = 7; return nil })
		}},
		{"anchored", func() error {
			return s.PutAnchor(ctx, store.Anchor{Device: "unit-1", By: "ann", At: storetest.Noon, Correction: nrd.Correction{BootID: "boot 1", Monotonic: time.Hour, UTC: storetest.Noon, Source: nrd.ClockPerson}}, time.Time{})
		}},
		{"released", func() error {
			released, err := s.Release(ctx, []store.Release{{Key: crashRecord(asideSequence).Key, Correction: store.Correction{UTC: storetest.Noon.Add(-72 * time.Hour), Source: nrd.ClockPerson, By: "ann", At: storetest.Noon}}})
			if err == nil && len(released) != 1 {
				err = fmt.Errorf("%d were released", len(released))
			}
			return err
		}},
		{"opened", func() error {
			if err := s.Close(); err != nil {
				return err
			}
			s = openStore(t, filepath.Join(disk, "store"), cutKey(t))
			return nil
		}},
		{"revoked", func() error {
			return s.ChangeDevice(ctx, "unit-1", func(d *store.Device) error { d.Revoked = storetest.Noon; return nil })
		}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.promise, err)
		}
		if err := powercut.Promise(disk, step.promise); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// peopleKept opens what a cut left and says what is not as it was promised.
func peopleKept(disk string, promises []string) (err error) {
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return err
	}
	s, err := Open(Config{Dir: filepath.Join(disk, "store"), Key: cutKey(&testing.T{})})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	promised := func(what string) bool { return slices.Contains(promises, what) }
	return errors.Join(asideKept(s, promised), officerKept(s, promised), listsKept(s, promised), unitKept(s, promised))
}

// asideKept wants the record that was set aside whole, and in one place: in
// quarantine, or released.
func asideKept(s *Store, promised func(string) bool) error {
	ctx, items := context.Background(), setAsideItems()
	look := func() (aside int, stored bool, err error) {
		rows, err := s.Quarantined(ctx, items[0].Key)
		if err != nil {
			return 0, false, err
		}
		_, err = s.Record(ctx, items[0].Key)
		if errors.Is(err, store.ErrNotFound) {
			return len(rows), false, nil
		}
		for _, kind := range []nrd.ImageKind{nrd.ImagePatch, nrd.ImageOverview} {
			if _, imageErr := s.Image(ctx, items[0].Key, kind); imageErr != nil {
				err = errors.Join(err, fmt.Errorf("its %s: %w", kind, imageErr))
			}
		}
		return len(rows), true, err
	}
	aside, stored, err := look()
	whole := aside == len(items) && !stored || aside == 0 && stored
	switch {
	case err != nil:
		return err
	case !whole && (promised("aside") || aside != 0 || stored):
		return fmt.Errorf("%d items are set aside, released %t", aside, stored)
	case promised("released") && !stored:
		return errors.New("it was released, and is not")
	}
	// As the unit sends it again without a receipt.
	if _, err := s.Insert(ctx, items); err != nil {
		return err
	}
	if again, storedAgain, err := look(); err != nil || storedAgain != stored || again+aside != 2*len(items) && whole && !stored || again != 0 && stored {
		return fmt.Errorf("sent again, %d items are set aside, released %t: %w", again, storedAgain, err)
	}
	return nil
}

func officerKept(s *Store, promised func(string) bool) error {
	about := crashRecord(actedSequence).Key
	events, err := s.OfficersOf(context.Background(), about)
	if err != nil {
		return err
	}
	_, err = s.Record(context.Background(), about)
	switch {
	case promised("hit") && err != nil:
		return fmt.Errorf("the hit: %w", err)
	case promised("acted") && len(events) != 1:
		return fmt.Errorf("%d events of officers", len(events))
	}
	return nil
}

// listsKept wants lists as they were left, and what changes in one step changed
// in one.
func listsKept(s *Store, promised func(string) bool) error {
	ctx := context.Background()
	local, localErr := s.List(ctx, "burglars")
	national, nationalErr := s.List(ctx, "national")
	for _, err := range []error{localErr, nationalErr} {
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	entries, err := s.Entries(ctx, store.EntryQuery{List: "burglars"})
	due, dueErr := s.Retrospects(ctx)
	imports, importsErr := s.Imports(ctx, "national", 10)
	if err := errors.Join(err, dueErr, importsErr); err != nil {
		return err
	}
	approved := len(imports) == 1 && imports[0].State == store.ImportApproved
	switch {
	case promised("owned") && local.Owner != "DI Gray":
		return fmt.Errorf("the list's owner is %q", local.Owner)
	case promised("entered") && len(entries) != 1 || len(entries) != len(due) || len(entries) != int(local.Changes):
		return fmt.Errorf("%d entries, %d looks back, %d changes", len(entries), len(due), local.Changes)
	case promised("held") && len(imports) != 1:
		return fmt.Errorf("%d imports", len(imports))
	case promised("enforced") && !approved || approved != (national.InForce.Version == 7):
		return fmt.Errorf("approved %t, version %d is in force", approved, national.InForce.Version)
	}
	return nil
}

func unitKept(s *Store, promised func(string) bool) error {
	ctx := context.Background()
	d, err := s.Device(ctx, "unit-1")
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	anchors, err := s.Anchors(ctx, "unit-1", "boot 1")
	if err != nil {
		return err
	}
	if promised("approved") && d.ApprovedBy != "ann" || promised("revoked") && d.Revoked.IsZero() || promised("anchored") && len(anchors) != 1 {
		return fmt.Errorf("the unit is %+v, with %d anchors", d, len(anchors))
	}
	return nil
}

func TestAPowerCutCostsNothingOfWhatPeopleDidOrMustJudge(t *testing.T) {
	trace := powercut.Watch(t, "TestPowerCutProgramOfPeople")
	for _, w := range trace.Check(t, 25, peopleKept) {
		t.Error(w)
	}
	if !trace.Without(func(path string) bool { return strings.HasSuffix(path, "-wal") }).Catches(t, 25, peopleKept) {
		t.Error("nobody notices when the fsync of the logs is left out")
	}
}
