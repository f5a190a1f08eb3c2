package fetch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/publish"
	"nrd/hotlist"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/internal/trust"
)

const million = 1_000_000

// national gives a million entries in the order of their VRMs; of one in every
// hundred the version shows.
func national(version int) iter.Seq2[nrd.Entry, error] {
	const letters = "ABCDEFGHJKLMNOPRSTUVWXYZ"
	return func(yield func(nrd.Entry, error) bool) {
		for n := range million {
			m := n * 7
			e := nrd.Entry{
				VRM:  nrd.VRM(fmt.Sprintf("%c%c%02d%c%cA", 'A'+m/(25*24*24*24)%25, letters[m/(24*24*25)%24], m/(24*24)%25+2, letters[m/24%24], letters[m%24])),
				Make: "FORD", Model: "FOCUS", Colour: "BLUE", Priority: nrd.PriorityMedium, Action: "Medium", Markers: []string{"VI"},
				Reason: "Stolen from a drive", Intelligence: "B22", Information: "Stop and detain the driver", Force: "Anyshire north",
				NationalID: fmt.Sprint("N", n), Marking: "OFFICIAL", CAD: fmt.Sprint("CAD ", n%1000), Reference: fmt.Sprint("REF-", n),
			}
			if n%100 == 7 {
				e.Instructions = fmt.Sprint("version ", version)
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// memory gives the most that a process had resident, in MB, and what of it was not
// pages of files at the end.
func memory(t testing.TB) (peak, anonymous float64) {
	t.Helper()
	f, err := os.Open("/proc/self/status")
	must(t, err)
	defer f.Close() //nolint:errcheck // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		kB, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch name {
		case "VmHWM":
			peak = kB / 1000
		case "RssAnon":
			anonymous = kB / 1000
		}
	}
	return peak, anonymous
}

// benchUnit tells the process of the unit where things are.
const benchUnit = "FETCH_BENCH_UNIT"

type benchSite struct{ Dir, Address string }

// BenchmarkAMillionEntries measures the publication of a list of a million, and
// its sync on a unit, which is a process of its own: the snapshot, then a delta
// of one entry in a hundred.
func BenchmarkAMillionEntries(b *testing.B) {
	s := newSite(b, "car-1")
	c := s.car("car-1")
	c.stop()
	unit, err := json.Marshal(benchSite{c.dir, s.address})
	must(b, err)
	must(b, os.WriteFile(c.file("key"), c.key.Bytes(), 0o600))
	for b.Loop() {
		for version, what := range []string{"snapshot", "delta"} {
			began := time.Now()
			must(b, s.Publish(b.Context(), publish.List{Name: "wanted", Version: uint64(version + 1), Made: noon.Add(time.Duration(version) * time.Minute)}, national(version)))
			b.ReportMetric(time.Since(began).Seconds(), "publish-"+what+"-s")
			run := exec.CommandContext(b.Context(), os.Args[0], "-test.run", "^TestBenchUnit$", "-test.v")
			run.Env = append(os.Environ(), benchUnit+"="+string(unit))
			out, err := run.CombinedOutput()
			var seconds, peak, anonymous float64
			at := bytes.Index(out, []byte("SYNC "))
			if err != nil || at < 0 {
				b.Fatalf("%v\n%s", err, out)
			}
			if _, err := fmt.Sscanf(string(out[at:]), "SYNC %f %f %f", &seconds, &peak, &anonymous); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(seconds, what+"-s")
			b.ReportMetric(peak, what+"-peak-MB")
			b.ReportMetric(anonymous, what+"-anonymous-MB")
		}
		must(b, s.Withdraw(b.Context(), "wanted"))
		must(b, os.RemoveAll(c.file("lists")))
	}
	peak, _ := memory(b)
	b.ReportMetric(peak, "publisher-peak-MB")
}

// TestBenchUnit is the unit's process of the benchmark.
func TestBenchUnit(t *testing.T) {
	text := os.Getenv(benchUnit)
	if text == "" {
		return
	}
	var site benchSite
	must(t, json.Unmarshal([]byte(text), &site))
	raw, err := os.ReadFile(filepath.Join(site.Dir, "key"))
	must(t, err)
	key, err := sealed.ParseKey(raw)
	must(t, err)
	clock := proved(time.Now().UTC())
	file := func(name string) string { return filepath.Join(site.Dir, name) }
	credential, err := identity.OpenCredential(identity.Files{CA: file("ca.pem"), Certificate: file("car-1.pem"), Key: file("car-1.key")}, key, clock)
	must(t, err)
	log := slog.New(slog.DiscardHandler)
	client := &trust.Client{
		Address: site.Address, TLS: credential.TLS(), Device: "car-1", Dir: file("trust"), Floors: file("floors"), Key: key, Reference: credential.Reference, Clock: clock, Log: log,
		Anchor: func(root, voucher []byte) error { return identity.VerifyRoot(credential.Authority(), root, voucher) },
	}
	must(t, client.Initialize())
	cache, err := hotlist.Open(hotlist.CacheConfig{Path: file("lists"), Key: key, Clock: clock, Log: log})
	must(t, err)
	began := time.Now()
	r, err := (&Fetcher{Cache: cache, Trust: client, Log: log}).Sync(t.Context())
	took := time.Since(began)
	must(t, err)
	if len(r.Loaded) != 1 {
		t.Fatalf("%+v", r)
	}
	peak, anonymous := memory(t)
	fmt.Printf("SYNC %f %f %f\n", took.Seconds(), peak, anonymous)
	must(t, cache.Close())
	client.Close()
}
