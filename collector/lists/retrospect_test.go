package lists

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

func TestStoredRecordsAreMatchedInRetrospectWithinBoundsAndTheAccessLogSaysSo(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.put("burglars", entry("ZZ1", "other"))
	s.must(s.search(t.Context()))
	old := s.clock.Now()
	s.keeps(1, "AB12CDE")
	s.clock.Advance(31 * 24 * time.Hour)
	s.keeps(2, "AB12CDE")
	s.clock.Advance(time.Hour)
	s.keeps(3, "AB12CDE", unitHit("AB12CDE", "burglars", "1"))
	s.keeps(4, "ZZ1")
	e := entry("AB12CDE", "1")
	e.Weed = s.clock.Now().AddDate(0, 1, 0).Truncate(24 * time.Hour)
	s.put("burglars", e)
	s.again() // what was not searched is searched after a restart
	s.must(s.search(t.Context()))
	want := []string{"AB12CDE burglars 1 retrospect", "AB12CDE burglars 1 unit"}
	if got := s.raised(2); !slices.Equal(got, want) {
		t.Errorf("raised %q, want %q: not the record of %s, and of the other mark nothing", got, want, old)
	}
	lines := s.lines()
	if got := lines[len(lines)-1]; got != "jane.doe: retrospective match: ok" {
		t.Errorf("the log ends with %q", got)
	}
	log, err := s.store.AccessLog(t.Context(), uint64(len(lines)), 1)
	if err != nil || !strings.Contains(log[0].Subject, "burglars, 1 marks, records since") || log[0].Reason != "seen at three burglaries" {
		t.Errorf("the line says %q for %q, %v", log[0].Subject, log[0].Reason, err)
	}
	s.must(s.search(t.Context()))
	if again := s.lines(); len(again) != len(lines) {
		t.Errorf("it was searched again: %q", again[len(again)-1])
	}
}

// broken is a store that cannot search for one mark.
type broken struct {
	store.Store
	mark string
}

var errBroken = errors.New("the disk is broken")

func (b broken) Search(ctx context.Context, q store.Query) ([]store.StoredRecord, error) {
	if q.Pattern == b.mark {
		return nil, errBroken
	}
	return b.Store.Search(ctx, q)
}

func TestASearchThatFailsIsLoggedOnceAndKeepsNoOtherUp(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.keeps(1, "AB12CDE")
	s.keeps(2, "ZZ1")
	s.put("burglars", entry("AB12CDE", ""))
	s.put("burglars", entry("ZZ1", ""))
	s.Store = broken{s.store, "AB12CDE"}
	for range 3 {
		if err := s.search(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("nobody is told: %v", err)
		}
	}
	if got := s.raised(1); !slices.Equal(got, []string{"ZZ1 burglars  retrospect"}) {
		t.Errorf("raised %q", got)
	}
	s.Store = s.store
	s.must(s.search(t.Context()))
	if got := s.raised(2); len(got) != 2 {
		t.Errorf("raised %q", got)
	}
	if n := strings.Count(strings.Join(s.lines(), "\n"), "retrospective match"); n != 2 {
		t.Errorf("%d lines in the access log for two searches", n)
	}
}

func TestASearchWaitsUntilItsEntriesAreMatched(t *testing.T) {
	add := store.Retrospect{List: "burglars", At: noon, By: "jane.doe", Marks: []nrd.VRM{"AB12CDE"}}
	for name, c := range map[string]struct{ before, after func(s *site) }{
		"the change is not built": {func(s *site) {
			s.must(s.store.ChangeEntries(t.Context(), "burglars", store.EntryChange{Put: []store.ListEntry{entry("AB12CDE", "")}}, add))
		}, func(s *site) { s.must(s.lookAfter(t.Context())) }},
		"the list is damaged": {func(s *site) {
			s.put("burglars", entry("AB12CDE", ""))
			s.damaged(s.inForce["burglars"], ErrDamaged)
		}, func(s *site) { s.must(s.lookAfter(t.Context())) }},
		"the version is not opened yet": {func(s *site) {
			s.put("burglars", entry("AB12CDE", ""))
			s.must(s.store.ChangeList(t.Context(), "burglars", func(list *store.List) error {
				list.File += "x"
				return nil
			}))
		}, func(s *site) {
			s.must(s.store.ChangeList(t.Context(), "burglars", func(list *store.List) error {
				list.File = strings.TrimSuffix(list.File, "x")
				return nil
			}))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.localList("burglars")
			s.keeps(1, "AB12CDE")
			c.before(s)
			s.must(s.search(t.Context()))
			if got := s.raised(0); len(got) != 0 {
				t.Fatalf("raised %q", got)
			}
			c.after(s)
			s.must(s.search(t.Context()))
			if got := s.raised(1); len(got) != 1 {
				t.Error("the search was given up")
			}
			if due, err := s.store.Retrospects(t.Context()); err != nil || len(due) != 0 {
				t.Errorf("still due is %+v, %v", due, err)
			}
		})
	}
	s := newSite(t)
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", ""))
	s.must(s.Withdraw(t.Context(), jane, "burglars", "no longer needed"))
	s.must(s.search(t.Context()))
	if due, err := s.store.Retrospects(t.Context()); err != nil || len(due) != 0 {
		t.Errorf("of a withdrawn list still due is %+v, %v", due, err)
	}
}

func TestWhatAFileAddsIsLookedForInRetrospectAndWhatWasThereIsNot(t *testing.T) {
	s := newSite(t)
	s.national()
	s.arrives("NAT_WANTED_R.dat", many(0, 10)+line("ZZ1", "old"))
	s.must(s.search(t.Context()))
	s.keeps(1, "ZZ1")
	s.keeps(2, "ZZ2")
	s.arrives("NAT_WANTED_R.dat", many(0, 10)+line("ZZ1", "old")+line("ZZ2", "new"))
	s.must(s.search(t.Context()))
	if got := s.raised(1); !slices.Equal(got, []string{"ZZ2 national new retrospect"}) {
		t.Errorf("raised %q", got)
	}
}

func TestThatStoredRecordsAreNotSearchedForTooManyMarksIsSaid(t *testing.T) {
	s := newSite(t)
	s.national()
	s.localList("burglars")
	s.keeps(1, "AB12CDE")
	text := many(0, maxMarks) + line("AB12CDE", "new")
	file := s.arrives("NAT_WANTED_R.dat", text)
	local, err := s.Import(t.Context(), jane, "burglars", s.file("B_X_R.dat", text), Upload{Rationale: "operation Foo"})
	s.must(err)
	for what, i := range map[string]store.ListImport{"a file in the inbox": file, "a file for a local list": local} {
		if i.State != store.ImportLoaded || i.Unsearched != tooMany {
			t.Errorf("%s is %s, unsearched: %q", what, i.State, i.Unsearched)
		}
	}
	s.again() // what was not said is said after a restart
	s.must(s.search(t.Context()))
	s.must(s.search(t.Context()))
	log, err := s.store.AccessLog(t.Context(), 1, 1000)
	s.must(err)
	said := map[string]int{}
	for _, l := range log {
		if l.Action == "retrospective match" {
			said[l.Subject+", "+l.Account+": "+l.Outcome]++
		}
	}
	want := map[string]int{"list national, inbox: not made: " + tooMany: 1, "list burglars, jane.doe: not made: " + tooMany: 1}
	if !maps.Equal(said, want) {
		t.Errorf("the access log says %v, want %v", said, want)
	}
	if got := s.raised(0); len(got) != 0 {
		t.Errorf("raised %q", got)
	}
}
