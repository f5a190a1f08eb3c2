package hotlist

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/internal/benchmark"
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
	matches(b, cache)
	if err := cache.Close(); err != nil {
		b.Fatal(err)
	}
}

// matched is how many marks are matched, each once; see benchmark.Latency.
const matched = 600_000

// matches measures matches of marks that are in the list, and of such that are not, which
// nearly all are.
func matches(b *testing.B, cache *Cache) {
	b.Helper()
	for name, listed := range map[string]bool{"hit": true, "miss": false} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p99 := benchmark.Latency(matched, func(n int) time.Duration {
					v := mark(n * 7919 % million)
					if !listed {
						v = mark(million + n*7919%million)
					}
					began := time.Now()
					hits, err := cache.Match(v)
					took := time.Since(began)
					if err != nil || slices.ContainsFunc(hits, exact) != listed {
						b.Fatal(hits, err)
					}
					return took
				})
				b.ReportMetric(p99, "p99-µs")
			}
		})
	}
}

func exact(h nrd.Hit) bool { return h.Match == nrd.MatchExact }

// BenchmarkNear measures near matches in a list of a million.
func BenchmarkNear(b *testing.B) {
	dir := b.TempDir()
	file := filepath.Join(dir, "list.csv")
	if err := writeMillion(file); err != nil {
		b.Fatal(err)
	}
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		b.Fatal(err)
	}
	cache, err := Open(CacheConfig{
		Path: filepath.Join(dir, "lists"), Key: sealed.NewKey(), Clock: clock.NewManual(noon), Log: slog.New(slog.DiscardHandler),
		Profile: profile, Rules: map[string]Rule{"wanted": {Near: true}}, NearLimit: million,
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := cache.Import(b.Context(), "wanted", file); err != nil {
		b.Fatal(err)
	}
	matches(b, cache)
	if err := cache.Close(); err != nil {
		b.Fatal(err)
	}
}

// benchCache is what the process that is measured is told.
type benchCache struct {
	Dir, Key string
	Entries  int
	Matches  int // of marks that are in the list, and as many of others
}

func (c benchCache) input(b *testing.B) string {
	b.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

func (c benchCache) lists() string { return filepath.Join(c.Dir, "lists") }

func (c benchCache) open(t testing.TB) *Cache {
	t.Helper()
	raw, err := hex.DecodeString(c.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := sealed.ParseKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	cache, err := Open(CacheConfig{
		Path: c.lists(), Key: key, Clock: clock.NewManual(noon), Log: slog.New(slog.DiscardHandler),
		Rules: map[string]Rule{"uninsured": {Status: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return cache
}

// emulatedMatches are fewer: the emulator's times hardly vary.
const emulatedMatches = 100_000

// BenchmarkStatuses measures a list of statuses: of five million entries, or of as
// many millions as NRD_STATUSES says. Its import and the matches are each a process
// of their own. NRD_ARM64 may be a command that runs this package's test binary on an
// emulated machine with the folder it is given (`make bench-arm`): it matches then too.
func BenchmarkStatuses(b *testing.B) {
	millions := 5
	if text := os.Getenv("NRD_STATUSES"); text != "" {
		var err error
		if millions, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	c := benchCache{b.TempDir(), hex.EncodeToString(sealed.NewKey().Bytes()), millions * million, matched}
	file := filepath.Join(c.Dir, "list.csv")
	if err := writeStatuses(file, c.Entries); err != nil {
		b.Fatal(err)
	}
	b.Run("import", func(b *testing.B) {
		for b.Loop() {
			benchmark.Child(b, "TestBenchStatusImport", c.input(b))
		}
	})
	b.Run("match", func(b *testing.B) {
		for b.Loop() {
			benchmark.Child(b, "TestBenchStatusMatch", c.input(b))
		}
	})
	command := strings.Fields(os.Getenv("NRD_ARM64"))
	if len(command) == 0 {
		return
	}
	command, c.Matches = append(command, c.lists()), emulatedMatches
	for name, command := range map[string][]string{
		"arm64": command, "arm64-without-AES": append([]string{"env", "GODEBUG=cpu.aes=off,cpu.pmull=off"}, command...),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				benchmark.Run(b, command, "TestBenchStatusMatch", c.input(b))
			}
		})
	}
}

// benchInput is nil where nobody measures.
func benchInput(t *testing.T) *benchCache {
	t.Helper()
	text := benchmark.Input()
	if text == "" {
		return nil
	}
	c := &benchCache{}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBenchStatusImport is the process that imports.
func TestBenchStatusImport(t *testing.T) {
	c := benchInput(t)
	if c == nil {
		return
	}
	cache := c.open(t)
	began, used := time.Now(), benchmark.CPU(t)
	if report, err := cache.Import(t.Context(), "uninsured", filepath.Join(c.Dir, "list.csv")); err != nil || report.Accepted != c.Entries {
		t.Fatal(report, err)
	}
	benchmark.Figure("import-s", time.Since(began).Seconds())
	benchmark.Figure("import-cpu-s", benchmark.CPU(t)-used)
	peak, _ := benchmark.Memory(t)
	benchmark.Figure("import-peak-MB", peak)
	paths, err := filepath.Glob(filepath.Join(c.lists(), "*"+statusSuffix))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	info, err := os.Stat(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	benchmark.Figure("file-MB", float64(info.Size())/1e6)
	if err := cache.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestBenchStatusMatch is the process that matches.
func TestBenchStatusMatch(t *testing.T) {
	c := benchInput(t)
	if c == nil {
		return
	}
	began := time.Now()
	cache := c.open(t)
	benchmark.Figure("open-s", time.Since(began).Seconds())
	for name, from := range map[string]int{"hit": 0, "miss": c.Entries} {
		p99 := benchmark.Latency(c.Matches, func(n int) time.Duration {
			v := spread(from + n*7919%c.Entries)
			began := time.Now()
			hits, err := cache.Match(v)
			took := time.Since(began)
			if err != nil || (len(hits) == 1) != (name == "hit") {
				t.Fatal(v, hits, err)
			}
			return took
		})
		benchmark.Figure(name+"-p99-µs", p99)
	}
	peak, anonymous := benchmark.Memory(t)
	benchmark.Figure("anonymous-MB", anonymous)
	benchmark.Figure("peak-MB", peak)
	if err := cache.Close(); err != nil {
		t.Fatal(err)
	}
}

// spread gives the n-th of 796 million different marks, spread over all.
func spread(n int) nrd.VRM {
	const letters = "ABCDEFGHJKLMNOPRSTUVWXYZ"
	m := int64(n) * 179_424_673 % 796_262_400 // 24^5 times 100, and a prime
	var b [7]byte
	for _, i := range []int{0, 1, 4, 5, 6} {
		b[i] = letters[m%24]
		m /= 24
	}
	b[2], b[3] = byte('0'+m/10%10), byte('0'+m%10)
	return nrd.VRM(b[:])
}

func writeStatuses(path string, entries int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for n := range entries {
		if _, err := fmt.Fprintf(w, "%s,,,,Low,,No insurance %d,,,,,,,,,\n", spread(n), n%5); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
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
