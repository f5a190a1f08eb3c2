package lists

import (
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

// wrongClocks are what a clock shows that nobody has set, and one that was set wrong.
var wrongClocks = map[string]time.Time{
	"1970": time.Date(1970, 1, 1, 0, 10, 0, 0, time.UTC),
	"2099": time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
}

// lasting are n entries without a weed date, which no clock ends.
func lasting(n int) string { return strings.ReplaceAll(many(0, n), "2027-01-31", "") }

func TestAListThatCameWhileTheClockWasWrongKeepsNoLaterFileOut(t *testing.T) {
	for name, wrong := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.national()
			s.arrives("NAT_WANTED_R.dat", lasting(100))
			s.clock.Set(wrong)
			if name == "1970" && !slices.Contains(s.alarms(), "list national: extract") {
				t.Error("nobody is told that the list is of the future")
			}
			if i := s.arrives("NAT_WANTED_R.dat", lasting(101)); i.State != store.ImportLoaded {
				t.Fatalf("by the wrong clock it is %s: %s", i.State, i.Why)
			}
			s.clock.Set(noon.Add(2 * time.Hour))
			if got := s.alarms(); !slices.Equal(got, []string{"list national: extract"}) {
				t.Errorf("nobody is told that the list's time is wrong: %v", got)
			}
			if i := s.arrives("NAT_WANTED_R.dat", lasting(102)); i.State != store.ImportLoaded || s.list("national").InForce.Entries != 102 {
				t.Errorf("by the right clock it is %s: %s", i.State, i.Why)
			}
			if got := s.alarms(); len(got) != 0 {
				t.Errorf("a file came, and %v stands", got)
			}
			s.clock.Advance(9 * time.Hour)
			if got := s.alarms(); !slices.Equal(got, []string{"list national: extract"}) {
				t.Errorf("the next one is late: %v", got)
			}
		})
	}
}

func TestAFileThatWaitsSinceTheClockWasWrongIsApprovedOrMakesRoom(t *testing.T) {
	for name, wrong := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.national()
			s.arrives("NAT_WANTED_R.dat", lasting(100))
			s.clock.Set(wrong)
			approved := s.arrives("NAT_WANTED_R.dat", lasting(50))
			s.clock.Set(noon.Add(2 * time.Hour))
			s.must(s.Approve(t.Context(), jane, approved.ID, "the sender confirms it"))
			if v := s.list("national").InForce; v.Entries != 50 || !v.Issued.Equal(s.clock.Now()) {
				t.Errorf("in force is %+v", v)
			}
			s.clock.Set(wrong.Add(time.Hour))
			s.arrives("NAT_WANTED_R.dat", lasting(5))
			s.clock.Set(noon.Add(3 * time.Hour))
			s.arrives("NAT_WANTED_R.dat", lasting(51))
			if held, err := s.store.HeldImports(t.Context()); err != nil || len(held) != 0 {
				t.Errorf("a newer list is in force, and %+v waits, %v", held, err)
			}
		})
	}
}

func TestALocalListThatWasIssuedByAWrongClockIsIssuedAnew(t *testing.T) {
	for name, wrong := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			printer := newPrinter()
			s.Publisher = printer
			s.localList("burglars")
			s.put("burglars", entry("AB12CDE", ""))
			s.clock.Set(wrong)
			s.must(s.publish(t.Context()))
			s.must(s.Change(t.Context(), jane, "burglars", func(n *NewList) { n.Owner = "X" }))
			s.must(s.publish(t.Context()))
			s.clock.Set(noon.Add(time.Hour))
			s.must(s.publish(t.Context()))
			if p := printer.lists["burglars"]; !p.Made.Equal(s.clock.Now()) || s.Profile.ListFreshness(s.list("burglars").InForce, s.clock.Stamp()) != nrd.Fresh {
				t.Errorf("units have the list of %s until %s", p.Made, p.Expires)
			}
		})
	}
}

func TestRecordsThatCameAfterAWrongClockWasPutRightAreMatchedThoughNoneWasQueued(t *testing.T) {
	for name, wrong := range wrongClocks {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.localList("burglars")
			s.must(s.catchUp(t.Context())) // matching begins
			s.put("burglars", entry("AB12CDE", ""))
			s.clock.Set(wrong)
			s.must(s.note(t.Context(), s.clock.Now()))
			s.keeps(1, "AB12CDE") // by the wrong clock
			s.clock.Set(noon.Add(time.Hour))
			s.keeps(2, "AB12CDE")
			s.clock.Advance(time.Minute)
			s.must(s.catchUp(t.Context()))
			if got := s.raised(2); len(got) != 2 {
				t.Errorf("the alarms are %v", got)
			}
			if until, err := s.store.Matched(t.Context()); err != nil || !until.Equal(s.clock.Now().Add(-margin)) {
				t.Errorf("it is noted that all is matched until %s, %v", until, err)
			}
		})
	}
}
