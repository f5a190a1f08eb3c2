package sqlite

import (
	"context"
	"fmt"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/sealed"
)

// mark gives a plausible mark for a number.
func mark(i int) nrd.VRM {
	return nrd.VRM(fmt.Sprintf("%c%c%02d%c%c%c", 'A'+i%26, 'A'+i/26%26, i%90, 'A'+i/7%26, 'A'+i/3%26, 'A'+i/11%26))
}

// BenchmarkInsert stores records with both images (3 kB and 25 kB), so many
// records to a commit.
func BenchmarkInsert(b *testing.B) {
	for _, batch := range []int{1, 20, 170} {
		b.Run(fmt.Sprintf("%d-a-commit", batch), func(b *testing.B) {
			s := openStore(b, b.TempDir(), sealed.NewKey())
			defer s.Close() //nolint:errcheck // a benchmark
			n := 0
			b.ResetTimer()
			for n < b.N {
				b.StopTimer()
				var items []store.Item
				for range min(batch, b.N-n) {
					n++
					items = append(items, storetest.Items(storetest.Record(fmt.Sprintf("unit-%d", n%50), uint64(n), mark(n), storetest.Noon.Add(time.Duration(n)*time.Millisecond)), storetest.Noon)...)
				}
				b.StartTimer()
				if _, err := s.Insert(context.Background(), items); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkSearch searches ten days of 5,000 records each.
func BenchmarkSearch(b *testing.B) {
	s := openStore(b, b.TempDir(), sealed.NewKey())
	defer s.Close() //nolint:errcheck // a benchmark
	const days, each = 10, 5000
	for d := range days {
		var items []store.Item
		for i := range each {
			n := d*each + i
			items = append(items, storetest.Items(storetest.Record("unit-1", uint64(n+1), mark(n*7919), storetest.Noon.Add(time.Duration(d)*24*time.Hour+time.Duration(i)*time.Second)), storetest.Noon)[0])
		}
		if _, err := s.Insert(context.Background(), items); err != nil {
			b.Fatal(err)
		}
	}
	for name, q := range map[string]store.Query{
		"exact":     {Pattern: string(mark(7919))},
		"prefix":    {Pattern: "AB*"},
		"anywhere":  {Pattern: "*12?B*"},
		"one-day":   {Pattern: "AB*", From: storetest.Noon, To: storetest.Noon.Add(time.Hour)},
		"latest100": {},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Search(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
