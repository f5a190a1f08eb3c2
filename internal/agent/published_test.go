package agent

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

	"nrd"
	"nrd/collector"
	"nrd/hotlist"
)

// follows gives the enrolled unit the address of central's lists.
func (u *enrolled) follows() {
	u.t.Helper()
	text, err := os.ReadFile(u.file)
	must(u.t, err)
	must(u.t, os.WriteFile(u.file, append(text, fmt.Sprintf("[lists]\naddress = \"https://%s\"\n", u.site.lists)...), 0o600))
}

// wanted puts a mark on central's local list.
func (s *site) wanted(vrm string) {
	s.t.Helper()
	s.desk(func(ctx context.Context, d *collector.Desk) {
		must(s.t, d.PutListEntry(ctx, collector.ListedEntry{
			List: "burglars", VRM: vrm, Priority: "high", Rationale: "seen at three scenes", Reason: "Burglary", Weed: time.Now().AddDate(0, 2, 0), Review: time.Now().AddDate(0, 1, 0),
		}))
	})
}

// matches waits until the unit has so many hits of central's local list for a mark.
func (u *enrolled) matches(a *Agent, vrm nrd.VRM, want int) {
	u.t.Helper()
	u.matchesIn(a, "burglars", vrm, want)
}

func (u *enrolled) matchesIn(a *Agent, list string, vrm nrd.VRM, want int) {
	u.t.Helper()
	var got int
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		got = 0
		for _, h := range a.match(vrm) {
			if h.List.List == list {
				got++
			}
		}
		if got == want {
			return
		}
	}
	r, err := AskLists(u.t.Context(), a.Config)
	u.t.Fatalf("%s has %d hits on the unit, want %d; the unit says %+v, %v", vrm, got, want, r, err)
}

func TestAnEntryAtCentralIsOnTheUnitWithinSecondsAndCentralShowsIt(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-7")
	u.follows()
	a, _ := u.run(0)
	u.until("the unit is there", func(d collector.DeviceState) bool { return d.LastSeen != nil })
	s.desk(func(ctx context.Context, d *collector.Desk) {
		must(t, d.CreateList(ctx, collector.ListSettings{Name: "burglars", Owner: "DI Grey", Purpose: "response", Review: time.Now().AddDate(0, 1, 0)}))
	})
	s.wanted("ZZ12ABC")
	u.matches(a, "ZZ12ABC", 1)
	s.wanted("ZZ13ABC")
	u.matches(a, "ZZ13ABC", 1)
	u.matches(a, "ZZ12ABC", 1)
	u.until("central shows what the unit holds", func(d collector.DeviceState) bool {
		for _, l := range d.Lists {
			if l.List == "burglars" && l.Entries == 2 {
				return true
			}
		}
		return false
	})
	r, err := SyncLists(t.Context(), a.Config)
	must(t, err)
	if r.Central.Problem != "" || r.Central.Syncs < 2 || len(r.Lists) != 2 {
		t.Errorf("%+v", r)
	}
	s.desk(func(ctx context.Context, d *collector.Desk) { must(t, d.WithdrawList(ctx, "burglars", "solved")) })
	u.matches(a, "ZZ12ABC", 0)
	if hits := a.match("AB12CDE"); len(hits) != 1 || hits[0].List.List != "local" {
		t.Errorf("the unit's own list: %+v", hits)
	}
}

func TestAListOfStatusesThatCameToCentralInAFileIsPackedOnTheUnitAndMatches(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-7")
	u.follows()
	a, _ := u.run(0)
	u.until("the unit is there", func(d collector.DeviceState) bool { return d.LastSeen != nil })
	file := filepath.Join(t.TempDir(), "NAT_UNINSURED_R.dat")
	must(t, os.WriteFile(file, []byte("AA11AAA,,,,Low,,No insurance,,,,,,,,,\r\nBB22BBB,,,,Low,,No tax,,,,,,,,,\r\nCC33CCC,,,,Low,,No insurance,,,,,,,,,\r\n"), 0o600))
	s.desk(func(ctx context.Context, d *collector.Desk) {
		must(t, d.CreateList(ctx, collector.ListSettings{Name: "uninsured", Source: "NAT_UNINSURED", Status: true, Owner: "Roads policing", Purpose: "response"}))
		i, err := d.ImportList(ctx, collector.ListFile{List: "uninsured", Path: file})
		if err != nil || i.State != "loaded" || i.Entries != 3 {
			t.Fatalf("the import is %+v, %v", i, err)
		}
	})
	u.matchesIn(a, "uninsured", "BB22BBB", 1)
	if hits := a.match("CC33CCC"); len(hits) != 1 || hits[0].Entry.Reason != "No insurance" || hits[0].Entry.Priority != nrd.PriorityLow || hits[0].List.Entries != 3 {
		t.Errorf("the hit is %+v", hits)
	}
	if packed, err := filepath.Glob(filepath.Join(a.Config.Data, "lists", "*.status")); err != nil || len(packed) != 1 {
		t.Errorf("on the unit are %v, %v", packed, err)
	}
}

func TestListsFromCentralOutliveAStartWithoutCentralAndGoWithItsAddress(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-7")
	before, err := os.ReadFile(u.file)
	must(t, err)
	u.follows()
	s.desk(func(ctx context.Context, d *collector.Desk) {
		must(t, d.CreateList(ctx, collector.ListSettings{Name: "burglars", Owner: "DI Grey", Purpose: "response", Review: time.Now().AddDate(0, 1, 0)}))
	})
	s.wanted("ZZ12ABC")
	run := func(want int) {
		t.Helper()
		c, err := LoadConfig(u.file)
		must(t, err)
		a := newAgent(t, c, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := a.Run(ctx)
			ended <- err
		}()
		for _, err := AskLists(ctx, c); errors.Is(err, ErrNotRunning); _, err = AskLists(ctx, c) {
			time.Sleep(20 * time.Millisecond)
		}
		u.matches(a, "ZZ12ABC", want)
		cancel()
		must(t, <-ended)
	}
	run(1)
	s.stop()
	run(1)
	must(t, os.WriteFile(u.file, before, 0o600))
	run(0)
}

func TestAListFromCentralThatIsDamagedIsToldAndComesAgainAtOnce(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-7")
	u.follows()
	a, _ := u.run(0)
	u.until("the unit is there", func(d collector.DeviceState) bool { return d.LastSeen != nil })
	files := func() []string {
		found, err := filepath.Glob(filepath.Join(a.Config.Data, "lists", "*.list"))
		must(t, err)
		return found
	}
	own := files()
	damage := func() {
		for _, f := range files() {
			if !slices.Contains(own, f) {
				must(t, os.Truncate(f, 8192))
			}
		}
		for _, h := range a.match("ZZ12ABC") {
			t.Fatalf("nothing was damaged: %+v", h)
		}
	}
	told := func() bool {
		return slices.ContainsFunc(a.report().Problems, func(p string) bool { return strings.Contains(p, hotlist.ErrDamaged.Error()) })
	}
	s.desk(func(ctx context.Context, d *collector.Desk) {
		must(t, d.CreateList(ctx, collector.ListSettings{Name: "burglars", Owner: "DI Grey", Purpose: "response", Review: time.Now().AddDate(0, 1, 0)}))
	})
	s.wanted("ZZ12ABC")
	u.matches(a, "ZZ12ABC", 1)
	damage()
	u.matches(a, "ZZ12ABC", 1)
	for late := time.Now().Add(20 * time.Second); told(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the list is there again, and the problems are %v", a.report().Problems)
		}
	}
	if st := a.screenStatus(); len(st.Missing) != 0 || st.Behind {
		t.Errorf("all is well, and the officer's screen says %+v", st)
	}
	s.stop()
	damage()
	if !told() {
		t.Errorf("a list is out of force, and the problems are %v", a.report().Problems)
	}
	if st := a.screenStatus(); !slices.Equal(st.Missing, []string{"burglars"}) || len(st.Lists) != 1 {
		t.Errorf("a list is out of force beside the unit's own, and the officer's screen says %+v", st)
	}
	for late := time.Now().Add(20 * time.Second); !a.screenStatus().Behind; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("no sync gets through, and the officer's screen says %+v", a.screenStatus())
		}
	}
}

func TestAUnitWithoutCentralsListsSaysSo(t *testing.T) {
	s := newSite(t)
	u := s.enrol("car-7")
	a, _ := u.run(0)
	u.until("the unit is there", func(d collector.DeviceState) bool { return d.LastSeen != nil })
	if _, err := SyncLists(t.Context(), a.Config); !errors.Is(err, ErrNoCentral) {
		t.Errorf("%v, want %v", err, ErrNoCentral)
	}
	if r, err := AskLists(t.Context(), a.Config); err != nil || len(r.Lists) != 1 || r.Central.Configured {
		t.Errorf("%+v, %v", r, err)
	}
}
