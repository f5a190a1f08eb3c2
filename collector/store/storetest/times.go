package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

// unproved makes the items of a record whose unit did not know the time.
func unproved(device string, sequence uint64, boot string, monotonic time.Duration) []store.Item {
	r := Record(device, sequence, "AB12CDE", time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC))
	r.Captured = nrd.Stamp{UTC: r.Captured.UTC, Source: nrd.ClockUnknown, BootID: boot, Monotonic: monotonic}
	items := Items(r, Noon)
	items[0].Quarantine = "the clock was not proved"
	return items
}

// corrected is a correction to a time.
func corrected(at time.Time) store.Correction {
	return store.Correction{UTC: at.UTC(), Source: nrd.ClockGPS, By: "unit-1/0000000000000007/9", At: Noon.Add(time.Hour)}
}

func releases(t *testing.T, subject Subject) {
	dir := t.TempDir()
	s := subject.Open(t, dir)
	items := unproved("unit-1", 1, "boot 1", time.Hour)
	insert(t, s, items, store.Quarantined)
	insert(t, s, unproved("unit-1", 2, "boot 1", time.Hour), store.Quarantined)
	if aside, err := s.Quarantined(context.Background(), items[0].Key); err != nil || len(aside) != 3 || aside[0].Record.Captured.Monotonic != time.Hour {
		t.Errorf("set aside under the key: %+v, %v", aside, err)
	}
	captured := Noon.Add(-72 * time.Hour)
	want := corrected(captured)
	got, err := s.Release(context.Background(), []store.Release{{Key: items[0].Key, Correction: want}})
	if err != nil || len(got) != 1 || got[0].Key != items[0].Key || !got[0].Time().Equal(captured) {
		t.Fatalf("Release: %+v, %v", got, err)
	}
	want.Quarantined = "the clock was not proved"
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = subject.Open(t, dir)
	defer s.Close() //nolint:errcheck // a test of what was there
	day := captured.Truncate(24 * time.Hour)
	found := search(t, s, store.Query{From: day, To: day.Add(24 * time.Hour)})
	if len(found) != 1 || !reflect.DeepEqual(found[0].Correction, &want) || !found[0].Captured.UTC.Equal(items[0].Record.Captured.UTC) {
		t.Fatalf("the search of the right day finds %+v", found)
	}
	if found := search(t, s, store.Query{To: Noon.AddDate(-1, 0, 0)}); len(found) != 0 {
		t.Errorf("it is found by the unit's own time too: %+v", found)
	}
	whole := *items[0].Record
	whole.Patch, whole.Overview = items[1].Image, items[2].Image
	holds(t, s, whole)
	if left, err := s.Quarantine(context.Background(), 10); err != nil || len(left) != 3 || left[0].Key.Sequence != 2 {
		t.Errorf("left in quarantine: %d, %v; want the three items of the other record", len(left), err)
	}
	if n, err := s.Totals(context.Background()); err != nil || n.Records != 1 || n.Images != 2 || n.Quarantined != 3 {
		t.Errorf("Totals: %+v, %v", n, err)
	}
	if aside, err := s.Quarantined(context.Background(), items[0].Key); err != nil || len(aside) != 0 {
		t.Errorf("still set aside under the key: %+v, %v", aside, err)
	}
	items[0].Quarantine = ""
	insert(t, s, items, store.Duplicate) // the unit never had its receipt
	if again, err := s.Release(context.Background(), []store.Release{{Key: items[0].Key, Correction: corrected(Noon)}}); err != nil || len(again) != 0 {
		t.Errorf("released twice: %+v, %v", again, err)
	}
}

// lateImages are those that come when the record has been released already.
func lateImages(t *testing.T, subject Subject) {
	s := open(t, subject)
	items := unproved("unit-1", 1, "boot 1", time.Hour)
	insert(t, s, items[:2], store.Quarantined)
	if got, err := s.Release(context.Background(), []store.Release{{Key: items[0].Key, Correction: corrected(Noon)}}); err != nil || len(got) != 1 {
		t.Fatalf("Release: %+v, %v", got, err)
	}
	insert(t, s, items[2:], store.Stored)
	whole := *items[0].Record
	whole.Patch, whole.Overview = items[1].Image, items[2].Image
	holds(t, s, whole)
}

func releaseOfHeldKey(t *testing.T, subject Subject) {
	s := open(t, subject)
	first := add(t, s, Record("unit-1", 1, "AB12CDE", Noon))
	insert(t, s, unproved("unit-1", 1, "boot 1", time.Hour)[:1], store.Quarantined)
	got, err := s.Release(context.Background(), []store.Release{{Key: first.Key, Correction: corrected(Noon)}})
	if err != nil || len(got) != 0 {
		t.Errorf("Release: %+v, %v", got, err)
	}
	holds(t, s, first)
	if left, err := s.Quarantine(context.Background(), 10); err != nil || len(left) != 1 {
		t.Errorf("Quarantine: %+v, %v", left, err)
	}
}

func correctedAtInsert(t *testing.T, subject Subject) {
	s := open(t, subject)
	items := unproved("unit-1", 1, "boot 1", time.Hour)
	c := corrected(Noon.Add(-24 * time.Hour))
	items[0].Quarantine, items[0].Correction = "", &c
	insert(t, s, items, store.Stored)
	got, err := s.Record(context.Background(), items[0].Key)
	if err != nil || !reflect.DeepEqual(got.Correction, &c) || !got.Time().Equal(c.UTC) {
		t.Errorf("Record: %+v, %v", got, err)
	}
	if found := search(t, s, store.Query{From: Noon.Add(-25 * time.Hour), To: Noon.Add(-23 * time.Hour)}); len(found) != 1 {
		t.Errorf("the search finds %+v", found)
	}
}

func unprovedByStart(t *testing.T, subject Subject) {
	s := open(t, subject)
	insert(t, s, unproved("unit-1", 1, "boot 1", time.Hour)[:1], store.Quarantined)
	later := unproved("unit-1", 2, "boot 1", 2*time.Hour)[:1]
	later[0].Received = Noon.Add(48 * time.Hour)
	insert(t, s, later, store.Quarantined)
	insert(t, s, unproved("unit-1", 3, "boot 2", time.Hour)[:1], store.Quarantined)
	insert(t, s, unproved("unit-2", 4, "boot 1", time.Hour)[:1], store.Quarantined)
	insert(t, s, unproved("unit-2", 5, "", time.Hour)[:1], store.Quarantined)
	impossible := Items(Record("unit-1", 6, "AB12CDE", Noon), Noon)[:1] // proved, and yet not to be believed
	impossible[0].Quarantine = "in the future"
	insert(t, s, impossible, store.Quarantined)
	got, err := s.Unproved(context.Background(), "unit-1", "boot 1")
	if err != nil || len(got) != 2 || got[0].Key.Sequence+got[1].Key.Sequence != 3 || got[0].Captured.Monotonic+got[1].Captured.Monotonic != 3*time.Hour {
		t.Errorf("Unproved: %+v, %v", got, err)
	}
	if got, err := s.Unproved(context.Background(), "unit-2", ""); err != nil || len(got) != 0 {
		t.Errorf("Unproved of no start: %+v, %v", got, err)
	}
}

func anchors(t *testing.T, subject Subject) {
	s := open(t, subject)
	at := func(device, boot string, monotonic time.Duration, source nrd.ClockSource) store.Anchor {
		return store.Anchor{Device: device, By: "somebody", At: Noon,
			Correction: nrd.Correction{BootID: boot, Monotonic: monotonic, UTC: Noon.Add(monotonic), ClockError: time.Second, Source: source}}
	}
	first := at("unit-1", "boot 1", time.Hour, nrd.ClockNTP)
	second := at("unit-1", "boot 1", time.Minute, nrd.ClockCentral)
	for _, a := range []store.Anchor{first, second, at("unit-1", "boot 2", time.Hour, nrd.ClockNTP), at("unit-2", "boot 1", time.Hour, nrd.ClockNTP)} {
		if err := s.PutAnchor(context.Background(), a, Noon.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	again := first
	again.By, again.UTC = "somebody else", Noon
	if err := s.PutAnchor(context.Background(), again, Noon.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	got, err := s.Anchors(context.Background(), "unit-1", "boot 1")
	if want := []store.Anchor{second, first}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Anchors: %+v, %v, want %+v", got, err, want)
	}
	late := at("unit-1", "boot 3", time.Hour, nrd.ClockNTP)
	late.At = Noon.AddDate(1, 0, 0)
	if err := s.PutAnchor(context.Background(), late, Noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for boot, want := range map[string]int{"boot 1": 0, "boot 2": 0, "boot 3": 1} {
		if got, err := s.Anchors(context.Background(), "unit-1", boot); err != nil || len(got) != want {
			t.Errorf("a year later there are %d anchors of %s, %v; want %d", len(got), boot, err, want)
		}
	}
	if got, err := s.Anchors(context.Background(), "unit-2", "boot 1"); err != nil || len(got) != 1 {
		t.Errorf("the other device has %d anchors, %v; want its own", len(got), err)
	}
}
