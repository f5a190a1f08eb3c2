package uplink

import (
	"testing"
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
