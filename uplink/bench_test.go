package uplink

import (
	"crypto/tls"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nrd"
)

// BenchmarkAppend is the time until a record with both images is durable, and the
// time that 99 of 100 take at most.
func BenchmarkAppend(b *testing.B) {
	c := config(b)
	c.MaxBytes = 1 << 40
	for name, parallel := range map[string]int{"one camera": 1, "sixteen at once": 16} {
		b.Run(name, func(b *testing.B) {
			c := c
			c.Dir = b.TempDir()
			buffer := open(b, c)
			b.SetBytes(int64(len(patch().JPEG) + len(overview().JPEG)))
			took := make([]time.Duration, b.N)
			b.ResetTimer()
			var all sync.WaitGroup
			for from := range parallel {
				all.Go(func() {
					for n := from; n < b.N; n += parallel {
						began := time.Now()
						if _, err := buffer.Append(read(c.Clock, "AB12CDE")); err != nil {
							b.Error(err)
						}
						took[n] = time.Since(began)
					}
				})
			}
			all.Wait()
			b.StopTimer()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkBacklog is the anonymous memory that a million waiting records of text
// take over an empty buffer: filled, and opened anew with the first ones read, both
// times beside a client that cannot reach central.
func BenchmarkBacklog(b *testing.B) {
	const records = 1_000_000
	c := config(b)
	c.MaxBytes = 1 << 40
	for b.Loop() {
		buffer := open(b, c)
		hangUp := start(b, cutOff(buffer))
		idle := anonymous(b)
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				for range records / 64 {
					r := read(c.Clock, "AB12CDE")
					r.Patch.JPEG, r.Overview.JPEG = nil, nil
					if _, err := buffer.Append(r); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
		b.ReportMetric(float64(anonymous(b)-idle)/(1<<20), "filled-MiB")
		hangUp()
		if err := buffer.Close(); err != nil {
			b.Fatal(err)
		}
		buffer = open(b, c)
		hangUp = start(b, cutOff(buffer))
		if items, _, err := buffer.next([ranks]int{64, 64, 64, 64}, func(itemID) bool { return false }); err != nil || len(items) != 64 {
			b.Fatal(len(items), err)
		}
		b.ReportMetric(float64(anonymous(b)-idle)/(1<<20), "opened-MiB")
		hangUp()
	}
}

// cutOff is a client whose central nobody answers for.
func cutOff(buffer *Buffer) *Client {
	return &Client{
		Broker: "tls://127.0.0.1:9", TLS: &tls.Config{MinVersion: tls.VersionTLS13}, Device: buffer.device, Buffer: buffer, Clock: buffer.clock, Log: buffer.log,
		Status: func() nrd.Status { return nrd.Status{} },
	}
}

// anonymous is the process's resident anonymous memory in bytes.
func anonymous(b *testing.B) int64 {
	return 1024 * proc(b, "/proc/self/status", "RssAnon: %d kB")
}

func proc(b *testing.B, file, format string) (n int64) {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscanf(line, format, &n); err == nil {
			return n
		}
	}
	b.Fatalf("%s has no line like %q", file, format)
	return 0
}
