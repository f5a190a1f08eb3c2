package agent

import (
	"slices"
	"testing"
	"time"

	"nrd"
)

// pauses draws how long a unit waits after so many failures, in order of length.
func pauses(t *testing.T, failures int) []time.Duration {
	t.Helper()
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	must(t, err)
	if profile.ListSyncsPerDay != 3 {
		t.Fatalf("the profile looks for lists %d times a day", profile.ListSyncsPerDay)
	}
	p := &published{agent: &Agent{Config: &Config{profile: profile}}}
	var drawn []time.Duration
	for range 2000 {
		drawn = append(drawn, p.pause(failures))
	}
	slices.Sort(drawn)
	return drawn
}

func TestUnitsLookForListsThreeTimesADayAndNotAllAtOnce(t *testing.T) {
	drawn := pauses(t, 0)
	shortest, longest := drawn[0], drawn[len(drawn)-1]
	if shortest <= 6*time.Hour || longest > 8*time.Hour {
		t.Errorf("it waits %s to %s", shortest, longest)
	}
	// Of a force's units, a quarter of an hour gets about an eighth, never more than a quarter.
	for from := 6 * time.Hour; from < 8*time.Hour; from += 15 * time.Minute {
		at, _ := slices.BinarySearch(drawn, from)
		to, _ := slices.BinarySearch(drawn, from+15*time.Minute)
		if n := to - at; n < len(drawn)/20 || n > len(drawn)/4 {
			t.Errorf("%d of %d wait %s to %s", n, len(drawn), from, from+15*time.Minute)
		}
	}
}

func TestAUnitWaitsLongerAfterEachFailureAndNeverLongerThanAnHour(t *testing.T) {
	for _, c := range []struct {
		failures int
		most     time.Duration
	}{{1, 30 * time.Second}, {2, time.Minute}, {3, 2 * time.Minute}, {7, 32 * time.Minute}, {8, time.Hour}, {9, time.Hour}, {1000, time.Hour}} {
		drawn := pauses(t, c.failures)
		shortest, longest := drawn[0], drawn[len(drawn)-1]
		if longest > c.most || longest < c.most*95/100 || shortest <= c.most*3/4 || shortest > c.most*80/100 {
			t.Errorf("after %d failures it waits %s to %s, at most %s is meant", c.failures, shortest, longest, c.most)
		}
	}
}
