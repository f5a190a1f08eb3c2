package lists

import (
	"slices"
	"testing"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
)

// alerts stores the event of a unit that a live gateway told of hits, as ingest does.
func (s *site) alerts(sequence uint64, r nrd.Record, hits ...nrd.Hit) {
	s.t.Helper()
	e := nrd.OfficerEvent{
		Action: nrd.OfficersAlerted, At: s.clock.Now(), Role: nrd.RoleUnit, Record: r.Key, VRM: r.Read.VRM, Reason: "of interest, says Force live", Lists: []string{"national"}, Told: hits,
	}
	results, err := s.store.Insert(s.t.Context(), []store.Item{storetest.OfficerItem(sequence, e)})
	if err != nil || results[0].Outcome != store.Stored {
		s.t.Fatal(results, err)
	}
	s.Told(e)
}

// live is a hit that a gateway gave.
func live(v nrd.VRM, reference string) nrd.Hit {
	h := unitHit(v, "national", reference)
	h.Live, h.List.Version = true, 0
	return h
}

func TestAHitThatOnlyALiveGatewayKnewIsAnAlarmLikeAnyOther(t *testing.T) {
	s := newSite(t)
	shown := make(chan store.StoredRecord, 10)
	s.OnHit = func(r store.StoredRecord) { shown <- r }
	s.must(s.Create(t.Context(), jane, NewList{Name: "national", Owner: "X", Purpose: store.ForResponse}))
	defer s.runs()()
	r := s.keeps(1, "AB12CDE")
	s.alerts(101, r, live("AB12CDE", "7"), live("AB12CDE", "8"))
	want := []string{"AB12CDE national 7 gateway", "AB12CDE national 8 gateway"}
	if got := s.raised(2); !slices.Equal(got, want) {
		t.Fatalf("raised %q, want %q", got, want)
	}
	if live := <-shown; live.Key != r.Key || len(live.Found) != 2 {
		t.Errorf("the live view is shown %+v", live)
	}
	stored, err := s.store.Record(t.Context(), r.Key)
	if err != nil || len(stored.Hits) != 0 || len(stored.Found) != 2 || !stored.Found[0].Live {
		t.Errorf("the record has %+v and %+v, %v", stored.Hits, stored.Found, err)
	}
	all, err := s.All(t.Context(), jane)
	if err != nil || all[0].Hits != 2 {
		t.Errorf("the use of the list is %+v, %v", all, err)
	}
}

func TestAHitOfALiveGatewayWaitsForItsRecordAndIsRaisedOnceAlsoAfterARestart(t *testing.T) {
	s := newSite(t)
	s.localList("national")
	later := storetest.Record("car-7", 1, "AB12CDE", s.clock.Now())
	s.alerts(101, later, live("AB12CDE", "7"))
	s.must(s.raiseTold(t.Context()))
	if got := s.raised(0); len(got) != 0 {
		t.Fatalf("raised without a record: %q", got)
	}
	s.keeps(1, "AB12CDE")
	s.must(s.raiseTold(t.Context()))
	once := func(when string) {
		t.Helper()
		if got := s.raised(1); !slices.Equal(got, []string{"AB12CDE national 7 gateway"}) {
			t.Errorf("%s: raised %q", when, got)
		}
	}
	once("when the record has come")
	s.must(s.raiseTold(t.Context()))
	s.again() // nobody is told of the event again
	s.must(s.raiseTold(t.Context()))
	once("after a restart")
	// What central found before stays its own, and is no second one.
	s.put("national", entry("ZZ1", "9"))
	r := s.keeps(2, "ZZ1")
	s.must(s.matchAll(t.Context(), []store.StoredRecord{{Record: r}}, store.FoundByCentral))
	s.alerts(102, r, live("ZZ1", "9"))
	s.must(s.raiseTold(t.Context()))
	if got := s.raised(2); !slices.Equal(got, []string{"AB12CDE national 7 gateway", "ZZ1 national 9 central"}) {
		t.Errorf("raised %q", got)
	}
}
