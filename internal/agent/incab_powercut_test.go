package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"testing"

	"nrd"
	"nrd/incab"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/powercut"
)

// screened opens the screen of a unit that is made by keyed. The caller closes its
// listener.
func screened(dir string) (*Agent, error) {
	c, err := LoadConfig(filepath.Join(dir, "nrd-agent.toml"))
	if err != nil {
		return nil, err
	}
	c.Incab.Listen = "127.0.0.1:0"
	a := &Agent{Config: c, Clock: clock.System(), Log: slog.New(slog.DiscardHandler)}
	key, err := c.storageKey()
	if err != nil {
		return nil, err
	}
	if a.credential, err = identity.OpenCredential(c.Central.files(), key, a.Clock); err != nil {
		return nil, err
	}
	return a, a.openScreen(context.Background())
}

// TestScreenProgram is what runs while the power is cut: hits are told.
func TestScreenProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	keyed(t, filepath.Join(disk, "unit"))
	a, err := screened(filepath.Join(disk, "unit"))
	must(t, err)
	must(t, powercut.Promise(disk, "open"))
	for n := range 3 {
		v := nrd.VRM(fmt.Sprint("AB1", n))
		a.screen.Recorded(&nrd.Record{
			Captured: clock.System().Stamp(), Read: nrd.Read{VRM: v}, Hits: []nrd.Hit{{Entry: nrd.Entry{VRM: v, List: "wanted"}, Match: nrd.MatchExact, Freshness: nrd.Fresh}},
		}, incab.Telling{Times: 1, Now: true})
		must(t, powercut.Promise(disk, string(v)))
	}
	must(t, a.screen.Listener.Close())
}

func TestAfterAPowerCutAtAnyStepTheScreenHasEveryHitThatItTold(t *testing.T) {
	for _, wrong := range powercut.Watch(t, "TestScreenProgram").Check(t, 60, func(disk string, promises []string) error {
		if len(promises) == 0 {
			return nil // the unit was not made yet
		}
		a, err := screened(filepath.Join(disk, "unit"))
		if err != nil {
			return err
		}
		text, err := a.screen.Load()
		var kept struct{ Alerts []struct{ VRM nrd.VRM } }
		if err == nil {
			err = json.Unmarshal(text, &kept)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = errors.New("nothing is kept")
		}
		if err == nil && len(kept.Alerts) < len(promises)-1 {
			err = fmt.Errorf("%v were told, kept is %+v", promises, kept)
		}
		return errors.Join(err, a.screen.Listener.Close())
	}) {
		t.Error(wrong)
	}
}
