package collector

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"nrd/internal/benchmark"
)

// million is as many entries as the national list of wanted vehicles has.
const million = 1_000_000

// writeExtract writes a national list of a million entries in no order; of one in
// every hundred the version shows.
func writeExtract(path, version string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	for n := range million {
		const letters = "ABCDEFGHJKLMNOPRSTUVWXYZ"
		m, extra := n*179_424_673%796_262_400, "" // 24^5 times 100, and a prime
		if n%100 == 7 {
			extra = version
		}
		fmt.Fprintf(w, "%c%c%02d%c%c%c,VOLKSWAGEN,TRANSPORTER,DARK BLUE,High,WE VI,Wanted for burglary in several counties,B21,"+
			"Stop and detain; do not approach alone,Example Constabulary E3,2099-06-30,26/%07d,OFFICIAL-SENSITIVE,Incident %d of 23 November,Two occupants seen %s,N%08d\r\n",
			letters[m%24], letters[m/24%24], m/7_962_624, letters[m/576%24], letters[m/13_824%24], letters[m/331_776%24], n, n%9973, extra, n)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Close()
}

// BenchmarkANationalListGoesToTheUnits measures, of a list of a million, the way from
// the inbox to being published for the units: the whole list, and then the next
// extract, which changes one entry in a hundred. Central is a process of its own.
func BenchmarkANationalListGoesToTheUnits(b *testing.B) {
	c := staffed(b)
	d, err := OpenDesk(b.Context(), c, "jane.doe", quiet)
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	must(err)
	must(d.CreateList(b.Context(), ListSettings{Name: "national", Source: "NAT_WANTED", Every: 8 * 3600, Owner: "National desk", Purpose: "response"}))
	must(d.Close())
	for b.Loop() {
		for _, version := range extracts {
			must(writeExtract(filepath.Join(c.Data, version), version))
		}
		benchmark.Child(b, "TestBenchCentral", c.file)
	}
}

var extracts = []string{"whole", "next"}

// whenPublished is a log that tells when a list was published.
type whenPublished chan time.Time

func (whenPublished) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (w whenPublished) WithAttrs([]slog.Attr) slog.Handler         { return w }
func (w whenPublished) WithGroup(string) slog.Handler              { return w }
func (w whenPublished) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "a list is published" {
		w <- r.Time
	}
	return nil
}

// TestBenchCentral is central's process of the benchmark.
func TestBenchCentral(t *testing.T) {
	file := benchmark.Input()
	if file == "" {
		return
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	c, err := LoadConfig(file)
	must(err)
	published, ended := make(whenPublished, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	must(os.MkdirAll(c.Lists.Inbox, 0o700))
	go func() { ended <- (&Central{Config: c, Log: slog.New(published)}).Run(ctx) }()
	for _, version := range extracts {
		used := benchmark.CPU(t)
		must(os.Rename(filepath.Join(c.Data, version), filepath.Join(c.Lists.Inbox, "NAT_WANTED_R.dat")))
		select {
		case at := <-published:
			d, err := OpenDesk(ctx, c, "jane.doe", quiet)
			must(err)
			imports, err := d.ListImports(ctx, "national")
			must(err)
			must(d.Close())
			if len(imports) == 0 || imports[0].Entries != million || imports[0].State != "loaded" {
				t.Fatalf("%+v", imports)
			}
			benchmark.Figure(version+"-s", at.Sub(imports[0].Received).Seconds())
			benchmark.Figure(version+"-cpu-s", benchmark.CPU(t)-used)
		case err := <-ended:
			t.Fatal(err)
		}
	}
	peak, anonymous := benchmark.Memory(t)
	benchmark.Figure("peak-MB", peak)
	benchmark.Figure("anonymous-MB", anonymous)
	stop()
	must(<-ended)
}
