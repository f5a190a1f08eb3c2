package uplink

import (
	"testing"

	"nrd"
)

// BenchmarkAppend is the time until a record with both images is durable.
func BenchmarkAppend(b *testing.B) {
	c := config(b)
	c.MaxBytes = 1 << 40
	for name, parallel := range map[string]int{"one camera": 0, "sixteen at once": 16} {
		b.Run(name, func(b *testing.B) {
			c := c
			c.Dir = b.TempDir()
			buffer := open(b, c)
			b.SetBytes(int64(len(patch().JPEG) + len(overview().JPEG)))
			b.ResetTimer()
			if parallel == 0 {
				for b.Loop() {
					add(b, buffer, read(c.Clock, "AB12CDE"))
				}
				return
			}
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := buffer.Append(read(c.Clock, "AB12CDE")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

// BenchmarkDrain is the time a record with both images takes from a full buffer
// through TLS and a broker to its receipt.
func BenchmarkDrain(b *testing.B) {
	conf := config(b)
	conf.MaxBytes = 1 << 40
	buffer, c := open(b, conf), newCentral(b)
	addMany(b, buffer, (b.N+19)/20*20, func() *nrd.Record { return read(conf.Clock, "AB12CDE") })
	b.ResetTimer()
	start(b, c.client(buffer))
	eventually(b, "all is stored", func() bool { return waiting(b, buffer) == 0 })
}
