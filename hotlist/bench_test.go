package hotlist

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"nrd"
	"nrd/internal/clock"
	"nrd/internal/sealed"
)

// million is as many entries as the national list of wanted vehicles has.
const million = 1_000_000

// mark gives the n-th of some eight million different marks.
func mark(n int) nrd.VRM {
	const first, last = "ABCDEFGHJKLMNOPRSTUVWXY", "ABCDEFGHJKLMNOPRSTUVWXYZ"
	pick := func(from string) byte {
		c := from[n%len(from)]
		n /= len(from)
		return c
	}
	a, b, c, d := pick(first), pick(first), pick(last), pick(last)
	return nrd.VRM(fmt.Sprintf("%c%c%02d%c%cA", a, b, n%25+2, c, d))
}

// BenchmarkAMillionEntries measures, of a list of a million: its import, the
// check of it when the cache is opened, and exact matches in it.
func BenchmarkAMillionEntries(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "list.csv")
	if err := writeMillion(file); err != nil {
		b.Fatal(err)
	}
	config := CacheConfig{Path: filepath.Join(dir, "lists"), Key: sealed.NewKey(), Clock: clock.NewManual(noon), Log: slog.New(slog.DiscardHandler)}
	cache, err := Open(config)
	if err != nil {
		b.Fatal(err)
	}
	load := func(b *testing.B) {
		if report, err := cache.Import(b.Context(), "wanted", file); err != nil || report.Accepted != million {
			b.Fatal(report, err)
		}
	}
	load(b)
	b.Run("import", func(b *testing.B) {
		for b.Loop() {
			load(b)
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if err := cache.Close(); err != nil {
				b.Fatal(err)
			}
			if cache, err = Open(config); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, from := range map[string]int{"match a hit": 0, "match none": million} {
		b.Run(name, func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				hits, err := cache.Match(mark(from + n*7919%million))
				if err != nil || (len(hits) == 1) != (from == 0) {
					b.Fatal(hits, err)
				}
			}
		})
	}
	if err := cache.Close(); err != nil {
		b.Fatal(err)
	}
}

func writeMillion(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for n := range million {
		if _, err := fmt.Fprintf(w, "%s,FORD,FOCUS,BLUE,Medium,VI,Stolen from a drive,B22,Stop and detain the driver,Anyshire north,"+
			"2099-12-31,N%d,OFFICIAL,CAD %d,,REF-%d\n", mark(n), n, n%1000, n); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}
