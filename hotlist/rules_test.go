package hotlist

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/hotlist/voi"
)

// ruled gives a unit with the default profile and these rules.
func ruled(t *testing.T, rules map[string]Rule, limit int) *unit {
	u := newUnit(t)
	var err error
	if u.config.Profile, err = nrd.LoadProfile(nrd.DefaultProfile); err != nil {
		t.Fatal(err)
	}
	u.config.Rules, u.config.NearLimit = rules, limit
	u.restart(func([]string) {})
	return u
}

func TestOnlyAListThatAsksForItIsMatchedNearly(t *testing.T) {
	u := ruled(t, map[string]Rule{"local": {Near: true}}, 0)
	u.mustLoad("local", "", entry("A812CDE", nrd.PriorityLow, "near"), entry("AB12CDE", nrd.PriorityLow, "exact"), entry("A81ZCDE", nrd.PriorityHigh, "two"))
	u.mustLoad("wanted", "", entry("A812CDE", nrd.PriorityHigh, "wanted"))
	hits, err := u.Match("AB12CDE")
	if err != nil || len(hits) != 2 {
		t.Fatalf("%v, %v", hits, err)
	}
	if h := hits[0]; h.Entry.Reference != "exact" || h.Match != nrd.MatchExact || h.Differs != nil || h.Freshness != nrd.Fresh {
		t.Errorf("first: %+v", h)
	}
	if h := hits[1]; h.Entry.Reference != "near" || h.Entry.VRM != "A812CDE" || h.Match != nrd.MatchNear || !slices.Equal(h.Differs, []int{1}) {
		t.Errorf("second: %+v", h)
	}
}

func TestAnExpiredEntryIsNoNearMatchEither(t *testing.T) {
	u := ruled(t, map[string]Rule{"local": {Near: true}}, 0)
	e := entry("A812CDE", nrd.PriorityHigh, "R1")
	e.Weed = noon.AddDate(0, 0, -2).Truncate(24 * time.Hour)
	u.mustLoad("local", "", e)
	if got := u.found("AB12CDE"); got != "" {
		t.Errorf("got %s", got)
	}
}

func TestAListThatIsTooLargeToBeMatchedNearlyIsRefused(t *testing.T) {
	u := ruled(t, map[string]Rule{"local": {Near: true}}, 2)
	u.mustLoad("local", "", entry("A812CDE", nrd.PriorityLow, "R1"))
	three := []nrd.Entry{entry("A812CDE", nrd.PriorityLow, "R2"), entry("B2", nrd.PriorityLow, "R2"), entry("C3", nrd.PriorityLow, "R2")}
	if _, err := u.load("local", "", three...); !errors.Is(err, ErrNearTooMany) || !strings.Contains(err.Error(), "has 3, the limit is 2") {
		t.Errorf("got %v", err)
	}
	u.stillHoldsNear("R1")
	// A list that was there before it was to be matched nearly is matched
	// exactly, and the log says so.
	u.config.Rules = nil
	u.restart(func([]string) {})
	u.mustLoad("local", "", three...)
	u.config.Rules = map[string]Rule{"local": {Near: true}}
	u.restart(func([]string) {})
	if u.found("AB12CDE") != "" || u.found("A812CDE") != "R2" || !strings.Contains(u.log.String(), "is matched exactly") {
		t.Errorf("it is matched nearly, or nobody was told: %s", u.log)
	}
}

func (u *unit) stillHoldsNear(reference string) {
	u.t.Helper()
	if got := u.found("AB12CDE"); got != reference {
		u.t.Errorf("%q is in force, want %q", got, reference)
	}
}

func TestAnOlderListPlayedAgainIsRefused(t *testing.T) {
	eachForm(t, func(t *testing.T, u *unit) {
		text := func(reference string) []byte { return []byte("A1,,,,high,,,,,,,,,,," + reference + "\n") }
		old := u.file("old_wanted_R.dat", text("OLD"))
		touch(t, old, noon.Add(-8*time.Hour))
		insert := u.file("old_wanted_I.dat", text("INSERTED"))
		touch(t, insert, noon.Add(-7*time.Hour))
		u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "NEW"))
		for _, file := range []string{old, insert} {
			if _, err := u.Import(t.Context(), "wanted", file); !errors.Is(err, ErrOlder) {
				t.Errorf("got %v", err)
			}
		}
		if got := u.found("A1"); got != "NEW" {
			t.Errorf("in force: %s", got)
		}
		// Nor does damage to the list open the door.
		path := u.paths()[0]
		u.restart(func([]string) { overwrite(t, path, 10) })
		if _, err := u.Import(t.Context(), "wanted", old); !errors.Is(err, ErrOlder) || u.found("A1") != "" {
			t.Errorf("after damage: %v", err)
		}
		u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "NEW"))
		// A person who removes the list may load what he likes.
		if err := u.Remove("wanted"); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Import(t.Context(), "wanted", old); err != nil || u.found("A1") != "OLD" {
			t.Errorf("after it was removed: %v", err)
		}
	})
}

func TestAListFrom2099DoesNotShutOutThoseOfToday(t *testing.T) {
	u := newUnit(t)
	u.clock.Reboot()
	future := u.file("list.csv", []byte("A1,,,,high,,,,,,,,,,,FUTURE\n"))
	touch(t, future, time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC))
	if _, err := u.Import(t.Context(), "wanted", future); err != nil {
		t.Fatal(err)
	}
	u.clock.Set(noon)
	u.clock.Prove(nrd.ClockGPS, 0)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "TODAY"))
	if got := u.found("A1"); got != "TODAY" {
		t.Errorf("in force: %s", got)
	}
}

func TestDamagedFloorsAreSaidAndStopNothing(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	overwrite(t, u.config.Path+"/"+floorsFile, 100)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R2"))
	if got := u.found("A1"); got != "R2" || !strings.Contains(u.log.String(), floorsFile) {
		t.Errorf("in force: %s; the log: %s", got, u.log)
	}
}

func TestABombOrAFormulaDoesNoHarm(t *testing.T) {
	u := newUnit(t)
	u.mustLoad("wanted", "", entry("A1", nrd.PriorityLow, "R1"))
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, err := z.Create("nat_wanted_R.dat")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat("XY1,,,,high,,,,,,,,,,,BOMB\n", 200_000))); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := u.Import(t.Context(), "wanted", u.file("list.zip", bomb.Bytes())); !errors.Is(err, voi.ErrTooLarge) {
		t.Errorf("the bomb: %v", err)
	}
	u.stillHoldsOnly("a ZIP bomb", "R1", 1)
	// What a spreadsheet would run is text here, and a quote reaches no other
	// column or line.
	formula := `"=cmd|' /C calc'!A0"`
	text := fmt.Sprintf("A1,%s,,,high,,\"\"\",,,,HIGH,,\",,,,,,,,,R2\nB2,,,,low,,\"open\nXY1,,,,high,,,,,,,,,,,FAKE\n", formula)
	report, err := u.Import(t.Context(), "wanted", u.file("list.csv", []byte(text)))
	if err != nil || report.Accepted != 2 || report.Refused != 1 {
		t.Fatal(err, report)
	}
	hits, err := u.Match("A1")
	if err != nil || len(hits) != 1 || hits[0].Entry.Make != "=cmd|' /C calc'!A0" || hits[0].Entry.Reason != `",,,,HIGH,,` || hits[0].Entry.Priority != nrd.PriorityHigh {
		t.Errorf("%v, %+v", err, hits)
	}
}

func touch(t *testing.T, path string, at time.Time) {
	t.Helper()
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}
