package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

func listEntry(vrm nrd.VRM, reference string) store.ListEntry {
	return store.ListEntry{
		Entry:   nrd.Entry{VRM: vrm, Reference: reference, Priority: nrd.PriorityHigh, Markers: []string{"WE"}, Weed: Noon.AddDate(0, 1, 0)},
		Creator: "jane.doe", Created: Noon, Rationale: "seen at three burglaries", Review: Noon.AddDate(0, 0, 7), Covert: true,
	}
}

func listsAreKept(t *testing.T, s Subject) {
	dir := t.TempDir()
	st, ctx := s.Open(t, dir), context.Background()
	if _, err := st.List(ctx, "burglars"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a list never made: %v", err)
	}
	refused := errors.New("no")
	if err := st.ChangeList(ctx, "burglars", func(*store.List) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	err := st.ChangeList(ctx, "burglars", func(l *store.List) error {
		l.Owner, l.Purpose, l.Recipients, l.InForce.Version = "DI Gray", store.ForResponse, []string{"car-7"}, 4
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = s.Open(t, dir)
	defer closed(t, st)
	all, err := st.Lists(ctx)
	if err != nil || len(all) != 1 || all[0].Name != "burglars" || all[0].Owner != "DI Gray" || all[0].InForce.Version != 4 || !all[0].Local() {
		t.Errorf("lists %+v, %v", all, err)
	}
}

func closed(t *testing.T, st store.Store) {
	t.Helper()
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

func entriesOfAList(t *testing.T, s Subject) {
	st, ctx := open(t, s), context.Background()
	change := func(c store.EntryChange) error {
		return st.ChangeEntries(ctx, "burglars", c, store.Retrospect{List: "burglars", Marks: []nrd.VRM{"AB12CDE"}})
	}
	if err := change(store.EntryChange{Put: []store.ListEntry{listEntry("CD34EFG", ""), listEntry("AB12CDE", "2"), listEntry("AB12CDE", "1")}}); err != nil {
		t.Fatal(err)
	}
	entries, err := st.Entries(ctx, store.EntryQuery{List: "burglars"})
	if err != nil || len(entries) != 3 {
		t.Fatalf("entries %+v, %v", entries, err)
	}
	want := listEntry("AB12CDE", "1")
	want.ID, want.List = entries[0].ID, "burglars"
	if got := fmt.Sprintf("%+v", entries[0]); got != fmt.Sprintf("%+v", want) || want.ID == 0 {
		t.Errorf("it comes back as\n%s\nwant\n%+v", got, want)
	}
	after, err := st.Entries(ctx, store.EntryQuery{List: "burglars", After: store.EntryKey{VRM: "AB12CDE", Reference: "1"}, Limit: 1})
	if err != nil || len(after) != 1 || after[0].Reference != "2" {
		t.Errorf("the page behind it: %+v, %v", after, err)
	}
	if one, err := st.Entries(ctx, store.EntryQuery{List: "burglars", VRM: "CD34EFG"}); err != nil || len(one) != 1 {
		t.Errorf("by mark: %+v, %v", one, err)
	}
	// A change that fails half-way changes nothing.
	err = change(store.EntryChange{Put: []store.ListEntry{listEntry("NEW1", ""), listEntry("AB12CDE", "1")}, Remove: []uint64{entries[2].ID}})
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("the same mark and reference twice: %v", err)
	}
	if err := change(store.EntryChange{Remove: []uint64{entries[2].ID, 4711}}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
	if err := st.ChangeEntries(ctx, "other", store.EntryChange{Remove: []uint64{entries[2].ID}}, store.Retrospect{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another list's entry: %v", err)
	}
	edited := entries[2]
	edited.Rationale = "corrected"
	if err := change(store.EntryChange{Put: []store.ListEntry{edited}, Remove: []uint64{entries[0].ID}}); err != nil {
		t.Fatal(err)
	}
	entries, err = st.Entries(ctx, store.EntryQuery{List: "burglars"})
	if err != nil || len(entries) != 2 || entries[1].Rationale != "corrected" {
		t.Errorf("after the change: %+v, %v", entries, err)
	}
	if err := change(store.EntryChange{Put: []store.ListEntry{listEntry("ZZ1", "")}, All: true}); err != nil {
		t.Fatal(err)
	}
	if entries, err = st.Entries(ctx, store.EntryQuery{List: "burglars"}); err != nil || len(entries) != 1 {
		t.Errorf("all replaced: %+v, %v", entries, err)
	}
	l, err := st.List(ctx, "burglars")
	if err != nil || l.Changes != 3 {
		t.Errorf("%d changes, %v", l.Changes, err)
	}
	due, err := st.Retrospects(ctx)
	if err != nil || len(due) != 3 || due[0].Marks[0] != "AB12CDE" {
		t.Fatalf("retrospects %+v, %v", due, err)
	}
	if err := st.RemoveRetrospect(ctx, due[0].ID); err != nil {
		t.Fatal(err)
	}
	if due, err = st.Retrospects(ctx); err != nil || len(due) != 2 {
		t.Errorf("retrospects %+v, %v", due, err)
	}
}

func importsAreKept(t *testing.T, s Subject) {
	st, ctx := open(t, s), context.Background()
	report := voi.Report{File: "x_R.dat", Lines: 3, Accepted: 2, Refused: 1, Problems: []voi.Problem{{Line: 2, Column: "VRM", Message: "is wrong", Refused: true}}}
	held, err := st.PutImport(ctx, store.ListImport{List: "national", State: store.ImportHeld, Why: "it shrinks", Report: report, Received: Noon})
	if err != nil || held.ID == 0 {
		t.Fatal(held, err)
	}
	for range 3 {
		if _, err := st.PutImport(ctx, store.ListImport{List: "other", State: store.ImportLoaded}); err != nil {
			t.Fatal(err)
		}
	}
	waiting, err := st.HeldImports(ctx)
	if err != nil || len(waiting) != 1 || waiting[0].Report.Problems[0].Line != 2 {
		t.Fatalf("held %+v, %v", waiting, err)
	}
	held.State = store.ImportApproved
	refused := errors.New("no")
	if err := st.PutInForce(ctx, held, store.Retrospect{}, func(*store.List) error { return refused }); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if i, err := st.Import(ctx, held.ID); err != nil || i.State != store.ImportHeld {
		t.Errorf("what failed half-way: %+v, %v", i, err)
	}
	err = st.PutInForce(ctx, held, store.Retrospect{Marks: []nrd.VRM{"A1"}}, func(l *store.List) error {
		l.InForce.Version = 7
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	i, err := st.Import(ctx, held.ID)
	l, listErr := st.List(ctx, "national")
	due, dueErr := st.Retrospects(ctx)
	if err = errors.Join(err, listErr, dueErr); err != nil || i.State != store.ImportApproved || l.InForce.Version != 7 || len(due) != 1 {
		t.Errorf("%+v, %+v, %v, %v", i, l, due, err)
	}
	if all, err := st.Imports(ctx, "", 0); err != nil || len(all) != 4 || all[3].ID != held.ID {
		t.Errorf("all imports: %+v, %v", all, err)
	}
	if some, err := st.Imports(ctx, "other", 2); err != nil || len(some) != 2 {
		t.Errorf("some imports: %+v, %v", some, err)
	}
	earlier := map[string]uint64{}
	for _, i := range []store.ListImport{
		{List: "national", State: store.ImportLoaded, Operation: "replace", Text: "a"}, {List: "national", State: store.ImportApproved, Operation: "replace", Text: "a"},
		{List: "national", State: store.ImportLoaded, Operation: "insert", Text: "a"}, {List: "national", State: store.ImportRejected, Operation: "replace", Text: "b"},
		{List: "other", State: store.ImportLoaded, Operation: "replace", Text: "a"},
	} {
		i, err := st.PutImport(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		earlier[i.List+i.Operation+string(i.State)] = i.ID
	}
	if i, err := st.WholeImport(ctx, "national", "a"); err != nil || i.ID != earlier["nationalreplaceapproved"] {
		t.Errorf("the whole file that said the same: %+v, %v", i, err)
	}
	if _, err := st.WholeImport(ctx, "national", "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("one that was never in force: %v", err)
	}
	if _, err := st.Import(ctx, 4711); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func hitAlarm(r nrd.Record, reference string, by store.Finder) store.HitAlarm {
	return store.HitAlarm{Record: r.Key, VRM: r.Read.VRM, Captured: r.Captured.UTC, Camera: r.Camera.Name, Raised: Noon, By: by,
		Hit: nrd.Hit{Entry: nrd.Entry{List: "burglars", VRM: r.Read.VRM, Reference: reference}, Match: nrd.MatchExact}}
}

func hitsAreRaisedOnce(t *testing.T, s Subject) {
	st, ctx := open(t, s), context.Background()
	r := Record("unit-1", 1, "AB12CDE", Noon)
	if _, err := st.Insert(ctx, Items(r, Noon)[:1]); err != nil {
		t.Fatal(err)
	}
	unknown := Record("unit-1", 99, "AB12CDE", Noon)
	raised, err := st.RaiseHits(ctx, []store.HitAlarm{
		hitAlarm(r, "1", store.FoundByUnit), hitAlarm(r, "1", store.FoundByCentral), hitAlarm(r, "2", store.FoundByCentral), hitAlarm(unknown, "1", store.FoundByCentral),
	})
	if err != nil || len(raised) != 2 || raised[0].By != store.FoundByUnit || raised[1].Hit.Entry.Reference != "2" {
		t.Fatalf("raised %+v, %v", raised, err)
	}
	if raised, err = st.RaiseHits(ctx, []store.HitAlarm{hitAlarm(r, "2", store.FoundInRetrospect)}); err != nil || len(raised) != 0 {
		t.Errorf("raised again: %+v, %v", raised, err)
	}
	alarms, err := st.HitAlarms(ctx, store.HitQuery{List: "burglars"})
	if err != nil || len(alarms) != 2 || alarms[0].Record != r.Key {
		t.Errorf("alarms %+v, %v", alarms, err)
	}
	if counts, err := st.HitCounts(ctx, Noon.Add(-time.Hour), Noon.Add(time.Hour)); err != nil || counts["burglars"] != 2 {
		t.Errorf("counts %v, %v", counts, err)
	}
	if counts, err := st.HitCounts(ctx, Noon.Add(time.Hour), time.Time{}); err != nil || len(counts) != 0 {
		t.Errorf("counts of later %v, %v", counts, err)
	}
	// What only central found is told beside the record, which stays as it came.
	stored, err := st.Record(ctx, r.Key)
	if err != nil || len(stored.Hits) != 0 || len(stored.Found) != 1 || stored.Found[0].Entry.Reference != "2" || len(stored.AllHits()) != 1 {
		t.Errorf("the record has %+v and %+v, %v", stored.Hits, stored.Found, err)
	}
	if found, err := st.Search(ctx, store.Query{HitsOnly: true}); err != nil || len(found) != 1 {
		t.Errorf("a search for hits finds %d, %v", len(found), err)
	}
	if totals, err := st.Totals(ctx); err != nil || totals.Hits != 1 {
		t.Errorf("totals %+v, %v", totals, err)
	}
}

func aGatewaysHitIsTheListsOwn(t *testing.T, s Subject) {
	st, ctx := open(t, s), context.Background()
	told, listed := store.FoundByGateway, store.FoundByCentral
	for i, c := range []struct {
		what        string
		first, then store.HitAlarm
		alarms      int
	}{
		{"without a reference, after the list's", hitAlarm(nrd.Record{}, "7", listed), hitAlarm(nrd.Record{}, "", told), 1},
		{"without a reference, before the list's", hitAlarm(nrd.Record{}, "", told), hitAlarm(nrd.Record{}, "7", listed), 1},
		{"with the list's reference", hitAlarm(nrd.Record{}, "7", listed), hitAlarm(nrd.Record{}, "7", told), 1},
		{"with another reference", hitAlarm(nrd.Record{}, "7", listed), hitAlarm(nrd.Record{}, "8", told), 2},
		{"no gateway, and an entry that has none", hitAlarm(nrd.Record{}, "7", listed), hitAlarm(nrd.Record{}, "", listed), 2},
	} {
		r := Record("unit-1", uint64(i+1), "AB12CDE", Noon)
		if _, err := st.Insert(ctx, Items(r, Noon)[:1]); err != nil {
			t.Fatal(err)
		}
		raised := 0
		for _, a := range []store.HitAlarm{c.first, c.then} {
			a.Record, a.VRM, a.Captured, a.Hit.Entry.VRM = r.Key, r.Read.VRM, r.Captured.UTC, r.Read.VRM
			n, err := st.RaiseHits(ctx, []store.HitAlarm{a})
			if err != nil {
				t.Fatal(err)
			}
			raised += len(n)
		}
		if raised != c.alarms {
			t.Errorf("%s: %d alarms, want %d", c.what, raised, c.alarms)
		}
	}
}

func urgentHitsFirst(t *testing.T, s Subject) {
	st, ctx := open(t, s), context.Background()
	for i, c := range []struct {
		at       time.Time
		priority nrd.Priority
	}{
		{Noon.AddDate(0, 0, -1), nrd.PriorityHigh}, {Noon, nrd.PriorityNone}, {Noon.Add(time.Minute), nrd.PriorityLow},
		{Noon.Add(2 * time.Minute), nrd.PriorityHigh}, {Noon.Add(3 * time.Minute), nrd.PriorityMedium}, {Noon.Add(4 * time.Minute), nrd.PriorityLow},
	} {
		r := Record("unit-1", uint64(i+1), "AB12CDE", c.at)
		a := hitAlarm(r, "1", store.FoundByUnit)
		a.Hit.Entry.Priority = c.priority
		if _, err := st.Insert(ctx, Items(r, Noon)[:1]); err != nil {
			t.Fatal(err)
		}
		if raised, err := st.RaiseHits(ctx, []store.HitAlarm{a}); err != nil || len(raised) != 1 {
			t.Fatalf("raised %+v, %v", raised, err)
		}
	}
	for _, c := range []struct {
		q    store.HitQuery
		want []uint64
	}{
		{store.HitQuery{}, []uint64{6, 5, 4, 3, 2, 1}},
		{store.HitQuery{Urgent: true}, []uint64{4, 1, 5, 6, 3, 2}},
		{store.HitQuery{Urgent: true, Limit: 2}, []uint64{4, 1}},
		{store.HitQuery{Urgent: true, Limit: 4, List: "burglars"}, []uint64{4, 1, 5, 6}},
		{store.HitQuery{Urgent: true, From: Noon}, []uint64{4, 5, 6, 3, 2}},
		{store.HitQuery{Urgent: true, List: "others"}, nil},
	} {
		alarms, err := st.HitAlarms(ctx, c.q)
		var got []uint64
		for _, a := range alarms {
			got = append(got, a.Record.Sequence)
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, %v, want %v", c.q, got, err, c.want)
		}
	}
}

func hitsAreAcknowledgedOnce(t *testing.T, s Subject) {
	dir := t.TempDir()
	st, ctx := s.Open(t, dir), context.Background()
	r := Record("unit-1", 1, "AB12CDE", Noon)
	if _, err := st.Insert(ctx, Items(r, Noon)[:1]); err != nil {
		t.Fatal(err)
	}
	one, two := hitAlarm(r, "1", store.FoundByUnit), hitAlarm(r, "2", store.FoundByCentral)
	if _, err := st.RaiseHits(ctx, []store.HitAlarm{one, two}); err != nil {
		t.Fatal(err)
	}
	ros := store.Acknowledgement{By: "ros.kerr", At: Noon.Add(time.Minute), Note: "patrol sent"}
	if a, err := st.AcknowledgeHit(ctx, one.Key(), ros); err != nil || a.Acknowledged != ros || a.Hit.Entry.Reference != "1" {
		t.Fatalf("acknowledged as %+v, %v", a, err)
	}
	if a, err := st.AcknowledgeHit(ctx, one.Key(), store.Acknowledgement{By: "jane.doe", At: Noon.Add(time.Hour)}); err != nil || a.Acknowledged != ros {
		t.Errorf("a second time it is %+v, %v", a.Acknowledged, err)
	}
	if _, err := st.RaiseHits(ctx, []store.HitAlarm{one}); err != nil { // found again
		t.Fatal(err)
	}
	for what, key := range map[string]store.HitKey{
		"another entry": {Record: r.Key, List: "burglars", VRM: "AB12CDE", Reference: "3"}, "another list": {Record: r.Key, List: "thieves", VRM: "AB12CDE", Reference: "1"},
		"a record that is not held": {Record: nrd.Key{Device: "unit-1", Epoch: r.Key.Epoch, Sequence: 9}, List: "burglars", VRM: "AB12CDE", Reference: "1"},
	} {
		if _, err := st.AcknowledgeHit(ctx, key, ros); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := st.HitAlarm(ctx, key); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = s.Open(t, dir)
	defer closed(t, st)
	if a, err := st.HitAlarm(ctx, one.Key()); err != nil || !a.Acknowledged.At.Equal(ros.At) || a.Acknowledged.By != ros.By || a.Acknowledged.Note != ros.Note {
		t.Errorf("kept is %+v, %v", a.Acknowledged, err)
	}
	if a, err := st.HitAlarm(ctx, two.Key()); err != nil || a.Acknowledged.By != "" {
		t.Errorf("its neighbour is %+v, %v", a.Acknowledged, err)
	}
}

func receivedSince(t *testing.T, s Subject) {
	st, ctx := open(t, s), context.Background()
	const records = 1200
	for first := 1; first <= records; first += 400 {
		var items []store.Item
		for sequence := first; sequence < first+400; sequence++ {
			r := Record("unit-1", uint64(sequence), "AB12CDE", Noon.Add(-time.Duration(sequence%2)*24*time.Hour))
			items = append(items, Items(r, Noon.Add(time.Duration(sequence)*time.Second))[0])
		}
		if _, err := st.Insert(ctx, items); err != nil {
			t.Fatal(err)
		}
	}
	for _, from := range []int{0, 1, 600, records, records + 1} {
		seen := map[nrd.Key]int{}
		err := st.Received(ctx, Noon.Add(time.Duration(from)*time.Second), func(r store.StoredRecord) error {
			seen[r.Key]++
			if int(r.Key.Sequence) < from {
				t.Errorf("from %d: record %d", from, r.Key.Sequence)
			}
			return nil
		})
		if want := records - max(from, 1) + 1; err != nil || len(seen) != want {
			t.Errorf("from %d: %d records, want %d, %v", from, len(seen), want, err)
		}
		for key, n := range seen {
			if n != 1 {
				t.Errorf("%s comes %d times", key, n)
			}
		}
	}
	stop := errors.New("enough")
	if err := st.Received(ctx, Noon, func(store.StoredRecord) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if until, err := st.Matched(ctx); err != nil || !until.IsZero() {
		t.Errorf("matched until %v, %v", until, err)
	}
	if err := st.SetMatched(ctx, Noon); err != nil {
		t.Fatal(err)
	}
	if until, err := st.Matched(ctx); err != nil || !until.Equal(Noon) {
		t.Errorf("matched until %v, %v", until, err)
	}
}
