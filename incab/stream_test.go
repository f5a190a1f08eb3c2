package incab

import (
	"errors"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"nrd"
)

// secrets are what must never be on its way to a driver who moves.
var secrets = []string{"AB12", "FORD", "FOCUS", "BLUE", "burglary", "arrest", "Call control", "national", "WE", "VI", "front", "1234", "Grey", "0417", "old", "Backlog", "picture", "A8I2"}

func TestADriverWhoMovesIsSentSymbolsAndNothingElse(t *testing.T) {
	for name, fix := range map[string]nrd.Fix{
		"at speed":              {SpeedKnown: true, Speed: 13},
		"speed not known":       {Source: nrd.FixGPS},
		"no position":           {},
		"speed of a while ago":  {SpeedKnown: true, Age: 6 * time.Second},
		"speed is not a number": {SpeedKnown: true, Speed: math.NaN()},
		"backwards":             {SpeedKnown: true, Speed: -3},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCab(t)
			c.onDutyAt("observer", "1234")
			b := c.onDutyAt("driver", "1234")
			c.drive(fix)
			lines := c.stream(b)
			rec := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh))
			rec.Patch, rec.Overview = nrd.Image{JPEG: []byte("patch")}, nrd.Image{JPEG: []byte("overview")}
			rec.Read.Raw, rec.Read.Repaired = "A8I2CDE", true
			c.Recorded(rec)
			all := sees(t, lines, "the symbol", has(`"priority":"high"`, `"sound":"high"`, `"moving":true`, `"markers":true`))
			all = append(all, sees(t, lines, "a heartbeat", has("event: beat"))...)
			for _, secret := range secrets {
				if text := strings.Join(all, "\n"); strings.Contains(text, secret) {
					t.Errorf("%q was sent to the driver:\n%s", secret, text)
				}
			}
			for _, path := range []string{"/picture/1/patch", "/picture/1/overview"} {
				if status, _ := c.get(b, path); status != http.StatusNotFound {
					t.Errorf("%s: %d", path, status)
				}
			}
			for _, path := range []string{"/sign-off", "/acknowledge", "/disposition", "/check"} {
				if status, _ := c.post(b, path, "number", "1", "disposition", "stopped", "vrm", "AB12CDE", "reason", "r"); status != http.StatusForbidden {
					t.Errorf("%s: %d", path, status)
				}
			}
			c.drive(nrd.Fix{SpeedKnown: true, Speed: 0.4})
			sees(t, lines, "the details when standing", has("AB12 CDE", "burglary", `"moving":false`))
			if status, text := c.get(b, "/picture/1/patch"); status != http.StatusOK || text != "patch" {
				t.Errorf("the plate when standing: %d %q", status, text)
			}
			c.drive(fix)
			sees(t, lines, "symbols again", has(`"moving":true`, `"alerts":[{"number":1,"priority"`))
		})
	}
}

func TestTheObserverSeesEverythingWhileTheVehicleMoves(t *testing.T) {
	c := newCab(t)
	c.drive(nrd.Fix{SpeedKnown: true, Speed: 30})
	lines := c.stream(c.onDutyAt("observer", "1234"))
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	sees(t, lines, "the hit", has("AB12 CDE", `"markers":["WE","VI"]`, "BLUE FORD FOCUS", "2 h old", `"freshness":"fresh"`, `"onDuty":"1234"`))
}

func TestNothingIsShownToWhoIsNotSignedOn(t *testing.T) {
	c := newCab(t)
	b := c.tabletOf("observer")
	lines := c.stream(b)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	for _, line := range sees(t, lines, "two heartbeats", func() func(string) bool {
		n := 0
		return func(line string) bool {
			if line == "event: beat" {
				n++
			}
			return n == 2
		}
	}()) {
		if strings.Contains(line, "AB12") {
			t.Errorf("sent: %s", line)
		}
	}
	for _, path := range []string{"/acknowledge", "/disposition", "/check", "/sign-off"} {
		if status, _ := c.post(b, path, "number", "1", "disposition", "stopped", "vrm", "AB12CDE", "reason", "r"); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := c.post(b, "/sign-on", "collar", "1", "authoriser", " ", "reference", "r"); status != http.StatusUnprocessableEntity {
		t.Errorf("a sign-on without an authoriser: %d", status)
	}
}

func TestOfTwoTabletsThatAcknowledgeAtOnceTheFirstWins(t *testing.T) {
	c := newCab(t)
	browsers := []*http.Client{c.onDutyAt("observer", "1234"), c.onDutyAt("driver", "5678")}
	lines := c.stream(browsers[0])
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	type answer struct {
		status int
		text   string
	}
	answers := make(chan answer, 2)
	for _, b := range browsers {
		go func() {
			status, text := c.post(b, "/acknowledge", "number", "1")
			answers <- answer{status, text}
		}()
	}
	one, other := <-answers, <-answers
	if one.status != http.StatusOK {
		one, other = other, one
	}
	if one.status != http.StatusOK || other.status != http.StatusConflict || !strings.Contains(other.text, "Already acknowledged by") {
		t.Fatalf("%+v and %+v", one, other)
	}
	acknowledged := 0
	for _, e := range c.events() {
		if e.Action == nrd.OfficerAcknowledged {
			acknowledged++
			if !strings.Contains(other.text, e.Officer.Collar) || e.Record.Sequence != 1 || e.Officer.Reference != "2026/11/23-0417" {
				t.Errorf("told %+v, shown %s", e, other.text)
			}
		}
	}
	if acknowledged != 1 {
		t.Errorf("%d acknowledgements were told", acknowledged)
	}
	sees(t, lines, "by whom", has(`"seenBy":"`, `"sound":""`))
	if status, _ := c.post(browsers[0], "/disposition", "number", "1", "disposition", "stopped"); status != http.StatusOK {
		t.Errorf("the disposition: %d", status)
	}
	if status, text := c.post(browsers[1], "/disposition", "number", "1", "disposition", "lost"); status != http.StatusConflict || !strings.Contains(text, "Already stopped, by 1234 (observer)") {
		t.Errorf("a second disposition: %d %s", status, text)
	}
	if status, _ := c.post(browsers[0], "/disposition", "number", "1", "disposition", "eaten"); status != http.StatusBadRequest {
		t.Errorf("no disposition: %d", status)
	}
}

func TestAProvisionalHitIsConfirmedOrVisiblyWithdrawn(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	lines := c.stream(b)
	early := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh))
	early.Key = nrd.Key{}
	c.Provisional(early)
	sees(t, lines, "the provisional hit", has("AB12 CDE", `"provisional":true`, `"sound":"high"`))
	if status, _ := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK {
		t.Fatalf("acknowledged: %d", status)
	}
	if len(c.events()) != 1 {
		t.Errorf("an acknowledgement went without its record: %+v", c.events())
	}
	final := *early
	final.Key = nrd.Key{Device: "car-7", Epoch: 9, Sequence: 77}
	c.Recorded(&final)
	sees(t, lines, "the confirmation", has(`"provisional":false`, `"times":1`))
	if e := c.events(); len(e) != 2 || e[1].Record.Sequence != 77 {
		t.Errorf("told %+v", e)
	}

	early = c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityMedium))
	c.Provisional(early)
	sees(t, lines, "the second", has("XY34 ZZZ", `"provisional":true`))
	other := *early
	other.Read.VRM, other.Hits = "XY34ZZ2", nil
	c.Recorded(&other)
	sees(t, lines, "its withdrawal", has("XY34 ZZZ", `"withdrawn":true`, "the final read is another"))

	c.Provisional(c.record("ZZ99AAA", hit("ZZ99AAA", nrd.PriorityLow)))
	c.hand.Advance(time.Minute + time.Second)
	sees(t, lines, "what was never confirmed", has("ZZ99 AAA", "the read was not confirmed"))
}

func TestASightingOfAKnownVehicleIsConfirmedOrVisiblyWithdrawn(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	first := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium))
	c.Recorded(first)
	misread := func() *nrd.Record { // of a vehicle that the final read names
		early := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium))
		early.Key = nrd.Key{}
		early.Camera.Name = "rear"
		c.Provisional(early, Telling{Times: 2, Now: true})
		final := *early
		final.Read.VRM, final.Hits = "AB12CDF", nil
		return &final
	}
	final := misread()
	if a := c.alerts(); len(a) != 1 || !a[0].Provisional || a[0].Sounds != 2 || a[0].Camera != "rear" {
		t.Fatalf("seen again: %+v", a)
	}
	c.Recorded(final)
	if a := c.alerts(); len(a) != 1 || a[0].Provisional || a[0].Withdrawn || a[0].Camera != "front" || a[0].Unseen != "the final read is another" || !a[0].Partly || a[0].Sounds != 3 || a[0].Sound != "medium" {
		t.Fatalf("misread: %+v", a)
	}
	if status, _ := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK {
		t.Fatal(status)
	}
	if e := c.events(); e[len(e)-1].Record != first.Key {
		t.Errorf("told %+v", e[len(e)-1])
	}
	c.Recorded(misread())
	if a := c.alerts(); a[0].Sounds != 3 || !a[0].Seen || a[0].Camera != "front" {
		t.Errorf("of a misread that did not sound officers hear: %+v", a)
	}
	misread()
	c.hand.Advance(confirmWithin + time.Second)
	for late := time.Now().Add(5 * time.Second); c.alerts()[0].Camera == "rear" && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
	}
	if a := c.alerts(); a[0].Camera != "front" || a[0].Withdrawn {
		t.Errorf("never confirmed: %+v", a)
	}
	confirmed := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium))
	c.Provisional(confirmed)
	c.Recorded(confirmed)
	if a := c.alerts(); a[0].Provisional || a[0].Partly || a[0].Unseen != "" {
		t.Errorf("confirmed: %+v", a)
	}
}

func TestAStaleListAndANearMatchSaySoWithoutTheActionSound(t *testing.T) {
	c := newCab(t)
	lines := c.stream(c.onDutyAt("observer", "1234"))
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Freshness, h.ListAge = nrd.Stale, 90*time.Hour })))
	sees(t, lines, "the stale hit", has(`"verify":true`, `"sound":"notice"`, `"freshness":"stale"`, "3 days old"))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZ2", nrd.PriorityHigh, func(h *nrd.Hit) { h.Match = nrd.MatchNear })))
	sees(t, lines, "the near match", has(`"near":true`, `"vrm":"XY34 ZZ2"`))
	c.Recorded(c.record("NO11JDG", hit("NO11JDG", nrd.PriorityHigh, func(h *nrd.Hit) { h.Freshness = "" })))
	sees(t, lines, "the list that nobody judged", has(`NO11`, `"verify":true`, `"sound":"notice"`, `"freshness":"stale"`))
	stale := hit("TW00TWO", nrd.PriorityHigh, func(h *nrd.Hit) { h.Freshness = nrd.Stale })
	c.Recorded(c.record("TW00TWO", stale, hit("TW00TWO", nrd.PriorityLow)))
	sees(t, lines, "the sound of the entry that may be acted on", has(`TW00`, `"verify":true`, `"sound":"low"`))
}

func TestAVehicleThatStaysIsOneAlertUntilItIsToBeToldAgain(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	lines := c.stream(b)
	low, high := hit("AB12CDE", nrd.PriorityLow), hit("AB12CDE", nrd.PriorityHigh)
	for n := range 3 {
		c.Recorded(c.record("AB12CDE", low), Telling{Times: n + 1, Now: n == 0})
	}
	sees(t, lines, "one alert", has(`"times":3`, `"sounds":1`))
	c.Recorded(c.record("AB12CDE", low), Telling{Times: 4, Now: true})
	sees(t, lines, "the same, told again", has(`"number":1`, `"times":4`, `"sounds":2`))
	c.post(b, "/acknowledge", "number", "1")
	c.Recorded(c.record("AB12CDE", low), Telling{Times: 5, Now: true})
	sees(t, lines, "no sound for who knows already", has(`"number":1`, `"times":5`, `"sounds":2`, `"seen":true`))
	c.Recorded(c.record("AB12CDE", high, low), Telling{Times: 6})
	sees(t, lines, "its escalation", has(`"times":6`, `"sounds":3`, `"sound":"high"`, `"seen":false`))
	other := high
	other.Entry.Reference = "another"
	c.post(b, "/acknowledge", "number", "1")
	c.Recorded(c.record("AB12CDE", high, other), Telling{Times: 7})
	sees(t, lines, "an entry that is new", has(`"times":7`, `"sounds":4`, `"seen":false`))
	if status, _ := c.post(b, "/disposition", "number", "1", "disposition", "lost"); status != http.StatusOK {
		t.Fatal(status)
	}
	c.Recorded(c.record("AB12CDE", high), Telling{Times: 8})
	sees(t, lines, "no new alert", has(`"times":8`, `"over":true`))
	c.Recorded(c.record("AB12CDE", high), Telling{Times: 9, Now: true})
	sees(t, lines, "a new alert later", has(`"number":2`, `"sounds":1`))
	c.Recorded(c.record("AB12CDE", high), Telling{Times: 10})
	sees(t, lines, "the new one goes on", has(`"number":2`, `"times":10`))
}

func TestTheQueueIsBoundedAndKeepsTheUrgent(t *testing.T) {
	c := newCab(t)
	c.Recorded(c.record("AA11AAA", hit("AA11AAA", nrd.PriorityHigh)))
	for i := range 2 * mostAlerts {
		vrm := nrd.VRM("BB" + string(rune('A'+i/26)) + string(rune('A'+i%26)))
		c.Recorded(c.record(vrm, hit(vrm, nrd.PriorityLow)))
	}
	c.Screen.mu.Lock()
	defer c.Screen.mu.Unlock()
	if n := len(c.state.Alerts); n != mostAlerts || c.state.Alerts[0].VRM != "AA11AAA" {
		t.Errorf("%d alerts, the first %s", n, c.state.Alerts[0].VRM)
	}
}

func TestAMarkIsCheckedWithAReasonThatIsKept(t *testing.T) {
	c := newCab(t)
	c.lookup = map[nrd.VRM][]nrd.Hit{"AB12CDE": {hit("AB12CDE", nrd.PriorityHigh)}}
	b := c.onDutyAt("observer", "1234")
	for _, fields := range [][]string{{"vrm", "AB12CDE"}, {"vrm", "AB12CDE", "reason", "  "}, {"vrm", "<script>", "reason", "r"}, {"vrm", "", "reason", "r"}} {
		if status, _ := c.post(b, "/check", fields...); status != http.StatusUnprocessableEntity {
			t.Errorf("%q: %d", fields, status)
		}
	}
	status, text := c.post(b, "/check", "vrm", "ab12 cde", "reason", "vehicle at the scene")
	if status != http.StatusOK || !strings.Contains(text, "burglary") {
		t.Errorf("%d %s", status, text)
	}
	e := c.events()
	if last := e[len(e)-1]; last.Action != nrd.OfficerChecked || last.VRM != "AB12CDE" || last.Reason != "vehicle at the scene" || last.Hits != 1 || last.Officer.Collar != "1234" {
		t.Errorf("told %+v", last)
	}
}

func TestWhatTheBufferWillNotTakeIsToldLaterAndOutlastsARestart(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.setFull(errors.New("the disk is full"))
	if status, _ := c.post(b, "/disposition", "number", "1", "disposition", "stopped"); status != http.StatusOK {
		t.Fatal(status)
	}
	c.stop()
	if len(c.events()) != 1 {
		t.Fatalf("told %+v", c.events())
	}
	c.setFull(nil)
	c.start()
	for late := time.Now().Add(5 * time.Second); len(c.events()) < 2 && time.Now().Before(late); {
		time.Sleep(10 * time.Millisecond)
	}
	if e := c.events(); len(e) != 2 || e[1].Disposition != nrd.DispositionStopped || e[1].Record.Sequence != 1 {
		t.Errorf("told %+v", e)
	}
}

func (c *cab) setFull(err error) { c.mu.Lock(); defer c.mu.Unlock(); c.full = err }

func TestTheDeploymentIsThatOfWhoSignedOnLast(t *testing.T) {
	c := newCab(t)
	if a := c.Authority(); a != "" {
		t.Errorf("nobody is on duty, under %q", a)
	}
	b := c.onDutyAt("observer", "1234")
	if a := c.Authority(); a != "2026/11/23-0417" {
		t.Errorf("out under %q", a)
	}
	if status, _ := c.post(b, "/sign-off"); status != http.StatusOK || c.Authority() != "" {
		t.Errorf("after sign-off %d, out under %q", status, c.Authority())
	}
}

func TestTheDeploymentIsThatOfTheLastSignOnWhateverTheClockSaid(t *testing.T) {
	c := newCab(t)
	c.hand.Set(time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC))
	c.hand.Doubt()
	first := c.tabletOf("observer")
	c.post(first, "/sign-on", "collar", "1234", "authoriser", "Insp Grey", "reference", "of yesterday")
	c.hand.Set(began)
	c.onDutyAt("driver", "5678")
	if a := c.Authority(); a != "2026/11/23-0417" {
		t.Errorf("out under %q", a)
	}
}

func TestADriverWhoMovesAndIsNotSignedOnSeesNoHit(t *testing.T) {
	c := newCab(t)
	b := c.tabletOf("driver")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.drive(nrd.Fix{SpeedKnown: true, Speed: 13})
	sees(t, c.stream(b), "no symbol", has(`"moving":true`, `"alerts":[]`))
}

func TestAUnitThatHangsGivesNoHeartbeat(t *testing.T) {
	c := newCab(t)
	lines := c.stream(c.tabletOf("observer"))
	sees(t, lines, "a heartbeat", has("event: beat"))
	c.hangs()
	time.Sleep(1200 * time.Millisecond) // the beat that was on its way
	for len(lines) > 0 {
		<-lines
	}
	select {
	case line := <-lines:
		t.Errorf("sent %q", line)
	case <-time.After(2500 * time.Millisecond):
	}
}
