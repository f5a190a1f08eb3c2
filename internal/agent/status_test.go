package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/internal/clock"
	"nrd/internal/metrics"
	"nrd/uplink"
)

func TestTheHottestSensorCountsAndNoneIsNoZero(t *testing.T) {
	dir := t.TempDir()
	zones := filepath.Join(dir, "thermal_zone*", "temp")
	if got := temperature(zones); got != nil {
		t.Errorf("without a sensor it is %v", *got)
	}
	for zone, text := range map[string]string{"thermal_zone0": "41234\n", "thermal_zone1": "68500\n", "thermal_zone2": "off\n"} {
		must(t, os.Mkdir(filepath.Join(dir, zone), 0o700))
		must(t, os.WriteFile(filepath.Join(dir, zone, "temp"), []byte(text), 0o600))
	}
	if got := temperature(zones); got == nil || *got != 68.5 {
		t.Errorf("it is %v, want 68.5", got)
	}
}

func TestTheLastMinuteForgets(t *testing.T) {
	var m lastMinute
	for s := range 90 {
		for range 10 {
			m.add(time.Duration(s) * time.Second)
		}
	}
	for after, want := range map[int]float64{89: 600, 119: 300, 148: 10, 149: 0, 400: 0} {
		if got := m.count(time.Duration(after) * time.Second); got != want {
			t.Errorf("at %d s: %g, want %g", after, got, want)
		}
	}
}

func TestAFullBufferIsAProblemUntilARecordIsKeptAgain(t *testing.T) {
	u := newSite(t).enrol("car-9")
	c, err := LoadConfig(u.file)
	must(t, err)
	c.Buffer.MaxBytes = 1 << 20
	a := newAgent(t, c, nil)
	a.tally = newTally(a.Clock, nil, c.Match)
	must(t, a.open())
	defer func() { must(t, a.close()) }()
	record := func(mark nrd.VRM) *nrd.Record {
		return &nrd.Record{Captured: a.Clock.Stamp(), Read: nrd.Read{VRM: mark, Raw: strings.Repeat("x", 60)}}
	}
	problems := func() string {
		return fmt.Sprint(a.stats().Dropped, a.status().Problems)
	}
	for {
		hit := record("HIT")
		hit.Hits = []nrd.Hit{{Entry: nrd.Entry{List: "local", VRM: "HIT", Reason: strings.Repeat("r", 400)}, Match: nrd.MatchExact}}
		if _, err := a.buffer.Append(hit); errors.Is(err, uplink.ErrFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	a.record(record("AB12CDE"))
	if got := problems(); !strings.Contains(got, "refused:2") || strings.Count(got, "full") != 1 || !a.screenStatus().Losing {
		t.Errorf("while it is full it says %s, the screen %+v", got, a.screenStatus())
	}
	_, _, err = a.buffer.Purge("a test", false)
	must(t, err)
	a.record(record("AB12CDE"))
	if got := problems(); !strings.Contains(got, "refused:2") || strings.Contains(got, "full") || a.screenStatus().Losing {
		t.Errorf("when a record was kept again it says %s", got)
	}
	a.record(&nrd.Record{Read: nrd.Read{VRM: "AB12CDE", Confidence: 1000}})
	if got := problems(); !strings.Contains(got, "a record was not kept") || !a.screenStatus().Losing {
		t.Errorf("after one that nobody can keep it says %s", got)
	}
	a.record(record("AB12CDE"))
	if got := problems(); strings.Contains(got, "not kept") {
		t.Errorf("and after the next one %s", got)
	}
}

func TestTheStatusSaysWhatWasRefusedAndDamaged(t *testing.T) {
	r := Report{Dropped: map[string]uint64{"record": 1, "image": 2, "refused": 3, "damaged": 4}, DeadLetters: 5}
	if got := fmt.Sprint(r.Words()); !strings.Contains(got, "1 records, 2 pictures; 3 records refused; 4 items damaged, 5 set aside") {
		t.Errorf("it says %s", got)
	}
}

func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	must(t, err)
	var rows strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `nrd_agent_") {
			rows.WriteString(line)
		}
	}
	if want := metrics.Table(definitions); rows.String() != want {
		t.Errorf("docs/metrics.md lists\n%s\nthe agent has\n%s", rows.String(), want)
	}
}

// TestAUnitReportsThatAListIsOutOfDate goes through the ages of a list whose file
// nobody brings anew.
func TestAUnitReportsThatAListIsOutOfDate(t *testing.T) {
	c := newSite(t).unit()
	list(t, c, entry("AB12CDE", "High", "1"))
	hand := clock.NewManual(time.Now())
	a := newAgent(t, c, nil)
	a.Clock = hand
	a.tally = newTally(hand, nil, c.Match)
	must(t, a.open())
	defer func() { must(t, a.close()) }()
	must(t, (&lists{agent: a}).begin(t.Context()))
	for _, step := range []struct {
		hours int
		says  string
	}{{1, ""}, {c.profile.AmberAfterHours, "list local is amber"}, {c.profile.StaleAfterHours - c.profile.AmberAfterHours, "list local is stale"}} {
		hand.Advance(time.Duration(step.hours) * time.Hour)
		says := slices.DeleteFunc(a.status().Problems, func(p string) bool { return !strings.HasPrefix(p, "list ") })
		if text := strings.Join(says, "; "); text != step.says {
			t.Errorf("%d h later it says %q, want %q", step.hours, text, step.says)
		}
	}
}

func TestARunningUnitSaysHowItIs(t *testing.T) {
	s := newSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := l.Addr().String()
	must(t, l.Close())
	c := s.unit("[central]", "[metrics]\nlisten = \""+address+"\"\n[central]")
	list(t, c, entry(truth(t)[0], "High", "1"))
	if _, err := Ask(t.Context(), c); !errors.Is(err, ErrNotRunning) {
		t.Fatalf("before it runs: %v", err)
	}
	// Another certificate than the site knows: the unit cannot send, and runs on
	// until it is stopped.
	s.stop()
	ctx, stop := context.WithCancel(within(t, 2*time.Minute))
	ended := make(chan error, 1)
	a := newAgent(t, c, nil)
	go func() {
		_, err := a.Run(ctx)
		ended <- err
	}()
	var r Report
	for end := time.Now().Add(time.Minute); r.Waiting.Records < 3 || len(r.Link) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it says %+v", r)
		}
		if got, err := Ask(t.Context(), c); err == nil {
			r = got
		}
	}
	if r.Connected || r.Well() || !strings.Contains(r.Link[0], "cannot be reached") || r.OldestWaiting == nil || r.Device != ourUnit || r.Software != "test" {
		t.Errorf("it says %+v", r)
	}
	freshness := nrd.Fresh
	if !r.Clock.Proved { // where the tests run
		freshness = nrd.Amber
	}
	if len(r.Lists) != 1 || r.Lists[0].List != "local" || r.Lists[0].Entries != 1 || r.Lists[0].Freshness != string(freshness) || !r.Position || r.DiskFree == 0 || r.BufferBytes == 0 || r.Reads == 0 || r.ReadsPerMinute == 0 || r.FramesPerMinute == 0 {
		t.Errorf("it says %+v", r)
	}
	answer, err := http.Get("http://" + address + "/metrics")
	must(t, err)
	text, err := io.ReadAll(answer.Body)
	must(t, errors.Join(err, answer.Body.Close()))
	http.DefaultClient.CloseIdleConnections()
	for _, d := range definitions {
		if strings.HasPrefix(d.Name, "nrd_agent_live_") { // this unit asks no gateway
			if strings.Contains(string(text), "\n"+d.Name) {
				t.Errorf("Prometheus is told %s by a unit without a gateway", d.Name)
			}
			continue
		}
		if d.Name != "nrd_agent_temperature_celsius" && !strings.Contains(string(text), "\n"+d.Name) {
			t.Errorf("Prometheus is not told %s", d.Name)
		}
	}
	for _, mark := range truth(t) {
		if strings.Contains(string(text), mark) {
			t.Errorf("Prometheus is told of %s", mark)
		}
	}
	if info, err := os.Stat(c.socket()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	stop()
	must(t, <-ended)
	if _, err := Ask(t.Context(), c); !errors.Is(err, ErrNotRunning) {
		t.Errorf("afterwards: %v", err)
	}
}
