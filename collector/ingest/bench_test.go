package ingest

import (
	"fmt"
	"testing"

	"nrd/collector/store/storetest"
	"nrd/uplink/wire"
)

// BenchmarkIngest sends records with both images (3 kB and 25 kB) from several
// devices over TLS until the last receipt has come.
func BenchmarkIngest(b *testing.B) {
	const units = 8
	c := start(b).run(b)
	var connected []*unit
	var messages [units][]payloads
	for i := range units {
		name := fmt.Sprintf("unit-%d", i)
		c.approve(b, name)
		connected = append(connected, c.connect(b, name))
	}
	for n := range b.N {
		i := n % units
		messages[i] = append(messages[i], payloadsOf(b, connected[i].name, uint64(n/units+1), storetest.Noon))
	}
	b.ResetTimer()
	done := make(chan struct{})
	for i, u := range connected {
		go func() {
			defer func() { done <- struct{}{} }()
			for range 3 * len(messages[i]) {
				if r := <-u.receipts; r.GetOutcome() != wire.Receipt_STORED {
					b.Errorf("%v: %s", r.GetOutcome(), r.GetReason())
				}
			}
		}()
		go func() {
			for _, p := range messages[i] {
				u.Publish(wire.TopicRecord(u.name), 1, false, p.text)
				u.Publish(wire.TopicImage(u.name), 1, false, p.patch)
				u.Publish(wire.TopicImage(u.name), 1, false, p.overview)
			}
		}()
	}
	for range connected {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
