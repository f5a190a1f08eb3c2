package storetest

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// OfficerItem makes the item of what an officer did, as it comes from the device of
// the record, or from unit-1 where there is none.
func OfficerItem(sequence uint64, e nrd.OfficerEvent) store.Item {
	m := wire.FromOfficerEvent(e)
	key := nrd.Key{Device: cmp.Or(e.Record.Device, "unit-1"), Epoch: 0xfedcba9876543210, Sequence: sequence}
	m.Key = wire.FromKey(key)
	payload, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // the suite's own events are whole
	}
	return store.Item{Key: key, Kind: store.KindEvent, Digest: wire.Digest(payload), Received: e.At.Add(time.Second).UTC(), Event: payload, Officer: &e, Filed: e.At}
}

// acted is a disposition of a record's hit.
func acted(r *nrd.Record, collar string, d nrd.Disposition, after time.Duration, lists ...string) nrd.OfficerEvent {
	return nrd.OfficerEvent{
		Action: nrd.OfficerActed, At: r.Captured.UTC.Add(after), Role: "observer", Record: r.Key, VRM: r.Read.VRM, Disposition: d, Lists: lists,
		Officer: nrd.Officer{Collar: collar, Authoriser: "Insp Grey", Reference: "LOG-1", Since: r.Captured.UTC.Add(-time.Hour)},
	}
}

// askOfficers wants these events, in this order.
func askOfficers(t *testing.T, s store.Store, q store.OfficerQuery, want ...store.Item) {
	t.Helper()
	got, err := s.Officers(context.Background(), q)
	if err != nil || len(got) != len(want) {
		t.Errorf("%+v: %d events, %v, want %d", q, len(got), err, len(want))
		return
	}
	for i, w := range want {
		if e := got[i]; e.Key != w.Key || !reflect.DeepEqual(e.OfficerEvent, *w.Officer) || !e.Filed.Equal(w.Filed) || !e.Received.Equal(w.Received) {
			t.Errorf("%+v: event %d is\n%+v, want\n%+v", q, i, e, w.Officer)
		}
	}
}

func officers(t *testing.T, subject Subject) {
	s := open(t, subject)
	first, other := add(t, s, Hit(Record("unit-1", 1, "AB12CDE", Noon))), add(t, s, Hit(Record("unit-1", 2, "XY34ZZZ", Noon.Add(time.Minute))))
	seen := acted(&first, "1234", "", 10*time.Second, "local")
	seen.Action = nrd.OfficerAcknowledged
	items := []store.Item{
		OfficerItem(3, seen), OfficerItem(4, acted(&first, "1234", nrd.DispositionStopped, time.Minute, "local")), OfficerItem(5, acted(&other, "5678", nrd.DispositionLost, time.Hour, "local")),
		OfficerItem(6, nrd.OfficerEvent{Action: nrd.OfficerChecked, At: Noon.Add(2 * time.Hour), Role: "driver", VRM: "KK11KKK", Reason: "at the scene", Hits: 2, Officer: seen.Officer}),
	}
	insert(t, s, items, store.Stored)
	insert(t, s, items, store.Duplicate)
	askOfficers(t, s, store.OfficerQuery{}, items[3], items[2], items[1], items[0])
	askOfficers(t, s, store.OfficerQuery{Limit: 1}, items[3])
	askOfficers(t, s, store.OfficerQuery{Collar: "5678"}, items[2])
	askOfficers(t, s, store.OfficerQuery{VRM: "AB12CDE"}, items[1], items[0])
	askOfficers(t, s, store.OfficerQuery{Action: nrd.OfficerChecked}, items[3])
	askOfficers(t, s, store.OfficerQuery{Device: "unit-2"})
	askOfficers(t, s, store.OfficerQuery{From: items[1].Filed, To: items[2].Filed}, items[1])
	if _, err := s.Officers(context.Background(), store.OfficerQuery{Limit: store.MaxLimit + 1}); !errors.Is(err, store.ErrQuery) {
		t.Errorf("too many: %v", err)
	}
	for key, want := range map[nrd.Key][]uint64{first.Key: {3, 4}, other.Key: {5}, items[0].Key: nil} {
		var got []uint64
		events, err := s.OfficersOf(context.Background(), key)
		for _, e := range events {
			got = append(got, e.Key.Sequence)
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("about %s: events %v, %v, want %v", key, got, err, want)
		}
	}
}

// officersElsewhere is about a record of another day, one that comes after the
// event, and one that waits in quarantine for its time.
func officersElsewhere(t *testing.T, subject Subject) {
	s := open(t, subject)
	before := Record("unit-1", 1, "AB12CDE", Noon.Add(-12*time.Hour-time.Minute))
	insert(t, s, []store.Item{OfficerItem(50, acted(&before, "1234", nrd.DispositionStopped, 10*time.Minute, "local"))}, store.Stored)
	add(t, s, before)
	aside := unproved("unit-1", 2, "boot 1", time.Hour)
	insert(t, s, aside, store.Quarantined)
	about := acted(aside[0].Record, "1234", nrd.DispositionLost, 0, "local")
	about.At = Noon
	insert(t, s, []store.Item{OfficerItem(90, about)}, store.Stored)
	if _, err := s.Release(context.Background(), []store.Release{{Key: aside[0].Key, Correction: corrected(Noon.Add(-48 * time.Hour))}}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []nrd.Key{before.Key, aside[0].Key} {
		if got, err := s.OfficersOf(context.Background(), key); err != nil || len(got) != 1 || got[0].Record != key {
			t.Errorf("about %s: %+v, %v", key, got, err)
		}
		if _, err := s.Record(context.Background(), key); err != nil {
			t.Error(err)
		}
	}
}

func dispositions(t *testing.T, subject Subject) {
	s := open(t, subject)
	r := Record("unit-1", 1, "AB12CDE", Noon)
	seen := acted(&r, "1234", "", 0, "local")
	seen.Action = nrd.OfficerAcknowledged
	insert(t, s, []store.Item{
		OfficerItem(1, seen), OfficerItem(2, acted(&r, "1234", nrd.DispositionStopped, 0, "local", "national")),
		OfficerItem(3, acted(&r, "1234", nrd.DispositionMisread, 24*time.Hour, "local")), OfficerItem(4, acted(&r, "5678", nrd.DispositionMisread, 48*time.Hour, "local")),
	}, store.Stored)
	for _, c := range []struct {
		from, to time.Time
		want     store.Dispositions
	}{
		{want: store.Dispositions{"local": {nrd.DispositionStopped: 1, nrd.DispositionMisread: 2}, "national": {nrd.DispositionStopped: 1}}},
		{from: Noon.Add(time.Hour), to: Noon.Add(48 * time.Hour), want: store.Dispositions{"local": {nrd.DispositionMisread: 1}}},
		{from: Noon.Add(72 * time.Hour), want: store.Dispositions{}},
	} {
		if got, err := s.Dispositions(context.Background(), c.from, c.to); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("from %s to %s: %v, %v, want %v", c.from, c.to, got, err, c.want)
		}
	}
}
