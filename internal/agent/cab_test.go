package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"nrd"
	"nrd/collector"
	"nrd/collector/store"
	"nrd/hotlist/live"
	"nrd/hotlist/live/gateway"
	"nrd/internal/browser"
	"nrd/internal/clock"
	"nrd/internal/config"
	"nrd/internal/identity"
)

// cab is a running unit in a vehicle, with a tablet at its screen: a real browser.
type cab struct {
	*browser.Page

	t    testing.TB
	unit *Agent
}

// begin runs a unit that has a screen, until the test is over. Its one camera never
// opens: the test gives it what it sees.
func begin(t testing.TB, c *Config, log *slog.Logger) *cab {
	t.Helper()
	c.Cameras[0].Footage = "rtsp://127.0.0.1:1/none"
	c.Incab.Listen = "127.0.0.1:0"
	a := &Agent{Config: c, Clock: clock.System(), Log: log, Software: "test"}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		_, err := a.Run(ctx)
		ended <- err
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the unit ended with %v", err)
		}
	})
	var err error
	for late := time.Now().Add(30 * time.Second); time.Now().Before(late); time.Sleep(20 * time.Millisecond) {
		if _, err = Ask(context.Background(), c); err == nil {
			return &cab{t: t, unit: a}
		}
	}
	t.Fatalf("the unit does not start: %v", err)
	return nil
}

// tablet pairs a browser for the observer and signs an officer on.
func (c *cab) tablet(collar string) {
	c.t.Helper()
	c.Page = browser.Open(c.t, 1280, 800, chromedp.IgnoreCertErrors)
	invitation, err := PairTablet(context.Background(), c.unit.Config, "observer")
	if err != nil {
		c.t.Fatal(err)
	}
	c.Do(chromedp.Navigate(invitation.Address), chromedp.SendKeys(chromedp.CSS("#code"), invitation.Code+"\r"))
	c.See("the sign-on", `document.querySelector(".sign-on").checkVisibility()`)
	c.Do(chromedp.SendKeys(chromedp.CSS("#collar"), collar), chromedp.SendKeys(chromedp.CSS("#authoriser"), "Insp Grey"),
		chromedp.SendKeys(chromedp.CSS("#reference"), "2026/11/23-0417"), chromedp.Click(chromedp.CSS(".sign-on .main")))
	c.See("the duty", `document.body.dataset.state === "duty"`)
}

// passes lets a vehicle go by that the unit has recognised.
func (c *cab) passes(vrm nrd.VRM, number uint64) {
	c.unit.record(&nrd.Record{
		Camera: nrd.Camera{Name: camera1}, Captured: c.unit.Clock.Stamp(), Direction: nrd.DirectionAway,
		Read: nrd.Read{VRM: vrm, Raw: string(vrm), Confidence: 95}, Passage: nrd.Passage{Number: number},
	})
}

// officers waits until central knows so many actions of a kind.
func (s *site) officers(action nrd.OfficerAction, n int) []collector.OfficerEvent {
	s.t.Helper()
	var events []collector.OfficerEvent
	for late := time.Now().Add(30 * time.Second); time.Now().Before(late); time.Sleep(100 * time.Millisecond) {
		s.desk(func(ctx context.Context, d *collector.Desk) {
			var err error
			events, err = d.Officers(ctx, collector.OfficerEnquiry{Action: string(action), Reason: "test of the whole way"})
			must(s.t, err)
		})
		if len(events) >= n {
			return events
		}
	}
	s.t.Fatalf("central knows of %d officers' actions %q, want %d", len(events), action, n)
	return nil
}

// TestAReadOfAListedVehicleIsOnTheTabletAndWhatTheOfficerTapsAtCentral is the whole
// way: a camera's picture, the recogniser, the list, the tablet, a finger, central.
func TestAReadOfAListedVehicleIsOnTheTabletAndWhatTheOfficerTapsAtCentral(t *testing.T) {
	s := newSite(t)
	config := s.unit()
	wanted := truth(t)[0]
	list(t, config, entry(wanted, "High", "1"))
	c := begin(t, config, slog.New(slog.DiscardHandler))
	c.tablet("4417")
	c.See("no hit yet", `document.querySelector(".current").innerText.includes("No hits")`)

	pictures, err := filepath.Abs(footage)
	must(t, err)
	camera := &watch{agent: c.unit, settings: CameraConfig{Footage: filepath.Join(pictures, "front-near.jpg"), Name: "front"}}
	must(t, camera.run(within(t, time.Minute)))

	c.See("the mark", `document.querySelector(".current .plate").textContent.replace(" ", "") === "`+wanted+`"`)
	c.See("the list and its age", `document.querySelector(".current .list").innerText.includes("local, 0 min old")`)
	c.See("the plate and the vehicle", `[...document.querySelectorAll(".pictures img")].filter((i) => i.naturalWidth > 0).length === 2`)
	c.See("that it can be answered", `answered() !== null`)
	c.Do(chromedp.Click(chromedp.CSS(`[data-disposition="stopped"]`)))
	c.See("the outcome", `document.querySelector(".current").innerText.includes("Outcome: stopped, by 4417")`)

	e := s.officers(nrd.OfficerActed, 1)[0]
	if e.Collar != "4417" || e.Disposition != "stopped" || e.VRM != wanted || e.Reference != "2026/11/23-0417" || !slices.Equal(e.Lists, []string{"local"}) {
		t.Errorf("central has %+v", e)
	}
	found := s.found()[wanted]
	if found.Key != e.Record || len(found.Officers) != 1 || found.Officers[0].Disposition != "stopped" {
		t.Errorf("the record %s has %+v, the action is about %s", found.Key, found.Officers, e.Record)
	}
	if found.Deployment != "2026/11/23-0417" {
		t.Errorf("the read was made under %q, not the authority that the officer signed on with", found.Deployment)
	}
	if on := s.officers(nrd.OfficerSignedOn, 1)[0]; on.Authoriser != "Insp Grey" {
		t.Errorf("signed on: %+v", on)
	}
}

// liveGateway runs the reference gateway for a unit's configuration.
func liveGateway(t *testing.T, c *Config) *gateway.Gateway {
	t.Helper()
	dir := t.TempDir()
	ca, err := identity.NewSite(dir, clock.System())
	must(t, err)
	must(t, ca.IssueServer(dir, "server", []string{"127.0.0.1"}))
	must(t, ca.IssueDevice(dir, ourUnit))
	tls, err := identity.ServerTLS(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"), filepath.Join(dir, "server.key"))
	must(t, err)
	g := &gateway.Gateway{Name: "force live", Clock: clock.System()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: g, TLSConfig: tls, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ServeTLS(listener, "", "") // ends with Close
	}()
	t.Cleanup(func() {
		must(t, server.Close())
		<-ended
	})
	c.Live = LiveConfig{
		URL: "https://" + listener.Addr().String(), CA: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, ourUnit+".pem"),
		Key: filepath.Join(dir, ourUnit+".key"), Timeout: config.Duration(5 * time.Second),
	}
	return g
}

// hitAlarm waits until central has a hit alarm of a mark that somebody saw first.
func (s *site) hitAlarm(v nrd.VRM, by store.Finder) {
	s.t.Helper()
	var hits []collector.ListHit
	for late := time.Now().Add(30 * time.Second); time.Now().Before(late); time.Sleep(100 * time.Millisecond) {
		s.desk(func(ctx context.Context, d *collector.Desk) {
			var err error
			hits, err = d.ListHits(ctx, "", "test of the whole way")
			must(s.t, err)
		})
		if slices.ContainsFunc(hits, func(h collector.ListHit) bool { return h.VRM == string(v) && h.FoundBy == string(by) }) {
			return
		}
	}
	s.t.Fatalf("central has no hit alarm of %s by %s, but %+v", v, by, hits)
}

func TestALiveGatewayWithdrawsAHitAddsOneAndIsNamed(t *testing.T) {
	s := newSite(t)
	config := s.unit()
	list(t, config, entry("AB12CDE", "High", "1"), entry("XY34ZZZ", "Low", "2"))
	g := liveGateway(t, config)
	g.Put("local", []nrd.Entry{
		{VRM: "XY34ZZZ", Priority: nrd.PriorityLow, Reference: "2", Reason: "Stolen"}, {VRM: "NE22WWW", Priority: nrd.PriorityMedium, Reference: "3", Reason: "Stolen today"},
	})
	var written journal
	c := begin(t, config, slog.New(detail(&written, slog.LevelInfo)))
	c.tablet("4417")
	c.passes("AB12CDE", 1)
	c.See("the withdrawal", `document.querySelector(".current").innerText.includes("WITHDRAWN: no longer of interest, says force live")`)
	c.passes("XY34ZZZ", 2)
	c.See("what is live", `[...document.querySelectorAll(".list")].some((l) => l.innerText.includes("LIVE")) && document.querySelector(".current .plate").textContent === "XY34 ZZZ"`)
	c.passes("NE22WWW", 3)
	c.See("the hit that no list on the unit has", `document.querySelector(".current .plate").textContent === "NE22 WWW" && document.querySelector(".current").innerText.includes("Stolen today")`)
	c.Do(chromedp.Click(chromedp.CSS(".open-check")), chromedp.SendKeys(chromedp.CSS("#vrm"), "ab12cde"), chromedp.SendKeys(chromedp.CSS("#reason"), "at the scene\r"))
	c.See("the check, asked live", `document.querySelector(".result").innerText.includes("is of no interest (asked live)")`)

	if e := s.officers(nrd.OfficersWithdrawn, 1)[0]; e.VRM != "AB12CDE" || e.Role != "unit" || e.Record == "" || !strings.Contains(e.Reason, "force live") {
		t.Errorf("withdrawn: %+v", e)
	}
	if e := s.officers(nrd.OfficersAlerted, 1); e[0].VRM != "NE22WWW" || len(e) != 1 {
		t.Errorf("alerted: %+v", e)
	}
	s.hitAlarm("NE22WWW", store.FoundByGateway)
	if n := c.unit.live.Counts(); n.Answered != 4 {
		t.Errorf("the gateway was asked: %+v", n)
	}
	text := written.String()
	if !strings.Contains(text, "a live lookup knows better") {
		t.Errorf("nothing is logged:\n%s", text)
	}
	for _, mark := range []string{"AB12CDE", "XY34ZZZ", "NE22WWW"} {
		if strings.Contains(strings.ToUpper(text), mark) {
			t.Errorf("the log holds %s:\n%s", mark, text)
		}
	}
}

// TestAHitThatAGatewayTookBackAMomentAgoIsToldWithdrawnAndLogged is about an answer that
// the unit remembers when the vehicle goes by: it must take no hit away in silence.
func TestAHitThatAGatewayTookBackAMomentAgoIsToldWithdrawnAndLogged(t *testing.T) {
	s := newSite(t)
	config := s.unit()
	list(t, config, entry("AB12CDE", "High", "1"))
	g := liveGateway(t, config)
	g.Put("local", nil)
	c := begin(t, config, slog.New(slog.DiscardHandler))
	c.tablet("4417")
	if hits, asked := c.unit.check(t.Context(), "AB12CDE", "4417", "at the scene"); !asked || len(hits) != 0 {
		t.Fatalf("the check: %v, %+v", asked, hits)
	}
	c.passes("AB12CDE", 1)
	c.See("the withdrawal", `document.querySelector(".current").innerText.includes("WITHDRAWN: no longer of interest, says force live")`)
	c.passes("AB12CDE", 2)
	about := map[string]bool{}
	for _, e := range s.officers(nrd.OfficersWithdrawn, 2) {
		about[e.Record] = e.VRM == "AB12CDE" && slices.Equal(e.Lists, []string{"local"})
	}
	if len(about) != 2 || !about[s.found()["AB12CDE"].Key] {
		t.Errorf("withdrawn: %v", about)
	}
	if found := s.found()["AB12CDE"]; len(found.Hits) != 1 || found.Hits[0].List != "local" {
		t.Errorf("central has the record with %+v", found.Hits)
	}
	c.See("one alert, silent after its withdrawal", `view.alerts.length === 1 && view.alerts[0].sounds === 2 && view.alerts[0].withdrawn`)
	if n := c.unit.live.Counts(); n.Answered != 1 {
		t.Errorf("the gateway was asked: %+v", n)
	}
}

// TestTheGatewayIsAskedAfterTheHitWasKeptAndToldFromTheLists holds the gateway's queue
// full, so that a question is counted at the moment it is asked: an answer that came
// before the hit was told would be about nothing, and a withdrawal would be told first.
func TestTheGatewayIsAskedAfterTheHitWasKeptAndToldFromTheLists(t *testing.T) {
	config := newSite(t).unit()
	list(t, config, entry("AB12CDE", "High", "1"))
	liveGateway(t, config)
	config.Incab.Listen = "127.0.0.1:0"
	a := newAgent(t, config, nil)
	a.tally = newTally(a.Clock, nil, config.Match)
	must(t, a.open())
	t.Cleanup(func() { must(t, a.close()) })
	must(t, (&lists{agent: a}).begin(t.Context()))
	must(t, errors.Join(a.openLive(), a.openScreen(t.Context()))) // and nobody runs them
	t.Cleanup(func() { must(t, a.screen.Listener.Close()) })
	for a.live.Counts().Dropped == 0 {
		a.live.Ask(&nrd.Record{Read: nrd.Read{VRM: "ZZ99ZZZ"}, Hits: []nrd.Hit{{}}})
	}
	before := a.live.Counts().Dropped
	told, kept := 0, -1
	a.screen.Save = func([]byte) error {
		if told++; a.live.Counts().Dropped != before {
			t.Error("the gateway was asked before the people in the car were told")
		}
		kept = a.stats().Records
		return nil
	}
	a.record(&nrd.Record{
		Camera: nrd.Camera{Name: camera1}, Captured: a.Clock.Stamp(), Direction: nrd.DirectionAway,
		Read: nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE", Confidence: 95}, Passage: nrd.Passage{Number: 1},
	})
	if told == 0 || kept != 1 {
		t.Errorf("told %d times, and then %d records were kept", told, kept)
	}
	if asked := a.live.Counts().Dropped - before; asked != 1 {
		t.Errorf("the gateway was asked %d times", asked)
	}
}

func TestWithoutAnAnswerOfTheGatewayTheListsOnTheUnitHold(t *testing.T) {
	s := newSite(t)
	config := s.unit()
	list(t, config, entry("AB12CDE", "High", "1"))
	liveGateway(t, config)
	config.Live.URL = "https://127.0.0.1:1/lookup"
	c := begin(t, config, slog.New(slog.DiscardHandler))
	c.tablet("4417")
	c.passes("AB12CDE", 1)
	c.See("the hit, by the list", `document.querySelector(".current .plate").textContent === "AB12 CDE" && document.querySelector(".current .list").innerText.includes("local, 0 min old")`)
	for late := time.Now().Add(10 * time.Second); c.unit.live.Counts() == (live.Counts{}) && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := c.unit.live.Counts(); n.Failed != 1 {
		t.Errorf("%+v", n)
	}
	c.Do(chromedp.Click(chromedp.CSS(".open-check")), chromedp.SendKeys(chromedp.CSS("#vrm"), "ab12cde"), chromedp.SendKeys(chromedp.CSS("#reason"), "at the scene\r"))
	c.See("the check, by the list", `document.querySelector(".result").innerText.includes("is of interest: not asked live")`)
}

// BenchmarkRecordToAlertOnTheTablet measures from a record to its mark on the page
// of a tablet that is a real browser on this machine.
func BenchmarkRecordToAlertOnTheTablet(b *testing.B) {
	s := newSite(b)
	config := s.unit()
	var lines []string
	for n := range 2000 {
		lines = append(lines, entry(fmt.Sprintf("AB%02dCDE", n), "Low", "1"))
	}
	list(b, config, lines...)
	c := begin(b, config, slog.New(slog.DiscardHandler))
	c.tablet("4417")
	c.Do(browser.Script(`window.first = {}; new MutationObserver(() => {
		for (const m of document.querySelectorAll(".queue b")) window.first[m.textContent.replace(" ", "")] ??= performance.timeOrigin + performance.now();
	}).observe(document.querySelector(".queue"), { childList: true, subtree: true, characterData: true })`))
	var took []float64
	for n := 0; b.Loop(); n++ {
		vrm := fmt.Sprintf("AB%02dCDE", n%2000)
		at := time.Now()
		c.passes(nrd.VRM(vrm), uint64(n+1))
		c.See("the alert", `window.first["`+vrm+`"]`)
		shown := browser.Value[float64](c.Page, `window.first["`+vrm+`"]`)
		took = append(took, shown-float64(at.UnixMicro())/1000)
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "ms/p50")
	b.ReportMetric(took[len(took)*95/100], "ms/p95")
}
