package console

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/browser"
)

// alarmed stores a record with a hit alarm for it.
func (d *desk) alarmed(t *testing.T, vrm nrd.VRM, h nrd.Hit, by store.Finder, covert bool) nrd.Key {
	t.Helper()
	key := d.record(t, sighting{vrm: vrm, camera: "A1 northbound"})
	now := d.clock.Now()
	raised, err := d.Store.RaiseHits(t.Context(), []store.HitAlarm{{
		Record: key, VRM: vrm, Captured: now.Add(-800 * time.Millisecond), Camera: "A1 northbound", Raised: now, By: by, Covert: covert, Hit: h,
	}})
	if err != nil || len(raised) != 1 {
		t.Fatalf("the alarm is not raised: %+v, %v", raised, err)
	}
	d.clock.Advance(time.Minute)
	return key
}

// hitAlarms are some of each kind; the first was dealt with.
func (d *desk) hitAlarms(t *testing.T) (done, covert nrd.Key) {
	t.Helper()
	now := d.clock.Now()
	of := func(list string, p nrd.Priority, reason string) nrd.Hit {
		h := hit(list, p, time.Hour, now)
		h.Entry.Reason = reason
		return h
	}
	done = d.alarmed(t, "AA11AAA", of("national", nrd.PriorityHigh, "Stolen yesterday"), store.FoundByUnit, false)
	d.acted(t, done, nrd.DispositionStopped)
	d.alarmed(t, "BB22BBB", of("national", nrd.PriorityHigh, "Wanted for burglary"), store.FoundByUnit, false)
	d.alarmed(t, "CC33CCC", of("national", nrd.PriorityLow, "No tax"), store.FoundByCentral, false)
	covert = d.alarmed(t, "DD44DDD", of("burglars", nrd.PriorityMedium, "Report only"), store.FoundByCentral, true)
	d.alarmed(t, "EE55EEE", of("burglars", nrd.PriorityHigh, "Named by a victim"), store.FoundInRetrospect, false)
	return done, covert
}

func TestHitsThatNobodyHasDealtWithAreShownTheMostUrgentFirst(t *testing.T) {
	d := newDesk(t)
	d.hitAlarms(t)
	ros := d.signedIn(t, "ros.kerr")
	marks := func(page string) string {
		var all []string
		for _, m := range regexp.MustCompile(`class="marks">([^<]*)<`).FindAllStringSubmatch(page, -1) {
			all = append(all, strings.ReplaceAll(m[1], " ", ""))
		}
		return strings.Join(all, " ")
	}
	status, page := ros.post("/hits", "reason", " ")
	wants(t, "without a reason", status, 422, page, "a reason is needed")
	if marks(page) != "" {
		t.Errorf("without a reason it shows %s", marks(page))
	}
	status, page = ros.post("/hits", "reason", "control room, late shift")
	wants(t, "the hits", status, 200, page, "4 hits that nobody has dealt with", "Named by a victim", "central, in stored records", "covert", "A1 northbound")
	if got := marks(page); got != "EE55EEE BB22BBB DD44DDD CC33CCC" {
		t.Errorf("the hits are %s", got)
	}
	line := d.lastLine(t)
	if line.Action != "view hit alarms" || line.Account != "ros.kerr" || line.Reason != "control room, late shift" {
		t.Errorf("it is logged as %+v", line)
	}
	link := regexp.MustCompile(`href="(/record/[^"]*)"`).FindStringSubmatch(page)[1]
	if !strings.HasSuffix(link, fmt.Sprintf("?for=%d", line.Sequence)) {
		t.Errorf("the link cites no line: %s", link)
	}
	status, page = ros.get(link)
	wants(t, "its record", status, 200, page, "Opened for: control room, late shift", "EE55 EEE")
	_, page = ros.post("/hits", "reason", "x", "all", "on", "list", "national")
	if got := marks(page); got != "BB22BBB AA11AAA CC33CCC" || !strings.Contains(page, "stopped by 4417") {
		t.Errorf("all of one list are %s", got)
	}
	d.clock.Advance(2 * time.Hour)
	if _, page = d.signedIn(t, "ros.kerr").post("/hits", "reason", "x", "hours", "1"); marks(page) != "" || !strings.Contains(page, "No hit that nobody has dealt with") {
		t.Errorf("of the last hour it shows %s", marks(page))
	}
}

func TestHitsAreForThoseWhoMaySearchAndCovertOnesForThoseWhoMaySeeLists(t *testing.T) {
	d := newDesk(t)
	d.hitAlarms(t)
	sam := d.signedIn(t, "sam.hill")
	status, page := sam.post("/hits", "reason", "incident 7")
	wants(t, "an officer", status, 200, page, "3 hits", "Wanted for burglary")
	if strings.Contains(page, "Report only") || strings.Contains(page, "covert") {
		t.Error("an officer is told of a covert entry")
	}
	for _, name := range []string{"ivy.tan", "al.dunn"} {
		b := d.signedIn(t, name)
		status, page = b.post("/hits", "reason", "incident 7")
		wants(t, name, status, 403, page)
		if line := d.lastLine(t); line.Account != name || !strings.HasPrefix(line.Outcome, "refused: ") {
			t.Errorf("it is logged as %+v", line)
		}
		status, page = b.get("/hits")
		wants(t, name, status, 403, page)
	}
}

func TestInARealBrowserTheHitsAreRead(t *testing.T) {
	d := newDesk(t)
	d.hitAlarms(t)
	c := d.chromium(t)
	c.signIn("ros.kerr")
	c.open("/hits?list=burglars")
	c.See("the list", `document.querySelector("input[name=list]").value === "burglars"`)
	c.Do(browser.Script(`document.querySelector("input[name=list]").value = "";
		document.querySelector("input[name=all]").checked = true;
		document.querySelector("input[name=reason]").value = "control room, late shift";
		document.querySelector("main form button").click()`))
	c.See("the hits", `document.querySelectorAll("tbody tr").length === 5 && document.querySelector("tbody tr").innerText.includes("HIGH")`)
	c.Accessible("hits")
	c.Picture("hits")
	c.Do(browser.Script(`(() => { const row = document.querySelector("tbody tr"); row.querySelector("input[name=note]").value = "patrol sent"; row.querySelector("button").click() })()`))
	c.See("the acknowledgement", `document.querySelector("[role=status]")?.innerText.includes("acknowledged") &&
		[...document.querySelectorAll("tbody tr")].some((r) => r.innerText.includes("EE55 EEE") && r.innerText.includes("ros.kerr") && r.innerText.includes("patrol sent"))`)
	c.Accessible("hits, one acknowledged")
	c.Picture("hits-acknowledged")
	c.NoComplaints()
}

func TestAHitIsAcknowledgedOnceWithANoteByWhoMay(t *testing.T) {
	d := newDesk(t)
	_, covert := d.hitAlarms(t)
	of := func(key nrd.Key, list, vrm string, more ...string) []string {
		return append([]string{
			"device", key.Device, "epoch", fmt.Sprintf("%x", key.Epoch), "sequence", fmt.Sprint(key.Sequence), "of", list, "entry", vrm, "reference", "R1", "reason", "late shift",
		}, more...)
	}
	ros := d.signedIn(t, "ros.kerr")
	_, page := ros.post("/hits", "reason", "late shift")
	if n := strings.Count(page, ">Acknowledge<"); n != 4 {
		t.Errorf("%d hits can be acknowledged", n)
	}
	status, page := ros.post("/hits/acknowledge", of(covert, "burglars", "AB12CDE", "note", "told the case officer")...)
	wants(t, "acknowledging", status, 200, page, "The hit is acknowledged.", "ros.kerr", "told the case officer", "4 hits that nobody has dealt with")
	if strings.Count(page, ">Acknowledge<") != 3 || strings.Index(page, "DD44 DDD") < strings.Index(page, "CC33 CCC") {
		t.Error("the acknowledged hit is not behind the others")
	}
	lines, err := d.Store.AccessLog(t.Context(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	act := lines[len(lines)-2] // the page that shows the others is the last
	if act.Action != "acknowledge hit" || act.Account != "ros.kerr" || act.Reason != "told the case officer" || act.Outcome != "ok" || !strings.Contains(act.Subject, covert.String()) {
		t.Errorf("it is logged as %+v", act)
	}
	status, page = d.signedIn(t, "jane.doe").post("/hits/acknowledge", of(covert, "burglars", "AB12CDE", "note", "mine")...)
	wants(t, "a second time", status, 200, page, "acknowledged before, by ros.kerr")
	if strings.Contains(page, ">mine<") {
		t.Error("the second note takes the place of the first")
	}
	status, page = ros.post("/hits/acknowledge", of(covert, "burglars", "ZZ99ZZZ")...)
	wants(t, "a hit that is none", status, 404, page)
	for _, name := range []string{"sam.hill", "al.dunn"} {
		status, page = d.signedIn(t, name).post("/hits/acknowledge", of(covert, "burglars", "AB12CDE")...)
		wants(t, name, status, 403, page)
		if line := d.lastLine(t); line.Account != name || !strings.HasPrefix(line.Outcome, "refused: ") || line.Action != "acknowledge hit" {
			t.Errorf("it is logged as %+v", line)
		}
	}
	if _, page = d.signedIn(t, "sam.hill").post("/hits", "reason", "incident 7"); strings.Contains(page, ">Acknowledge<") {
		t.Error("an officer is offered what only the control room may")
	}
}

func TestWhatAUnitSaysOfItsHitEndsNoOtherHitOfTheRecord(t *testing.T) {
	d := newDesk(t)
	now := d.clock.Now()
	of := func(list, reference, reason string) nrd.Hit {
		h := hit(list, nrd.PriorityHigh, time.Hour, now)
		h.Entry.Reference, h.Entry.Reason = reference, reason
		return h
	}
	first, second := of("national", "R1", "Wanted for burglary"), of("national", "R2", "Named in a murder")
	live, both := of("national", "R8", "Stolen this morning"), of("burglars", "R9", "Known to both")
	other, later, covert := of("local", "R1", "No insurance"), of("burglars", "R1", "Added at headquarters"), of("national", "R3", "Report only")
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1", hits: []nrd.Hit{first, second, other}})
	var alarms []store.HitAlarm
	for _, a := range []store.HitAlarm{
		{By: store.FoundByUnit, Hit: first}, {By: store.FoundByUnit, Hit: second}, {By: store.FoundByUnit, Hit: other},
		{By: store.FoundInRetrospect, Hit: later}, {By: store.FoundByCentral, Hit: covert, Covert: true},
		{By: store.FoundByGateway, Hit: live}, {By: store.FoundByCentral, Hit: both},
	} {
		a.Record, a.VRM, a.Captured, a.Raised = key, "AB12CDE", now, now
		alarms = append(alarms, a)
	}
	if raised, err := d.Store.RaiseHits(t.Context(), alarms); err != nil || len(raised) != len(alarms) {
		t.Fatalf("raised %d, %v", len(raised), err)
	}
	ros := d.signedIn(t, "ros.kerr")
	open := func(when string, reasons ...string) {
		t.Helper()
		_, page := ros.post("/hits", "reason", "late shift")
		for _, a := range alarms {
			if reason := a.Hit.Entry.Reason; strings.Contains(page, reason) != slices.Contains(reasons, reason) {
				t.Errorf("%s: among the hits that nobody has dealt with, %q: %t", when, reason, strings.Contains(page, reason))
			}
		}
	}
	more := nrd.OfficerEvent{Action: nrd.OfficersAlerted, At: now, Role: nrd.RoleUnit, Record: key, VRM: "AB12CDE", Lists: []string{"national", "burglars"}, Told: []nrd.Hit{live, both}}
	d.told(t, more)
	open("a live gateway knows of more", "Wanted for burglary", "Named in a murder", "No insurance", "Added at headquarters", "Report only", "Stolen this morning", "Known to both")
	back := nrd.OfficerEvent{Action: nrd.OfficersWithdrawn, At: now, Role: nrd.RoleUnit, Record: key, VRM: "AB12CDE", Lists: []string{"national"}, Told: []nrd.Hit{first}}
	d.told(t, back)
	open("the gateway takes one of two entries back", "Named in a murder", "No insurance", "Added at headquarters", "Report only", "Stolen this morning", "Known to both")
	d.acted(t, key, nrd.DispositionStopped) // of the list national
	open("an officer deals with what else the list has", "No insurance", "Added at headquarters", "Report only", "Known to both")
	back.Lists, back.Told = []string{"local", "burglars"}, nil
	d.told(t, back)
	open("a unit takes lists back and says no entries", "Added at headquarters", "Report only")
}

func TestNoFloodOfNewerHitsHidesAMoreUrgentOne(t *testing.T) {
	d := newDesk(t)
	high := hit("national", nrd.PriorityHigh, time.Hour, d.clock.Now())
	high.Entry.Reason = "Wanted for murder"
	d.alarmed(t, "AA11AAA", high, store.FoundByUnit, false)
	key := d.record(t, sighting{vrm: "BB22BBB", camera: "A1"})
	flood := make([]store.HitAlarm, store.MaxLimit+1)
	for i := range flood {
		low := hit("untaxed", nrd.PriorityLow, time.Hour, d.clock.Now())
		low.Entry.Reference = fmt.Sprint(i)
		flood[i] = store.HitAlarm{Record: key, VRM: "BB22BBB", Captured: d.clock.Now(), Raised: d.clock.Now(), By: store.FoundByUnit, Hit: low}
	}
	if raised, err := d.Store.RaiseHits(t.Context(), flood); err != nil || len(raised) != len(flood) {
		t.Fatalf("raised %d, %v", len(raised), err)
	}
	status, page := d.signedIn(t, "ros.kerr").post("/hits", "reason", "late shift")
	wants(t, "the hits", status, 200, page, "Wanted for murder", "most urgent hits", "There are more")
}
