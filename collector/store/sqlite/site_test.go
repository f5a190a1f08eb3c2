package sqlite

import (
	"context"
	"math"
	"testing"
	"time"

	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/sealed"
)

func TestASpanGrowsToHoldWhatItMust(t *testing.T) {
	for _, sequences := range [][]uint64{
		{1, 2, 3, 500, 501},
		{500, 1, 2, 3, 499}, // a hit first, then the texts from the oldest
		{math.MaxUint64, 1},
		{math.MaxUint64 - 3, math.MaxUint64},
	} {
		var s span
		if s.holds(0) || s.holds(1) {
			t.Error("an empty span holds something")
		}
		for i, sequence := range sequences {
			s = s.with(sequence)
			for _, before := range sequences[:i+1] {
				if !s.holds(before) {
					t.Errorf("%v after %v does not hold %d", s, sequences[:i+1], before)
				}
			}
		}
	}
}

func TestASpanIsWrittenSeldom(t *testing.T) {
	var s span
	written := 0
	for sequence := uint64(1); sequence <= 100_000; sequence++ {
		if !s.holds(sequence) {
			s = s.with(sequence)
			written++
		}
	}
	if written > 20 {
		t.Errorf("a day of 100,000 records writes its span %d times", written)
	}
}

func TestAKeyIsLookedUpInFewDays(t *testing.T) {
	s, ctx := openStore(t, t.TempDir(), sealed.NewKey()), context.Background()
	defer s.Close() //nolint:errcheck // a test of what is looked up
	sequence := uint64(0)
	for day := range 36 { // a quiet camera: three records a day
		for range 3 {
			sequence++
			r := storetest.Record("unit-1", sequence, "AB12CDE", storetest.Noon.Add(time.Duration(day)*24*time.Hour))
			if _, err := s.Insert(ctx, storetest.Items(r, storetest.Noon)[:1]); err != nil {
				t.Fatal(err)
			}
			if days, err := s.site.daysOf(ctx, r.Key); err != nil || len(days) > 5 {
				t.Fatalf("record %d may lie in %d days: %v", sequence, len(days), err)
			}
		}
	}
	if found, err := s.Search(ctx, store.Query{}); err != nil || len(found) != 100 {
		t.Errorf("search finds %d, %v", len(found), err)
	}
	if n := len(s.days.open); n > maxOpen {
		t.Errorf("%d days are open, at most %d", n, maxOpen)
	}
}
