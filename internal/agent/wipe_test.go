package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nrd"
	"nrd/collector"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/powercut"
	"nrd/internal/sealed"
	"nrd/uplink"
)

// public are the files of a unit that a wipe leaves: they tell nothing.
var public = []string{"nrd-agent.toml", identity.CAFile, "wiped", "screen.pem", "gateway.pem"}

// leftOf gives what else is in a unit's folder.
func leftOf(dir string) (left []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !slices.Contains(public, filepath.Base(path)) {
			left = append(left, path)
		}
		return err
	})
	return left, err
}

// equip gives a unit an officer's screen and a live gateway, with the keys that lie
// beside its configuration.
func (u *enrolled) equip() {
	u.t.Helper()
	from := filepath.Join(u.site.dir, "devices", "unit-2", "unit-2")
	for _, name := range []string{"screen", "gateway"} {
		for _, kind := range []string{".pem", ".key"} {
			text, err := os.ReadFile(from + kind)
			must(u.t, errors.Join(err, os.WriteFile(filepath.Join(u.dir, name+kind), text, 0o600)))
		}
	}
	text, err := os.ReadFile(u.file)
	must(u.t, err)
	must(u.t, os.WriteFile(u.file, append(text, []byte(`
[incab]
listen = "127.0.0.1:0"
certificate = "screen.pem"
key = "screen.key"
[live]
url = "https://127.0.0.1:9/lookup"
ca = "identity/ca.pem"
certificate = "gateway.pem"
key = "gateway.key"
`)...), 0o600))
}

func TestALostUnitDestroysItsKeysFirstAndSaysSo(t *testing.T) {
	u := newSite(t).enrol("car-9")
	u.equip()
	a, ended := u.run(0)
	u.until("the unit is seen", seen)
	a.record(&nrd.Record{Read: nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE"}}) // a hit, which the screen keeps too
	if _, err := os.Stat(a.Config.incabFile()); err != nil {
		t.Fatal(err)
	}
	must(t, os.WriteFile(filepath.Join(u.dir, "identity", "last-good-time"), []byte("2026-11-28T08:00:00Z\n"), 0o600))
	u.site.desk(func(ctx context.Context, d *collector.Desk) {
		must(t, d.WipeDevice(ctx, u.name, "stolen with its car"))
	})
	u.ends(ended, identity.ErrWiped)
	u.until("central knows it", func(d collector.DeviceState) bool { return d.Wiped && d.State == "wiped" })
	if left, err := leftOf(u.dir); err != nil || left != nil {
		t.Errorf("%q are left, %v", left, err)
	}
	_, ended = u.run(0)
	u.ends(ended, identity.ErrWiped)
}

func TestAWipeWaitsForTheUnitThatIsAway(t *testing.T) {
	u := newSite(t).enrol("car-9")
	u.site.desk(func(ctx context.Context, d *collector.Desk) { must(t, d.WipeDevice(ctx, u.name, "stolen")) })
	_, ended := u.run(0)
	u.ends(ended, identity.ErrWiped)
	u.until("central knows it", func(d collector.DeviceState) bool { return d.Wiped })
}

// wipedUnit is a unit's configuration in a folder of its own.
func wipedUnit(dir string) *Config {
	in := func(name string) string { return filepath.Join(dir, name) }
	return &Config{
		Device: "car-9", Data: in("data"), Key: in("storage.key"), Lists: []ListConfig{{Name: "local", File: in("local.dat")}},
		Central: CentralConfig{CA: in("identity/ca.pem"), Certificate: in("identity/car-9.pem"), Key: in("identity/car-9.key")},
		Incab:   IncabConfig{Key: in("screen.key")}, Live: LiveConfig{Key: in("gateway.key")},
		Buffer: BufferConfig{MaxBytes: 1 << 20},
	}
}

// TestWipeProgram is the program under test of the next one.
func TestWipeProgram(t *testing.T) {
	dir := powercut.Dir()
	if dir == "" {
		return
	}
	c := wipedUnit(dir)
	must(t, os.MkdirAll(filepath.Join(dir, "identity"), 0o700))
	site, err := identity.NewSite(filepath.Join(dir, "identity"), clock.System())
	must(t, err)
	must(t, errors.Join(site.IssueDevice(filepath.Join(dir, "identity"), "car-9"), os.Remove(filepath.Join(dir, "identity", "ca.key"))))
	key, err := sealed.CreateKey(c.Key)
	must(t, err)
	a := newAgent(t, c, nil)
	a.buffer, err = uplink.OpenBuffer(c.buffer(key, a.Clock, a.Log))
	must(t, err)
	_, err = a.buffer.Append(&nrd.Record{Read: nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE"}})
	must(t, err)
	for _, file := range []string{c.Lists[0].File, c.Incab.Key, c.Live.Key, c.incabFile(), c.pushedFile(), filepath.Join(c.Data, "lists", "local")} {
		must(t, sealed.MakeDir(filepath.Dir(file)))
		must(t, sealed.WriteFile(file, []byte("a secret"), 0o600))
	}
	must(t, powercut.Promise(dir, "whole"))
	a.stop = func(error) {}
	must(t, a.wipe(1, "stolen"))
	must(t, powercut.Promise(dir, "wiped"))
	must(t, a.buffer.Close())
	must(t, a.removeRest())
}

func TestAWipeThatAPowerCutEndsIsFinishedAtTheNextStart(t *testing.T) {
	wrong := powercut.Watch(t, "TestWipeProgram").Check(t, 60, func(disk string, promises []string) error {
		if len(promises) == 0 {
			return nil
		}
		a := newAgent(t, wipedUnit(disk), nil)
		err := a.unwiped()
		if err == nil {
			// Nothing was touched yet: the order comes again.
			if len(promises) > 1 {
				return errors.New("it is not taken for wiped")
			}
			b, err := uplink.OpenBuffer(a.Config.buffer(a.mustKey(t), a.Clock, a.Log))
			if err != nil {
				return fmt.Errorf("it is not taken for wiped: %w", err)
			}
			return b.Close()
		}
		if !errors.Is(err, identity.ErrWiped) || strings.Contains(err.Error(), "\n") {
			return err
		}
		left, err := leftOf(disk)
		if left != nil {
			err = errors.Join(err, fmt.Errorf("%q are left", left))
		}
		return err
	})
	for _, w := range wrong {
		t.Error(w)
	}
}
