package hotlist

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd/internal/clock"
	"nrd/internal/powercut"
	"nrd/internal/sealed"
)

// cutForm tells the program under test how the list is kept.
const cutForm = "HOTLIST_TEST_POWERCUT_FORM"

// cutConfig is a cache on the disk whose power is cut.
func cutConfig(disk string, rule Rule) (CacheConfig, error) {
	raw, err := hex.DecodeString(strings.Repeat("01", 32))
	if err != nil {
		return CacheConfig{}, err
	}
	key, err := sealed.ParseKey(raw)
	return CacheConfig{
		Path: filepath.Join(disk, "data", "lists"), Key: key, Clock: clock.NewManual(noon), Log: slog.New(slog.DiscardHandler),
		Rules: map[string]Rule{"wanted": rule},
	}, err
}

// TestPowerCutProgram is the program under test: a list replaced, changed by a
// delta, and replaced again.
func TestPowerCutProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	config, err := cutConfig(disk, forms[os.Getenv(cutForm)])
	if err != nil {
		t.Fatal(err)
	}
	cache, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	for n, name := range []string{"a_wanted_R.dat", "a_wanted_I.dat", "a_wanted_R.dat"} {
		file := filepath.Join(t.TempDir(), name)
		var text strings.Builder
		for m := range 200 {
			fmt.Fprintf(&text, "%s,,,,low,,VERSION %d,,,,,,,,,R1\n", mark(m), n+1)
		}
		at := noon.Add(time.Duration(n-9) * time.Hour)
		if err := errors.Join(os.WriteFile(file, []byte(text.String()), 0o600), os.Chtimes(file, at, at)); err != nil {
			t.Fatal(err)
		}
		if _, err := cache.Import(t.Context(), "wanted", file); err != nil {
			t.Fatal(err)
		}
		if err := powercut.Promise(disk, fmt.Sprint(n+1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := cache.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAfterAPowerCutAtAnyStepTheLastPromisedListOrTheNextIsInForce(t *testing.T) {
	for form, rule := range forms {
		trace := powercut.Watch(t, "TestPowerCutProgram", cutForm+"="+form)
		for _, wrong := range trace.Check(t, 60, func(disk string, promises []string) error {
			return checkCut(disk, rule, len(promises))
		}) {
			t.Errorf("%s: %s", form, wrong)
		}
	}
}

// checkCut opens what a cut has left and looks for one whole version, not older
// than the one that was promised.
func checkCut(disk string, rule Rule, promised int) (err error) {
	config, err := cutConfig(disk, rule)
	if err != nil {
		return err
	}
	cache, err := Open(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close()) }()
	versions, err := cache.Lists()
	if err != nil {
		return err
	}
	if len(versions) == 0 && promised == 0 {
		return nil
	}
	if len(versions) != 1 || versions[0].Entries != 200 || int(versions[0].Version) < promised { //nolint:gosec // at most 3
		return fmt.Errorf("version %d was promised, in force is %+v", promised, versions)
	}
	for m := range 200 {
		hits, err := cache.Match(mark(m))
		if want := fmt.Sprint("VERSION ", versions[0].Version); err != nil || len(hits) != 1 || hits[0].Entry.Reason != want {
			return fmt.Errorf("%s is %+v, %w, want %s", mark(m), hits, err, want)
		}
	}
	return nil
}
