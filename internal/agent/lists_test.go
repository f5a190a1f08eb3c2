package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"nrd"
	"nrd/internal/clock"
)

func TestOnAUnitWhoseClockSays2099EntriesStillMatchAndAskForSomebodysWord(t *testing.T) {
	dir := t.TempDir()
	a := newAgent(t, keyed(t, dir).Config, nil)
	now := clock.NewManual(time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC))
	now.Doubt()
	a.Clock, a.tally = now, newTally(now, nil, a.Config.Match)
	must(t, a.open())
	defer func() { must(t, a.close()) }()
	file := filepath.Join(dir, "local.dat")
	must(t, os.WriteFile(file, []byte(entry("AB12CDE", "High", "1")+"\n"), 0o600)) // to the end of 2039
	if _, err := a.cache.Import(t.Context(), "local", file); err != nil {
		t.Fatal(err)
	}
	if hits := a.match("AB12CDE"); len(hits) != 1 || !hits[0].VerifyBeforeStop() {
		t.Errorf("by a clock that nobody vouches for: %+v", hits)
	}
	now.Prove(nrd.ClockGPS, 0)
	if hits := a.match("AB12CDE"); len(hits) != 0 {
		t.Errorf("when it is 2099: %+v", hits)
	}
}
