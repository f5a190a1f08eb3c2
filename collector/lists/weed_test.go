package lists

import (
	"strings"
	"testing"
	"time"

	"nrd"
)

func TestEntriesThatExpiredLongAgoAreRemovedForGoodAndTheAccessLogSaysSo(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	ends := noon.Truncate(24 * time.Hour)
	old := entry("AB12CDE", "old")
	old.Weed = ends
	s.put("burglars", old)
	s.put("burglars", entry("CD34EFG", "young"))
	look := func(at time.Time, want int) {
		t.Helper()
		s.clock.Set(at)
		s.must(s.lookAfter(t.Context()))
		if got := len(s.entries("burglars")); got != want || s.list("burglars").InForce.Entries != want {
			t.Errorf("at %s there are %d entries, %d in force, want %d", at, got, s.list("burglars").InForce.Entries, want)
		}
	}
	look(ends.AddDate(0, 0, 29).Add(-time.Second), 2)
	s.clock.Doubt()
	look(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), 2)
	s.clock.Prove(nrd.ClockNTP, 0)
	look(ends.AddDate(0, 0, 29), 1)
	if e := s.entries("burglars")[0]; e.Reference != "young" {
		t.Errorf("left is %+v", e)
	}
	log, err := s.store.AccessLog(t.Context(), 1, 1000)
	s.must(err)
	if last := log[len(log)-1]; last.Action != "list weed" || last.Account != "central" || !strings.Contains(last.Subject, "burglars: 1 entries") {
		t.Errorf("the log ends with %+v", last)
	}
	s.must(s.lookAfter(t.Context()))
	if again, err := s.store.AccessLog(t.Context(), 1, 1000); err != nil || len(again) != len(log) {
		t.Errorf("the same day again: %+v, %v", again[len(log):], err)
	}
	if due, err := s.store.Retrospects(t.Context()); err != nil || len(due) != 2 {
		t.Errorf("a removal is searched for: %+v, %v", due, err)
	}
}
