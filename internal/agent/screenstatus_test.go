package agent

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nrd"
	"nrd/internal/clock"
)

// opened is a unit that has begun and runs nothing.
func opened(t *testing.T, c *Config, hand nrd.Clock) (*Agent, *lists) {
	t.Helper()
	a := newAgent(t, c, nil)
	a.Clock = hand
	a.tally = newTally(hand, nil, c.Match)
	must(t, a.open())
	t.Cleanup(func() { must(t, a.close()) })
	watched := &lists{agent: a}
	must(t, watched.begin(t.Context()))
	return a, watched
}

func TestTheScreenIsToldOfEveryCameraThatGivesNoFrames(t *testing.T) {
	c := newSite(t).unit("[position]", "[[camera]]\nfootage = \"rear.jpg\"\nname = \"rear\"\n[position]")
	list(t, c, entry("AB12CDE", "High", "1"))
	hand := clock.NewManual(time.Now())
	hand.Advance(time.Hour) // the machine runs for longer than the agent
	a, _ := opened(t, c, hand)
	sees := func(what string, want ...bool) {
		t.Helper()
		var got []bool
		for _, camera := range a.screenStatus().Cameras {
			got = append(got, camera.Sees)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: the cameras see %v, want %v", what, got, want)
		}
	}
	sees("at the start, which takes a moment", true, true)
	hand.Advance(frameWithin)
	sees("without a frame", false, false)
	a.tally.frame(camera1)
	sees("with frames of the first", true, false)
	a.tally.frame("rear")
	sees("with frames of both", true, true)
	hand.Advance(frameWithin)
	a.tally.frame("rear")
	sees("when the first gives no more", false, true)
}

func TestTheScreenIsToldOfAListOfAFileThatIsOutOfForceOrNotUpToDate(t *testing.T) {
	c := newSite(t).unit("[central]", "[[list]]\nname = \"national\"\nfile = \"national.dat\"\n[central]")
	list(t, c, entry("AB12CDE", "High", "1"))
	a, watched := opened(t, c, clock.System())
	says := func(what string, behind bool, missing ...string) {
		t.Helper()
		if st := a.screenStatus(); !slices.Equal(st.Missing, missing) || st.Behind != behind {
			t.Errorf("%s: %+v", what, st)
		}
	}
	says("a file that never came", true, "national")
	national := filepath.Join(filepath.Dir(c.file), "national.dat")
	must(t, os.WriteFile(national, []byte(entry("XY34ZZZ", "Low", "1")+"\n"), 0o600))
	watched.look(t.Context())
	says("both in force", false)
	must(t, os.Remove(national))
	watched.look(t.Context())
	says("a file that is gone, its list in force", true)
}

func TestTheScreenIsToldOfAListFromCentralThatWasSetAsideBeforeTheStart(t *testing.T) {
	u := newSite(t).enrol("car-7")
	u.follows()
	c, err := LoadConfig(u.file)
	must(t, err)
	must(t, os.MkdirAll(filepath.Join(c.Data, "lists"), 0o700))
	must(t, os.WriteFile(filepath.Join(c.Data, "lists", "0011aabb-3.list.corrupt-20261123T213000Z"), []byte("damaged"), 0o600))
	a, _ := opened(t, c, clock.System())
	if st := a.screenStatus(); !slices.Equal(st.Missing, []string{damagedCentral}) {
		t.Errorf("it says %+v", st)
	}
	a.tally.problem(damagedCentral, nil) // as a sync does that went well: central has no such list any more
	if st := a.screenStatus(); len(st.Missing) != 0 {
		t.Errorf("after a sync it says %+v", st)
	}
}
