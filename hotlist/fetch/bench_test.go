package fetch

import (
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nrd"
	"nrd/collector/publish"
	"nrd/hotlist"
	"nrd/internal/benchmark"
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

type benchSite struct{ Dir, Address, What string }

// BenchmarkAMillionEntries measures the sync of a list of a million on a unit, which
// is a process of its own: the snapshot, then a delta of one entry in a hundred.
func BenchmarkAMillionEntries(b *testing.B) {
	s := newSite(b, "car-1")
	c := s.car("car-1")
	c.stop()
	must(b, os.WriteFile(c.file("key"), c.key.Bytes(), 0o600))
	for b.Loop() {
		for version, what := range []string{"snapshot", "delta"} {
			must(b, s.Publish(b.Context(), publish.List{Name: "wanted", Version: uint64(version + 1), Made: noon.Add(time.Duration(version) * time.Minute)}, national(version)))
			unit, err := json.Marshal(benchSite{c.dir, s.address, what})
			must(b, err)
			benchmark.Child(b, "TestBenchUnit", string(unit))
		}
		must(b, s.Withdraw(b.Context(), "wanted"))
		must(b, os.RemoveAll(c.file("lists")))
	}
}

// TestBenchUnit is the unit's process of the benchmark.
func TestBenchUnit(t *testing.T) {
	text := benchmark.Input()
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
	began, used := time.Now(), benchmark.CPU(t)
	r, err := (&Fetcher{Cache: cache, Trust: client, Log: log}).Sync(t.Context())
	took := time.Since(began)
	must(t, err)
	if len(r.Loaded) != 1 {
		t.Fatalf("%+v", r)
	}
	peak, anonymous := benchmark.Memory(t)
	benchmark.Figure(site.What+"-s", took.Seconds())
	benchmark.Figure(site.What+"-cpu-s", benchmark.CPU(t)-used)
	benchmark.Figure(site.What+"-peak-MB", peak)
	benchmark.Figure(site.What+"-anonymous-MB", anonymous)
	must(t, cache.Close())
	client.Close()
}
