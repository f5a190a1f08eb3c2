package agent

import (
	"context"
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nrd"
	"nrd/incab"
	"nrd/internal/clock"
	"nrd/internal/config"
	"nrd/uplink"
)

// truth gives the marks on the test photographs.
func truth(t *testing.T) []string {
	t.Helper()
	file, err := os.Open(filepath.Join(footage, "truth.csv"))
	must(t, err)
	defer file.Close() //nolint:errcheck // it is only read
	rows, err := csv.NewReader(file).ReadAll()
	must(t, err)
	var marks []string
	for _, row := range rows[1:] {
		if row[1] != "" {
			marks = append(marks, row[1])
		}
	}
	return marks
}

// most of the photographs must be read: how well, is evaluate's business.
const most = 0.6

func TestAReadTravelsFromTheCameraToCentralWithItsHitAndPictures(t *testing.T) {
	s := newSite(t)
	c := s.unit()
	marks := truth(t)
	wanted := marks[0]
	list(t, c, entry(wanted, "High", "1"), entry(wanted, "Low", "2"), entry("ZZ99ZZZ", "High", "3"))
	var stored atomic.Int64
	var told atomic.Value
	a := newAgent(t, c, func(h Happening) {
		if h.What == "stored" {
			stored.Add(1)
			if string(h.Plate) == wanted {
				told.Store(h.Hit)
			}
		}
	})

	summary, err := a.Run(within(t, 2*time.Minute))

	must(t, err)
	if summary.Lost != 0 || summary.Waiting != 0 || summary.Stored != summary.Passages || uint64(stored.Load()) != summary.Stored {
		t.Fatalf("not everything was stored: %+v, followed %d", summary, stored.Load())
	}
	if told.Load() != "HIGH (local)" {
		t.Fatalf("the hit was told as %q, want its highest priority and its list", told.Load())
	}
	if summary.FrameToStoredP95 != 0 || a.tally.fromKept.values == nil {
		t.Fatalf("a file's time was taken for a measured one: %+v", summary)
	}
	found := s.found()
	right := 0
	for _, m := range marks {
		if _, ok := found[m]; ok {
			right++
		}
	}
	if float64(right) < most*float64(len(marks)) {
		t.Fatalf("%d of %d marks arrived: %v", right, len(marks), found)
	}
	hit, ok := found[wanted]
	if !ok {
		t.Fatalf("%s is not at central", wanted)
	}
	if len(hit.Hits) != 2 || hit.Hits[0].Priority != "high" || hit.Hits[0].List != "local" || hit.Hits[1].Priority != "low" {
		t.Fatalf("%s arrived with the hits %+v", wanted, hit.Hits)
	}
	if !hit.Patch || !hit.Overview || hit.Latitude == nil || *hit.Latitude != 51.5 || hit.Camera != camera1 {
		t.Fatalf("%s arrived without all it was sent with: %+v", wanted, hit)
	}
	for _, f := range found {
		if f.VRM != wanted && len(f.Hits) > 0 {
			t.Fatalf("%s is on no list but has the hits %+v", f.VRM, f.Hits)
		}
	}
}

func TestTwoPhotographsOfOneVehicleAreTwoRecords(t *testing.T) {
	s := newSite(t)
	c := s.unit()
	picture, err := os.ReadFile(filepath.Join(footage, "rear-near.jpg"))
	must(t, err)
	dir := t.TempDir()
	for _, name := range []string{"1.jpg", "2.jpg"} {
		must(t, os.WriteFile(filepath.Join(dir, name), picture, 0o600))
	}
	c.Cameras[0].Footage = dir
	list(t, c, entry("ZZ99ZZZ", "High", "1"))
	summary, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	must(t, err)
	if summary.Passages != 2 || summary.Stored != 2 {
		t.Fatalf("%+v", summary)
	}
}

func TestADayWithoutALinkLosesNothing(t *testing.T) {
	s := newSite(t)
	address := s.devices
	s.stop() // central is gone before the unit starts
	c := s.unit()
	seen := make(chan struct{}, 100)
	a := newAgent(t, c, func(h Happening) {
		if h.What == "kept" {
			seen <- struct{}{}
		}
	})
	list(t, c, entry("ZZ99ZZZ", "High", "1"))
	ctx, cancel := context.WithCancel(within(t, 2*time.Minute))
	go func() {
		for range 3 {
			<-seen
		}
		cancel() // the unit is switched off with records in its buffer
	}()
	first, err := a.Run(ctx)
	must(t, err)
	if first.Waiting < 3 || first.Stored != 0 || first.Lost != 0 {
		t.Fatalf("without a link: %+v", first)
	}

	s.config.Ingest.Listen = address
	s.start()
	c.Cameras[0].Footage = filepath.Join(filepath.Dir(c.Cameras[0].Footage), "photographs", "no-plate.jpg") // nothing more is read
	second, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	must(t, err)
	if second.Waiting != 0 || second.Stored != uint64(first.Waiting) || second.Lost != 0 {
		t.Fatalf("with the link back: %+v after %+v", second, first)
	}
	if n := len(s.found()); n == 0 {
		t.Fatal("central found nothing of what waited")
	}
}

func TestAnotherSitesCertificateIsNamedAtTheStart(t *testing.T) {
	s, other := newSite(t), newSite(t)
	c := s.unit(filepath.Join(s.dir, "devices", ourUnit, ourUnit), filepath.Join(other.dir, "devices", ourUnit, ourUnit))
	_, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	if err == nil || !strings.Contains(err.Error(), "not of this site") || !strings.Contains(err.Error(), ourUnit+".pem") {
		t.Fatalf("got %v", err)
	}
}

func TestAUnitThatCentralDoesNotKnowKeepsEverythingAndSaysWhy(t *testing.T) {
	s := newSite(t)
	c := s.unit(ourUnit, "unit-2") // it has a certificate but is not approved
	list(t, c, entry("ZZ99ZZZ", "High", "1"))
	ctx, cancel := context.WithCancel(within(t, 2*time.Minute))
	kept := make(chan struct{}, 100)
	a := newAgent(t, c, func(h Happening) {
		if h.What == "kept" {
			kept <- struct{}{}
		}
	})
	go func() {
		defer cancel()
		<-kept // by now the agent is open
		for ctx.Err() == nil && len(a.client.Problems()) == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}()
	summary, err := a.Run(ctx)
	must(t, err)
	if summary.Stored != 0 || summary.Lost != 0 || uint64(summary.Waiting) != summary.Passages || summary.Passages == 0 {
		t.Fatalf("%+v", summary)
	}
	if p := strings.Join(a.client.Problems(), "; "); !strings.Contains(p, "approved") {
		t.Fatalf("the problem is told as %q", p)
	}
	if n := len(s.found()); n != 0 {
		t.Fatalf("central stored %d records of a device that nobody approved", n)
	}
}

func TestACameraThatIsNotThereDoesNotStopTheOthers(t *testing.T) {
	s := newSite(t)
	c := s.unit("[position]", "[[camera]]\nfootage = \"/nonexistent/drive.mp4\"\nname = \"gone\"\n[position]")
	list(t, c, entry("ZZ99ZZZ", "High", "1"))
	summary, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	if err == nil || !strings.Contains(err.Error(), "gone") || !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the missing camera was told as %v", err)
	}
	if summary.Passages == 0 || summary.Stored != summary.Passages || summary.Lost != 0 {
		t.Fatalf("the other camera did not work on: %+v", summary)
	}
}

func TestAListThatIsNoLongerConfiguredMatchesNoMore(t *testing.T) {
	s := newSite(t)
	c := s.unit()
	list(t, c, entry(truth(t)[0], "High", "1"))
	first, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	must(t, err)
	if first.Hits == 0 {
		t.Fatal("the list did not match while it was configured")
	}
	c.Lists = nil
	second, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	must(t, err)
	if second.Hits != 0 {
		t.Fatalf("%d hits on a list that is not configured", second.Hits)
	}
}

func TestABrokenListChangesNothing(t *testing.T) {
	s := newSite(t)
	c := s.unit()
	list(t, c, entry(truth(t)[0], "High", "1"))
	_, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	must(t, err)
	must(t, os.WriteFile(c.Lists[0].File, []byte("\x00\x01rubbish"), 0o600))
	second, err := newAgent(t, c, nil).Run(within(t, 2*time.Minute))
	must(t, err)
	if second.Hits == 0 {
		t.Fatal("a broken file took the list out of force")
	}
}

func TestTheDoctorFindsWhatIsWrongAndSaysWhatToDo(t *testing.T) {
	s := newSite(t)
	c := s.unit()
	examine := func() map[string]Finding {
		d := &Doctor{Config: c, Clock: newAgent(t, c, nil).Clock, Log: newAgent(t, c, nil).Log, Patience: 5 * time.Second}
		by := map[string]Finding{}
		for _, f := range d.Examine(within(t, time.Minute)) {
			if !f.OK && f.Do == "" {
				t.Errorf("%s is wrong (%s) but nothing is said to do", f.Part, f.Says)
			}
			by[f.Part] = f
		}
		return by
	}
	well := examine()
	for _, part := range []string{"camera " + camera1, "position", "storage key", "certificate", "central"} {
		if !well[part].OK {
			t.Errorf("%s: %s", part, well[part].Says)
		}
	}
	s.stop()
	c.Cameras[0].Footage = "/dev/video77"
	must(t, os.Chmod(c.Key, 0o644))
	ill := examine()
	for part, says := range map[string]string{"camera " + camera1: "/dev/video77", "storage key": "", "central": "refused"} {
		if ill[part].OK || !strings.Contains(ill[part].Says, says) {
			t.Errorf("%s: %v %s", part, ill[part].OK, ill[part].Says)
		}
	}
}

func TestAUnitThatWasOfflineForLongTellsItsNewestReads(t *testing.T) {
	now := clock.NewManual(time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC))
	told := map[string]int{}
	tally := newTally(now, func(h Happening) { told[h.What]++ }, MatchConfig{AgainAfter: config.Duration(time.Minute)})
	key := func(n int) nrd.Key { return nrd.Key{Device: "unit-1", Epoch: 1, Sequence: uint64(n)} }
	const kept = maxOnTheWay + 500
	for n := range kept {
		tally.kept(&nrd.Record{Key: key(n), Captured: now.Stamp(), Read: nrd.Read{VRM: "AB12CDE"}}, incab.Telling{})
	}
	tally.receipt(key(kept-1), "record", "refused")
	now.Advance(time.Second)
	for n := range kept - 1 { // of the first 500 nothing is known any more
		tally.receipt(key(n), "record", "stored")
	}
	if told["stored"] != maxOnTheWay-1 || len(tally.onTheWay) != 0 {
		t.Errorf("%d are told as stored, %d are still taken to be on their way", told["stored"], len(tally.onTheWay))
	}
	for n := range maxLatencies {
		tally.kept(&nrd.Record{Key: key(kept + n), Captured: now.Stamp(), Read: nrd.Read{VRM: "AB12CDE"}}, incab.Telling{})
		tally.receipt(key(kept+n), "record", "stored")
	}
	if told["stored"] != 2*maxOnTheWay-1 {
		t.Errorf("%d are told as stored", told["stored"])
	}
	if s := tally.summary(uplink.Stats{}); s.KeptToStoredP95 != 0 {
		t.Errorf("the newest took no time, and %d ms are said", s.KeptToStoredP95)
	}
	if n := len(tally.order); n > maxOnTheWay {
		t.Errorf("it remembers %d", n)
	}
}

func TestARepairedReadIsFollowedWithWhatThePixelsGave(t *testing.T) {
	var told []Happening
	tally := newTally(clock.NewManual(time.Now()), func(h Happening) { told = append(told, h) }, MatchConfig{AgainAfter: config.Duration(time.Minute)})
	rec := &nrd.Record{Read: nrd.Read{VRM: "SL18CLO", Raw: "SLIBCLO", Repaired: true}}
	tally.provisional(rec, incab.Telling{})
	tally.kept(rec, incab.Telling{})
	tally.receipt(rec.Key, "record", "stored")
	tally.kept(&nrd.Record{Read: nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE"}}, incab.Telling{})
	var as []string
	for _, h := range told {
		as = append(as, h.What+" "+h.ReadAs)
	}
	if want := []string{"provisional SLIBCLO", "kept SLIBCLO", "stored SLIBCLO", "kept "}; !slices.Equal(as, want) {
		t.Errorf("told %q, want %q", as, want)
	}
}

func TestPercentiles(t *testing.T) {
	values := []int64{}
	for i := range int64(100) {
		values = append(values, i+1)
	}
	slices.Reverse(values)
	if percentile(values, 50) != 51 || percentile(values, 95) != 96 || percentile(nil, 50) != 0 || percentile(values[:1], 95) != 100 {
		t.Fatal("percentiles are wrong")
	}
}
