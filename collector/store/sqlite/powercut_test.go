package sqlite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/powercut"
	"nrd/internal/sealed"
)

func cutKey(t testing.TB) *sealed.Key {
	raw, err := hex.DecodeString(strings.Repeat("5c", 32))
	if err != nil {
		t.Fatal(err)
	}
	key, err := sealed.ParseKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestPowerCutProgram is no test of its own: TestAPowerCutCostsCentralNothing
// runs it in a process whose disk it watches.
func TestPowerCutProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	say := func(format string, args ...any) {
		if err := powercut.Promise(disk, fmt.Sprintf(format, args...)); err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	insert := func(s *Store, sequences ...uint64) {
		var items []store.Item
		for _, sequence := range sequences {
			items = append(items, storetest.Items(crashRecord(sequence), storetest.Noon)...)
		}
		_, err := s.Insert(ctx, items)
		must(err)
		for _, sequence := range sequences {
			say("stored %d", sequence)
		}
	}
	s := openStore(t, filepath.Join(disk, "store"), cutKey(t))
	insert(s, 1)
	insert(s, 2, 3, 4) // three days at once
	image := storetest.Items(crashRecord(5), storetest.Noon)
	_, err := s.Insert(ctx, image[2:]) // the image first
	must(err)
	_, err = s.Log(ctx, store.Access{At: storetest.Noon, Account: "a", Action: "search", Reason: "r"})
	must(err)
	say("logged 1")
	_, err = s.Insert(ctx, image[:2])
	must(err)
	say("stored 5")
	must(s.Close())

	s = openStore(t, filepath.Join(disk, "store"), cutKey(t))
	insert(s, 6)
	day := dayOf(crashRecord(1).Captured.UTC)
	say("removing %s", day)
	must(s.RemoveDay(ctx, day))
	say("removed %s", day)
	_, err = s.Log(ctx, store.Access{At: storetest.Noon, Account: "a", Action: "weed", Reason: "r"})
	must(err)
	say("logged 2")
	insert(s, 8)
	must(s.Close())
}

// centralKept opens what a cut left and says what is not as it was promised.
func centralKept(disk string, promises []string) (err error) {
	p := map[string][]string{}
	for _, line := range promises {
		words := strings.Fields(line)
		p[words[0]] = append(p[words[0]], words[1])
	}
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return err
	}
	dir, ctx := filepath.Join(disk, "store"), context.Background()
	s, err := Open(Config{Dir: dir, Key: cutKey(&testing.T{})})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	var again []store.Item
	for sequence := uint64(1); sequence <= 9; sequence++ {
		r := crashRecord(sequence)
		day := dayOf(r.Captured.UTC)
		stored := slices.Contains(p["stored"], strconv.FormatUint(sequence, 10))
		removing, removed := slices.Contains(p["removing"], day), slices.Contains(p["removed"], day)
		if err := recordIs(ctx, s, r, stored && !removing, removed); err != nil {
			return fmt.Errorf("record %d: %w", sequence, err)
		}
		if removed {
			continue
		}
		again = append(again, storetest.Items(r, storetest.Noon)...)
	}
	for _, day := range p["removed"] {
		if _, err := s.site.dayKey(ctx, day); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("the key of day %s: %w; want it gone", day, err)
		}
	}
	lines, err := s.AccessLog(ctx, 1, 10)
	if err != nil || len(lines) < len(p["logged"]) || s.CheckAccessLog(ctx) != nil {
		return fmt.Errorf("%d lines of %d in the access log, %w", len(lines), len(p["logged"]), errors.Join(err, s.CheckAccessLog(ctx)))
	}
	if _, err := s.Search(ctx, store.Query{Limit: 100}); err != nil {
		return err
	}
	return takesAgain(ctx, s, again)
}

// recordIs wants a record with both images where there must be one, none where
// it was removed, and nothing half in either case.
func recordIs(ctx context.Context, s *Store, r nrd.Record, must, mustNot bool) error {
	_, err := s.Record(ctx, r.Key)
	found := err == nil
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case must && !found:
		return errors.New("it was promised and is lost")
	case mustNot && found:
		return errors.New("it was removed and is back")
	}
	for kind, want := range map[nrd.ImageKind]nrd.Image{nrd.ImagePatch: r.Patch, nrd.ImageOverview: r.Overview} {
		got, err := s.Image(ctx, r.Key, kind)
		if must && err != nil || err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("its %s: %w", kind, err)
		}
		if err == nil && string(got.JPEG) != string(want.JPEG) {
			return fmt.Errorf("its %s is another", kind)
		}
	}
	return nil
}

// takesAgain sends everything once more, as a unit without receipts would, and
// wants each record once.
func takesAgain(ctx context.Context, s *Store, items []store.Item) error {
	results, err := s.Insert(ctx, items)
	if err != nil {
		return err
	}
	for i, r := range results {
		if r.Outcome != store.Stored && r.Outcome != store.Duplicate {
			return fmt.Errorf("sent again, the %s of %s is %+v", items[i].Kind, items[i].Key, r)
		}
	}
	totals, err := s.Totals(ctx)
	if n := uint64(len(items) / 3); err != nil || totals.Records != n || totals.Images != 2*n || totals.Quarantined != 0 {
		return fmt.Errorf("all sent again, %+v, %w; want %d records", totals, err, n)
	}
	return nil
}

func TestAPowerCutCostsCentralNothing(t *testing.T) {
	for _, w := range powercut.Watch(t, "TestPowerCutProgram").Check(t, 25, centralKept) {
		t.Error(w)
	}
}

// TestAnFsyncThatTheStoreLeavesOutIsNoticed plants bugs: the same program, as
// though it had left out fsyncs.
func TestAnFsyncThatTheStoreLeavesOutIsNoticed(t *testing.T) {
	trace := powercut.Watch(t, "TestPowerCutProgram")
	for name, path := range map[string]func(string) bool{
		"of the logs":            func(p string) bool { return strings.HasSuffix(p, "-wal") },
		"of the images":          func(p string) bool { return filepath.Base(p) == imagesFile },
		"of the folder of days":  func(p string) bool { return filepath.Base(p) == daysFolder },
		"of the store's folder":  func(p string) bool { return filepath.Base(p) == "store" },
		"of the folder of a day": func(p string) bool { return filepath.Base(filepath.Dir(p)) == daysFolder },
	} {
		if !trace.Without(path).Catches(t, 40, centralKept) {
			t.Errorf("nobody notices when the fsync %s is left out", name)
		}
	}
}
