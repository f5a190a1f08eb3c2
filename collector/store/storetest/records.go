package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

func comesBack(t *testing.T, subject Subject) {
	s := open(t, subject)
	r := add(t, s, Hit(Record("unit-1", 1, "AB12CDE", Noon)))
	holds(t, s, r)
	unknown := r.Key
	unknown.Sequence = 99
	if _, err := s.Record(context.Background(), unknown); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Record of an unknown key: %v, want ErrNotFound", err)
	}
	if _, err := s.Image(context.Background(), unknown, nrd.ImagePatch); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Image of an unknown key: %v, want ErrNotFound", err)
	}
}

// holds wants the record and both images as they were.
func holds(t *testing.T, s store.Store, r nrd.Record) {
	t.Helper()
	got, err := s.Record(context.Background(), r.Key)
	if err != nil {
		t.Fatalf("Record: %v", err)
	}
	if !got.HasPatch || !got.HasOverview {
		t.Errorf("HasPatch %v, HasOverview %v: both images are held", got.HasPatch, got.HasOverview)
	}
	for kind, want := range map[nrd.ImageKind]nrd.Image{nrd.ImagePatch: r.Patch, nrd.ImageOverview: r.Overview} {
		image, err := s.Image(context.Background(), r.Key, kind)
		if err != nil {
			t.Fatalf("Image: %v", err)
		}
		if !reflect.DeepEqual(image, want) {
			t.Errorf("the %s came back changed", kind)
		}
	}
	r.Patch, r.Overview = nrd.Image{}, nrd.Image{}
	if !reflect.DeepEqual(got.Record, r) {
		t.Errorf("the record came back as\n%+v, was\n%+v", got.Record, r)
	}
}

func storesOnce(t *testing.T, subject Subject) {
	s := open(t, subject)
	r := Record("unit-1", 1, "AB12CDE", Noon)
	items := Items(r, Noon)
	insert(t, s, items, store.Stored)
	for range 3 {
		insert(t, s, Items(r, Noon.Add(48*time.Hour)), store.Duplicate)
	}
	if found := search(t, s, store.Query{}); len(found) != 1 || !found[0].Received.Equal(items[0].Received) {
		t.Errorf("after sending four times there are %d records: %+v", len(found), found)
	}
	holds(t, s, r)
}

func conflicts(t *testing.T, subject Subject) {
	s := open(t, subject)
	first := add(t, s, Record("unit-1", 1, "AB12CDE", Noon))
	// The same key again, as a copied buffer would send it: on the same day, and
	// on another one.
	for i, captured := range []time.Time{Noon, Noon.Add(72 * time.Hour)} {
		other := Items(Record("unit-1", 1, "XY99XYZ", captured), Noon.Add(time.Minute))[:1]
		results := insert(t, s, other, store.Quarantined)
		if results[0].Reason == "" {
			t.Error("a conflict has no reason")
		}
		insert(t, s, other, store.Quarantined) // sent again: still one
		held, err := s.Quarantine(context.Background(), 10)
		if err != nil || len(held) != i+1 {
			t.Fatalf("Quarantine: %d items, %v, want %d", len(held), err, i+1)
		}
		if got := held[0]; got.Record == nil || got.Record.Read.VRM != "XY99XYZ" || got.Digest != other[0].Digest || got.Quarantine != results[0].Reason {
			t.Errorf("quarantined %+v", got)
		}
	}
	holds(t, s, first)
	if found := search(t, s, store.Query{}); vrms(found) != "AB12CDE" {
		t.Errorf("search finds %s", vrms(found))
	}
}

func quarantines(t *testing.T, subject Subject) {
	s := open(t, subject)
	items := Items(Record("unit-1", 1, "AB12CDE", time.Date(1971, 1, 1, 0, 0, 0, 0, time.UTC)), Noon)
	items[0].Quarantine = "captured 1971, before 2020"
	insert(t, s, items, store.Quarantined) // its images go with it
	items[0].Quarantine = ""               // a clock was set right meanwhile: a person decides, not the second try
	insert(t, s, items, store.Quarantined)
	if found := search(t, s, store.Query{}); len(found) != 0 {
		t.Errorf("search finds %s", vrms(found))
	}
	held, err := s.Quarantine(context.Background(), 10)
	if err != nil || len(held) != 3 {
		t.Fatalf("Quarantine: %d items, %v, want 3", len(held), err)
	}
	if got := held[2]; got.Quarantine != "captured 1971, before 2020" || got.Key != items[0].Key || !got.Received.Equal(Noon) {
		t.Errorf("quarantined %+v", got)
	}
	if !bytes.Equal(held[0].Image.JPEG, items[2].Image.JPEG) {
		t.Error("the quarantined image came back changed")
	}
	if held, err := s.Quarantine(context.Background(), 1); err != nil || len(held) != 1 {
		t.Errorf("Quarantine of 1: %d items, %v", len(held), err)
	}
}

func imageFirst(t *testing.T, subject Subject) {
	s := open(t, subject)
	r := Record("unit-1", 1, "AB12CDE", Noon.Add(-48*time.Hour))
	items := Items(r, Noon)
	insert(t, s, items[1:], store.Stored)
	insert(t, s, items[1:], store.Duplicate)
	if _, err := s.Image(context.Background(), r.Key, nrd.ImagePatch); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an image without its record: %v, want ErrNotFound", err)
	}
	insert(t, s, items[:1], store.Stored)
	holds(t, s, r)
	insert(t, s, items, store.Duplicate)
	if got, err := s.Totals(context.Background()); err != nil || got.Images != 2 {
		t.Errorf("Totals: %+v, %v, want 2 images", got, err)
	}
}

func imageNotAnnounced(t *testing.T, subject Subject) {
	s := open(t, subject)
	r := Record("unit-1", 1, "AB12CDE", Noon)
	items := Items(r, Noon)
	early := items[1]
	early.Image.JPEG = []byte("another patch, before the record")
	early.Digest = sha256.Sum256(early.Image.JPEG)
	insert(t, s, []store.Item{early}, store.Stored) // nothing is known against it yet
	insert(t, s, items[:1], store.Stored)
	other := items[2]
	other.Image.JPEG = []byte("another overview")
	other.Digest = sha256.Sum256(other.Image.JPEG)
	insert(t, s, []store.Item{other}, store.Quarantined)
	none := Record("unit-1", 2, "AB12CDE", Noon)
	images := Items(none, Noon)[1:]
	none.Patch, none.Overview = nrd.Image{}, nrd.Image{}
	insert(t, s, append(Items(none, Noon)[:1], images...), store.Stored, store.Quarantined)
	insert(t, s, items[1:], store.Stored)
	holds(t, s, r)
	if held, err := s.Quarantine(context.Background(), 10); err != nil || len(held) != 4 {
		t.Errorf("Quarantine: %d items, %v, want 4", len(held), err)
	}
}

func events(t *testing.T, subject Subject) {
	s := open(t, subject)
	event := store.Item{Key: nrd.Key{Device: "unit-1", Epoch: 7, Sequence: 9}, Kind: store.KindEvent, Received: Noon, Event: []byte("dropped 7"), Digest: sha256.Sum256([]byte("dropped 7"))}
	insert(t, s, []store.Item{event}, store.Stored)
	event.Received = Noon.Add(24 * time.Hour)
	insert(t, s, []store.Item{event}, store.Duplicate)
	event.Event, event.Digest = []byte("dropped 8"), sha256.Sum256([]byte("dropped 8"))
	insert(t, s, []store.Item{event}, store.Quarantined)
	held, err := s.Quarantine(context.Background(), 10)
	if err != nil || len(held) != 1 || string(held[0].Event) != "dropped 8" {
		t.Errorf("Quarantine: %+v, %v", held, err)
	}
}

func twiceInABatch(t *testing.T, subject Subject) {
	s := open(t, subject)
	items := Items(Record("unit-1", 1, "AB12CDE", Noon), Noon)
	other := Items(Record("unit-1", 1, "XY99XYZ", Noon), Noon)[0]
	insert(t, s, []store.Item{items[1], items[0], items[0], other, items[2], items[2]},
		store.Stored, store.Stored, store.Duplicate, store.Quarantined, store.Stored, store.Duplicate)
}

func lateRecords(t *testing.T, subject Subject) {
	s := open(t, subject)
	for i := range 5 { // five days offline, sent in one go
		r := Record("unit-1", uint64(i+1), nrd.VRM(fmt.Sprintf("DAY%d", i)), Noon.Add(time.Duration(i)*24*time.Hour))
		insert(t, s, Items(r, Noon.Add(120*time.Hour)), store.Stored)
	}
	if got, err := s.Totals(context.Background()); err != nil || got.Days != 5 {
		t.Errorf("Totals: %+v, %v, want 5 days", got, err)
	}
	if found := search(t, s, store.Query{}); vrms(found) != "DAY4 DAY3 DAY2 DAY1 DAY0" {
		t.Errorf("search finds %s", vrms(found))
	}
	day := Noon.Add(48 * time.Hour).Truncate(24 * time.Hour)
	if found := search(t, s, store.Query{From: day, To: day.Add(24 * time.Hour)}); vrms(found) != "DAY2" {
		t.Errorf("search of one day finds %s", vrms(found))
	}
}

func latest(t *testing.T, subject Subject) {
	s := open(t, subject)
	want := ""
	for i := range 12 { // received in order, a quarter of an hour apart, captured on three days in turn
		vrm := nrd.VRM(fmt.Sprintf("R%d", i))
		r := Record("unit-1", uint64(i+1), vrm, Noon.Add(-time.Duration(i%3)*24*time.Hour))
		insert(t, s, Items(r, Noon.Add(time.Duration(i)*15*time.Minute)), store.Stored)
		want = string(vrm) + " " + want
	}
	for _, n := range []int{0, 1, 4, 12, 100} {
		got, err := s.Latest(context.Background(), n)
		if err != nil || len(got) != min(n, 12) || len(want) < len(vrms(got)) || want[:len(vrms(got))] != vrms(got) {
			t.Errorf("Latest %d: %s, %v, want of %s", n, vrms(got), err, want)
		}
	}
	if got, err := s.Latest(context.Background(), 1); err != nil || !got[0].HasPatch || !got[0].HasOverview {
		t.Errorf("Latest does not say that images are there: %+v, %v", got, err)
	}
}

func totals(t *testing.T, subject Subject) {
	s := open(t, subject)
	add(t, s, Record("unit-1", 1, "AB12CDE", Noon))
	add(t, s, Hit(Record("unit-1", 2, "AB12CDF", Noon)))
	insert(t, s, Items(Record("unit-2", 1, "AB12CDG", Noon.Add(24*time.Hour)), Noon)[:1], store.Stored)
	insert(t, s, Items(Record("unit-2", 1, "CONFLICT", Noon), Noon)[:1], store.Quarantined)
	got, err := s.Totals(context.Background())
	if want := (store.Totals{Records: 3, Hits: 1, Images: 4, Quarantined: 1, Days: 2}); err != nil || got != want {
		t.Errorf("Totals: %+v, %v, want %+v", got, err, want)
	}
}

func reopen(t *testing.T, subject Subject) {
	dir := t.TempDir()
	s := subject.Open(t, dir)
	r := add(t, s, Record("unit-1", 1, "AB12CDE", Noon))
	insert(t, s, Items(Record("unit-1", 1, "XY99XYZ", Noon), Noon)[:1], store.Quarantined)
	if _, err := s.Log(context.Background(), store.Access{At: Noon, Account: "ann", Action: "search", Reason: "test"}); err != nil {
		t.Fatal(err)
	}
	before, err := s.Totals(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = subject.Open(t, dir)
	defer s.Close() //nolint:errcheck // a test of what was there
	holds(t, s, r)
	if after, err := s.Totals(context.Background()); err != nil || after != before {
		t.Errorf("Totals: %+v, %v, were %+v", after, err, before)
	}
	if got, err := s.Latest(context.Background(), 5); err != nil || vrms(got) != "AB12CDE" {
		t.Errorf("Latest: %s, %v", vrms(got), err)
	}
	insert(t, s, Items(r, Noon), store.Duplicate)
	if line, err := s.Log(context.Background(), store.Access{At: Noon, Account: "ann", Action: "search"}); err != nil || line.Sequence != 2 {
		t.Errorf("Log: line %d, %v, want 2", line.Sequence, err)
	}
	if err := s.CheckAccessLog(context.Background()); err != nil {
		t.Error(err)
	}
}

func concurrently(t *testing.T, subject Subject) {
	s := open(t, subject)
	const writers, each = 4, 12
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				r := Record(fmt.Sprintf("unit-%d", w), uint64(i+1), "AB12CDE", Noon.Add(time.Duration(i%3)*24*time.Hour))
				if _, err := s.Insert(context.Background(), Items(r, Noon)); err != nil {
					t.Errorf("Insert: %v", err)
				}
				if _, err := s.Search(context.Background(), store.Query{Pattern: "AB*"}); err != nil {
					t.Errorf("Search: %v", err)
				}
				if _, err := s.Image(context.Background(), r.Key, nrd.ImagePatch); err != nil {
					t.Errorf("Image: %v", err)
				}
				if _, err := s.Log(context.Background(), store.Access{At: Noon, Account: "ann"}); err != nil {
					t.Errorf("Log: %v", err)
				}
			}
		})
	}
	all.Wait()
	if got, err := s.Totals(context.Background()); err != nil || got.Records != writers*each || got.Images != 2*writers*each {
		t.Errorf("Totals: %+v, %v", got, err)
	}
	if err := s.CheckAccessLog(context.Background()); err != nil {
		t.Error(err)
	}
}
