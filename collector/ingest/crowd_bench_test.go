package ingest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/uplink/wire"
)

// BenchmarkCrowd sends records with both images from 200 devices at once over
// TLS into an encrypted store, each device a record at a time, and reports how
// that compares with a bare loop that inserts as many into the same kind of
// store, and how long receipts take.
func BenchmarkCrowd(b *testing.B) {
	const units = 200
	c := start(b).run(b)
	connected := make([]*unit, units)
	for i := range connected {
		name := fmt.Sprintf("unit-%d", i)
		c.approve(b, name)
		connected[i] = c.connect(b, name)
	}
	each := max(1, b.N/units)
	messages := make([][]payloads, units)
	for i, u := range connected {
		for n := range each {
			messages[i] = append(messages[i], payloadsOf(b, u.name, uint64(n+1), storetest.Noon))
		}
	}
	bare := bareLoop(b, units, each)
	var mu sync.Mutex
	var took []time.Duration
	b.ResetTimer()
	began := time.Now()
	var crowd sync.WaitGroup
	for i, u := range connected {
		crowd.Go(func() {
			for _, p := range messages[i] {
				sent := time.Now()
				u.Publish(wire.TopicRecord(u.name), 1, false, p.text)
				u.Publish(wire.TopicImage(u.name), 1, false, p.patch)
				u.Publish(wire.TopicImage(u.name), 1, false, p.overview)
				for range 3 {
					if r := <-u.receipts; r.GetOutcome() != wire.Receipt_STORED {
						b.Errorf("%v: %s", r.GetOutcome(), r.GetReason())
					}
				}
				mu.Lock()
				took = append(took, time.Since(sent))
				mu.Unlock()
			}
		})
	}
	crowd.Wait()
	rate := float64(units*each) / time.Since(began).Seconds()
	slices.Sort(took)
	b.ReportMetric(rate, "records/s")
	b.ReportMetric(100*rate/bare, "%-of-bare")
	b.ReportMetric(float64(took[len(took)*99/100].Milliseconds()), "p99-ms")
}

// bareLoop inserts as many records into a store of its own, 500 items a commit,
// and gives records a second.
func bareLoop(b *testing.B, units, each int) float64 {
	b.Helper()
	c := start(b)
	defer c.store.Close() //nolint:errcheck // it is thrown away
	items := make([]store.Item, 0, 3*units*each)
	for i := range units {
		name := fmt.Sprintf("bare-%d", i)
		for n := range each {
			p := payloadsOf(b, name, uint64(n+1), storetest.Noon)
			for _, m := range []message{
				{topic: wire.TopicRecord(name), payload: p.text}, {topic: wire.TopicImage(name), payload: p.patch},
				{topic: wire.TopicImage(name), payload: p.overview},
			} {
				m.device, m.received = name, storetest.Noon
				item, err := read(m, &c.Profile)
				if err != nil {
					b.Fatal(err)
				}
				items = append(items, item)
			}
		}
	}
	began := time.Now()
	for batch := range slices.Chunk(items, maxQueue) {
		if _, err := c.store.Insert(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
	}
	return float64(units*each) / time.Since(began).Seconds()
}
