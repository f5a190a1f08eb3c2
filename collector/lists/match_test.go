package lists

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
)

// comes stores a record as ingest does and gives it to the matching.
func (s *site) comes(sequence uint64, v nrd.VRM, hits ...nrd.Hit) nrd.Key {
	s.t.Helper()
	r := s.keeps(sequence, v, hits...)
	s.Stored(store.StoredRecord{Record: r, Received: s.clock.Now()})
	return r.Key
}

// keeps stores a record that nobody gives to the matching.
func (s *site) keeps(sequence uint64, v nrd.VRM, hits ...nrd.Hit) nrd.Record {
	s.t.Helper()
	r := storetest.Record("car-7", sequence, v, s.clock.Now())
	r.Hits = hits
	results, err := s.store.Insert(s.t.Context(), storetest.Items(r, s.clock.Now())[:1])
	if err != nil || results[0].Outcome != store.Stored {
		s.t.Fatal(results, err)
	}
	return r
}

// runs runs everything until the function that it gives is called.
func (s *site) runs() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
}

// raised waits until there are n hit alarms, and gives them as "VRM list reference
// finder".
func (s *site) raised(n int) []string {
	s.t.Helper()
	var all []string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		alarms, err := s.store.HitAlarms(s.t.Context(), store.HitQuery{})
		s.must(err)
		all = nil
		for _, a := range alarms {
			all = append(all, fmt.Sprintf("%s %s %s %s", a.VRM, a.Hit.Entry.List, a.Hit.Entry.Reference, a.By))
		}
		if len(all) >= n || time.Now().After(end) {
			slices.Sort(all)
			return all
		}
	}
}

func unitHit(v nrd.VRM, list, reference string) nrd.Hit {
	return nrd.Hit{Entry: nrd.Entry{VRM: v, Reference: reference, Priority: nrd.PriorityHigh}, List: nrd.ListVersion{List: list, Version: 1}, Match: nrd.MatchExact}
}

func TestEachPassageAndEntryIsOneAlarmWhoeverSawItFirst(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	covert := entry("AB12CDE", "covert")
	covert.Covert = true
	s.put("burglars", entry("AB12CDE", "1"))
	s.put("burglars", covert)
	found := make(chan store.StoredRecord, 10)
	s.OnHit = func(r store.StoredRecord) { found <- r }
	s.must(s.search(t.Context())) // or the search for the new entries may be the first to see the record
	stop := s.runs()
	key := s.comes(1, "AB12CDE", unitHit("AB12CDE", "burglars", "1"))
	s.comes(2, "ZZ99ZZZ")
	s.comes(3, "")
	s.comes(4, "XY12ABC", unitHit("XY12ABC", "the unit's own", ""))
	want := []string{"AB12CDE burglars 1 unit", "AB12CDE burglars covert central", "XY12ABC the unit's own  unit"}
	if got := s.raised(3); !slices.Equal(got, want) {
		t.Errorf("raised %q, want %q", got, want)
	}
	r := <-found
	if r.Key != key || len(r.Found) != 1 || r.Found[0].Entry.Reference != "covert" || len(r.AllHits()) != 2 {
		t.Errorf("shown is %+v", r.AllHits())
	}
	alarms, err := s.store.HitAlarms(t.Context(), store.HitQuery{List: "burglars"})
	if err != nil || len(alarms) != 2 {
		t.Fatal(alarms, err)
	}
	for _, a := range alarms {
		if a.Covert != (a.Hit.Entry.Reference == "covert") || a.By == store.FoundByCentral && a.Hit.VerifyBeforeStop() {
			t.Errorf("the alarm %+v", a)
		}
	}
	// The same record again, as after a lost receipt.
	s.Stored(store.StoredRecord{Record: storetest.Record("car-7", 1, "AB12CDE", s.clock.Now()), Received: s.clock.Now()})
	s.comes(5, "AB12CDE")
	if got := s.raised(5); len(got) != 5 {
		t.Errorf("raised %q", got)
	}
	stop()
	if got := s.raised(5); len(got) != 5 {
		t.Errorf("raised %q", got)
	}
}

func TestACovertEntryIsToldToNobodyWhoMayNotLookAtLists(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	covert := entry("AB12CDE", "covert")
	covert.Covert = true
	s.put("burglars", covert)
	s.put("burglars", entry("AB12CDF", "open"))
	s.must(s.search(t.Context()))
	for sequence, mark := range []nrd.VRM{"AB12CDE", "AB12CDF"} {
		r := s.keeps(uint64(sequence+1), mark)
		s.must(s.matchAll(t.Context(), []store.StoredRecord{{Record: r}}, store.FoundByCentral))
	}
	for account, want := range map[string]int{"jane.doe": 2, "sam.hill": 1} {
		by := access.By{Account: account}
		alarms, err := s.Hits(t.Context(), by, store.HitQuery{}, "incident 7")
		s.must(err)
		_, found, err := s.Access.Search(t.Context(), by, "incident 7", store.Query{})
		s.must(err)
		_, record, err := s.Access.Record(t.Context(), by, "incident 7", nrd.Key{Device: "car-7", Epoch: found[0].Key.Epoch, Sequence: 1})
		s.must(err)
		_, hitsOnly, err := s.Access.Search(t.Context(), by, "incident 7", store.Query{HitsOnly: true})
		s.must(err)
		shown := 0
		for _, r := range found {
			shown += len(r.AllHits())
		}
		if len(alarms) != want || shown != want || len(record.AllHits()) != want-1 || len(hitsOnly) != 1 {
			t.Errorf("%s is told of %d alarms, %d hits in a search, %d of the record, and finds %d hits; want %d", account, len(alarms), shown, len(record.AllHits()), len(hitsOnly), want)
		}
	}
}

func TestRecordsThatWereNotMatchedBeforeTheEndAreMatchedAtTheNextStart(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", "1"))
	s.must(s.search(t.Context()))
	s.must(s.store.SetMatched(t.Context(), s.clock.Now()))
	s.clock.Advance(time.Hour)
	s.keeps(1, "AB12CDE")
	s.again()
	stop := s.runs()
	defer stop()
	if got := s.raised(1); !slices.Equal(got, []string{"AB12CDE burglars 1 central"}) {
		t.Errorf("raised %q", got)
	}
}

func TestRecordsThatDoNotFitTheQueueAreMatchedAllTheSame(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", "1"))
	s.must(s.store.SetMatched(t.Context(), s.clock.Now()))
	other := store.StoredRecord{Record: storetest.Record("car-8", 1, "ZZ1", s.clock.Now())}
	for range matchQueue { // nobody takes them out yet
		s.Stored(other)
	}
	s.comes(1, "AB12CDE")
	stop := s.runs()
	defer stop()
	if got := s.raised(1); len(got) != 1 {
		t.Errorf("raised %q", got)
	}
}

func TestHowFarTheMatchingIsIsNotedOnlyWhereNothingWaits(t *testing.T) {
	s := newSite(t)
	s.must(s.note(t.Context(), s.clock.Now()))
	until, err := s.store.Matched(t.Context())
	if err != nil || !until.Equal(noon.Add(-margin)) {
		t.Errorf("noted %s, %v", until, err)
	}
	s.Stored(store.StoredRecord{Record: storetest.Record("car-8", 1, "ZZ1", s.clock.Now())})
	s.must(s.note(t.Context(), s.clock.Now().Add(time.Hour)))
	if again, err := s.store.Matched(t.Context()); err != nil || !again.Equal(until) {
		t.Errorf("noted %s while a record waits, %v", again, err)
	}
}

func TestALookAlikeIsMatchedWhereTheListAsksForIt(t *testing.T) {
	s := newSite(t)
	s.must(s.Create(t.Context(), jane, NewList{Name: "near", Owner: "X", Purpose: store.ForResponse, Near: true}))
	s.localList("exact")
	s.keeps(1, "AB12C0E")
	for _, list := range []string{"near", "exact"} {
		s.put(list, entry("AB12CDE", list))
	}
	s.hits("AB12C0E", "near near")
	s.must(s.search(t.Context()))
	alarms, err := s.store.HitAlarms(t.Context(), store.HitQuery{})
	if err != nil || len(alarms) != 1 || alarms[0].Hit.Match != nrd.MatchNear || alarms[0].VRM != "AB12C0E" || alarms[0].Hit.Entry.VRM != "AB12CDE" {
		t.Errorf("in retrospect %+v, %v", alarms, err)
	}
}

func TestADamagedListIsTakenOutAndALocalOneIsBuiltAnew(t *testing.T) {
	s := newSite(t)
	s.national()
	s.localList("burglars")
	s.put("burglars", entry("AB12CDE", "1"))
	s.arrives("NAT_WANTED_R.dat", many(0, 1000)+line("AB12CDE", "7"))
	s.hits("AB12CDE", "burglars 1", "national 7")
	for _, list := range []string{"national", "burglars"} {
		path := s.path(s.list(list).File)
		data, err := os.ReadFile(path)
		s.must(err)
		for i := 20; i < len(data)-4000; i += 50 {
			data[i] ^= 1
		}
		data[30] ^= 1
		s.must(os.WriteFile(path, data, 0o600))
	}
	s.hits("AB12CDE")
	if got := s.alarms(); !slices.Equal(got, []string{"list burglars: extract", "list national: extract"}) {
		t.Errorf("alarms %v", got)
	}
	s.must(s.lookAfter(t.Context()))
	s.hits("AB12CDE", "burglars 1")
	s.again()
	s.hits("AB12CDE", "burglars 1")
	if got := s.alarms(); !slices.Equal(got, []string{"list national: extract"}) {
		t.Errorf("alarms %v", got)
	}
	if i := s.arrives("NAT_WANTED_I.dat", line("ZZ1", "")); i.State != store.ImportRefused || !strings.Contains(i.Why, "whole list") {
		t.Errorf("a change of what is lost is %s: %s", i.State, i.Why)
	}
	s.arrives("NAT_WANTED_R.dat", many(0, 1000)+line("AB12CDE", "7"))
	s.hits("AB12CDE", "burglars 1", "national 7")
	if got := s.alarms(); len(got) != 0 {
		t.Errorf("alarms %v", got)
	}
}

func TestNothingOfAListLiesOpenOnTheDisk(t *testing.T) {
	s := newSite(t)
	s.national()
	s.localList("burglars")
	s.put("burglars", entry("QQ77SECRET", ""))
	s.arrives("NAT_WANTED_R.dat", many(0, 1000)+line("QQ77SECRET", "reference-7"))
	s.arrives("NAT_WANTED_R.dat", line("QQ77SECRET", "reference-7")) // this one waits
	seen := 0
	s.must(walk(s.dir, func(path string, data []byte) {
		seen++
		for _, word := range []string{"QQ77SECRET", "reference-7", "Stolen", "burglaries", "national", "burglars"} {
			if strings.Contains(string(data), word) || strings.Contains(path, "QQ77") {
				t.Errorf("%s shows %q", path, word)
			}
		}
	}))
	if seen < 4 {
		t.Errorf("only %d files were looked at", seen)
	}
}
