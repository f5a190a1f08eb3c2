package lists

import (
	"maps"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
)

func TestTheUseOfAListIsItsHitsAndWhatOfficersSaidBecameOfThem(t *testing.T) {
	s := newSite(t)
	s.localList("burglars")
	s.localList("couriers")
	s.put("burglars", entry("AB12CDE", ""))
	s.put("couriers", entry("ZZ1", ""))
	act := func(sequence uint64, r nrd.Record, list string, d nrd.Disposition) {
		t.Helper()
		item := storetest.OfficerItem(sequence, nrd.OfficerEvent{
			Action: nrd.OfficerActed, At: s.clock.Now(), Role: "observer", Record: r.Key, VRM: r.Read.VRM, Disposition: d, Lists: []string{list},
			Officer: nrd.Officer{Collar: "1234", Authoriser: "Insp Grey", Reference: "LOG-1", Since: s.clock.Now()},
		})
		if results, err := s.store.Insert(t.Context(), []store.Item{item}); err != nil || results[0].Outcome != store.Stored {
			t.Fatal(results, err)
		}
	}
	hit := func(sequence uint64, mark nrd.VRM) nrd.Record {
		t.Helper()
		r := s.keeps(sequence, mark)
		s.must(s.matchAll(t.Context(), []store.StoredRecord{{Record: r}}, store.FoundByCentral))
		return r
	}
	act(101, hit(1, "AB12CDE"), "burglars", nrd.DispositionStopped) // too long ago
	s.clock.Advance((UsageDays + 1) * 24 * time.Hour)
	act(102, hit(2, "AB12CDE"), "burglars", nrd.DispositionStopped)
	act(103, hit(3, "AB12CDE"), "burglars", nrd.DispositionLost)
	act(104, hit(4, "AB12CDE"), "burglars", nrd.DispositionLost)
	hit(5, "ZZ1")
	s.must(s.Review(t.Context(), jane, "burglars", "still needed", time.Time{}))
	all, err := s.All(t.Context(), jane)
	s.must(err)
	want := map[nrd.Disposition]uint64{nrd.DispositionStopped: 1, nrd.DispositionLost: 2}
	if b := all[0]; b.Hits != 3 || !maps.Equal(b.Dispositions, want) || !b.Reviewed.Equal(s.clock.Now()) || b.ReviewedBy != "jane.doe" {
		t.Errorf("of the first list %d hits, %v, reviewed %s by %s", b.Hits, b.Dispositions, b.Reviewed, b.ReviewedBy)
	}
	if c := all[1]; c.Hits != 1 || len(c.Dispositions) != 0 || !c.Reviewed.IsZero() {
		t.Errorf("of the other %d hits, %v, reviewed %s", c.Hits, c.Dispositions, c.Reviewed)
	}
}

func TestAListThatIsTooLargeForLookAlikesIsMatchedExactlyAndSaysSo(t *testing.T) {
	s := newSite(t)
	printer := newPrinter()
	s.Publisher = printer
	s.must(s.Create(t.Context(), jane, NewList{Name: "near", Owner: "X", Purpose: store.ForResponse, Near: true}))
	s.put("near", entry("AB12CDE", ""))
	for _, c := range []struct {
		entries int
		refused bool
	}{{NearLimit, false}, {NearLimit + 1, true}} {
		var list store.List
		s.must(s.store.ChangeList(t.Context(), "near", func(held *store.List) error {
			held.InForce.Entries = c.entries
			held.InForce.Version++
			list = *held
			return nil
		}))
		s.renew(list)
		s.must(s.publish(t.Context()))
		all, err := s.All(t.Context(), jane)
		s.must(err)
		if hits := s.references("AB12C0E"); all[0].NearRefused != c.refused || printer.lists["near"].Near == c.refused || (len(hits) == 0) != c.refused {
			t.Errorf("with %d entries it says %t, publishes near %t and matches %q", c.entries, all[0].NearRefused, printer.lists["near"].Near, hits)
		}
	}
}
