package uplink

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"nrd"
	"nrd/internal/link/linktest"
)

// backlog appends reads with both images, none of them a hit: so many, or up to 19
// more. It gives how many.
func (u *unit) backlog(b *testing.B, records int) int {
	b.Helper()
	records = (records + 19) / 20 * 20
	addMany(b, u.Buffer, records, func() *nrd.Record { return read(u.clock, "AB12CDE") })
	return records
}

// BenchmarkDrain is the time a record with both images takes from a full buffer
// through TLS into a real central's encrypted store and back with its receipt.
func BenchmarkDrain(b *testing.B) {
	w := linktest.Embedded(b)
	u := newUnit(b, w)
	u.pace = &usualPace
	records := u.backlog(b, b.N)
	b.ResetTimer()
	u.start(b)
	for waiting(b, u.Buffer) > 0 {
		time.Sleep(5 * time.Millisecond)
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
	b.StopTimer()
	u.stop()
}

// BenchmarkHit is the time from a hit's Append to when central shows it, while
// the link is idle and while a backlog is caught up with.
func BenchmarkHit(b *testing.B) {
	for name, backlog := range map[string]int{"idle": 0, "catching up": 20_000} {
		b.Run(name, func(b *testing.B) {
			w := linktest.Embedded(b)
			u := newUnit(b, w)
			u.pace = &usualPace
			u.backlog(b, backlog)
			u.start(b)
			b.ResetTimer() // or the time of the backlog leaves one hit to be measured
			var took []time.Duration
			for n := range b.N {
				time.Sleep(20 * time.Millisecond)
				r := text(hit(u.clock, nrd.VRM(fmt.Sprintf("H%d", n%1000))))
				began := time.Now()
				key := add(b, u.Buffer, r)
				for w.Store.Visible(key).IsZero() {
					time.Sleep(time.Millisecond)
				}
				took = append(took, w.Store.Visible(key).Sub(began))
			}
			if backlog > 0 && waiting(b, u.Buffer) == 0 {
				b.Fatal("the backlog was done before the hits were, so the last of them met an idle link: use a smaller -benchtime")
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.StopTimer()
			u.stop()
		})
	}
}
