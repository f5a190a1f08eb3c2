package sqlite

import (
	"context"
	"errors"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/sealed"
)

func TestAReleaseThatACrashCutOffBetweenItsCommitsIsFinishedAtTheNextStart(t *testing.T) {
	dir, key := t.TempDir(), sealed.NewKey()
	s := openStore(t, dir, key)
	released := aside(t, s, 1)
	waits := aside(t, s, 2)
	b := newBatch(context.Background(), s)
	correction := store.Correction{UTC: storetest.Noon.Add(-72 * time.Hour), Source: nrd.ClockGPS, At: storetest.Noon}
	ok, err := b.release(store.Release{Key: released, Correction: correction})
	if err = errors.Join(err, b.commit()); err != nil || !ok {
		t.Fatalf("released %t: %v", ok, err)
	}
	b.released = nil // the crash comes here
	if err := errors.Join(b.close(), s.Close()); err != nil {
		t.Fatal(err)
	}

	s = openStore(t, dir, key)
	defer s.Close() //nolint:errcheck // a test of what is there
	if n, err := s.Totals(t.Context()); err != nil || n.Records != 1 || n.Images != 2 || n.Quarantined != 3 {
		t.Errorf("the store holds %+v, %v", n, err)
	}
	if r, err := s.Record(t.Context(), released); err != nil || !r.Time().Equal(correction.UTC) {
		t.Errorf("the record: %+v, %v", r, err)
	}
	for key, want := range map[nrd.Key]int{released: 0, waits: 3} {
		if left, err := s.Quarantined(t.Context(), key); err != nil || len(left) != want {
			t.Errorf("%d items of %s are quarantined, want %d: %v", len(left), key, want, err)
		}
	}
}

// aside quarantines a record with its images.
func aside(t *testing.T, s *Store, sequence uint64) nrd.Key {
	t.Helper()
	r := storetest.Record("unit-1", sequence, "AB12CDE", storetest.Noon)
	items := storetest.Items(r, storetest.Noon)
	for i := range items {
		items[i].Quarantine = "a test"
	}
	if _, err := s.Insert(t.Context(), items); err != nil {
		t.Fatal(err)
	}
	return r.Key
}
