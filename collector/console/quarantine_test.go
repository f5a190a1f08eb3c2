package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
)

// setAside puts a record in quarantine whose unit did not know the time.
func (d *desk) setAside(t *testing.T, sequence uint64, afterBoot time.Duration) nrd.Key {
	t.Helper()
	r := storetest.Record("car-7", sequence, "QU11TES", d.clock.Now())
	r.Captured = nrd.Stamp{UTC: time.Unix(600, 0).UTC(), Source: nrd.ClockUnknown, BootID: "b007", Monotonic: afterBoot}
	item := storetest.Items(storetest.Hit(r), d.clock.Now())[0]
	item.Quarantine = "the unit's clock was not proved"
	results, err := d.Store.Insert(t.Context(), []store.Item{item})
	if err != nil || results[0].Outcome != store.Quarantined {
		t.Fatalf("%+v, %v", results, err)
	}
	return r.Key
}

func TestAQuarantinedRecordIsReleasedWithATimeAndAReason(t *testing.T) {
	d := newDesk(t)
	first, second := d.setAside(t, 1, time.Hour), d.setAside(t, 2, time.Hour+10*time.Minute)
	b := d.signedIn(t, "jane.doe")
	_, page := b.get("/quarantine")
	if !strings.Contains(page, first.String()) || !strings.Contains(page, "1h0m0s after boot b007") || !strings.Contains(page, "clock was not proved") || !strings.Contains(page, "High") {
		t.Fatalf("the page shows %s", page)
	}
	if strings.Contains(page, "QU11") {
		t.Error("the page shows the mark, which nobody needs to judge a time")
	}
	for what, fields := range map[string][]string{
		"a reason is needed": {"key", first.String(), "time", "2026-11-23T12:00:00", "reason", " "},
		"time is missing":    {"key", first.String(), "time", "", "reason", "incident 7"},
		"in the future":      {"key", first.String(), "time", "2026-11-25T12:00:00", "reason", "incident 7"},
		"before 2020":        {"key", first.String(), "time", "1999-11-25T12:00:00", "reason", "incident 7"},
	} {
		if status, page := b.post("/quarantine", fields...); status != http.StatusUnprocessableEntity || !strings.Contains(page, what) || !strings.Contains(page, first.String()) {
			t.Errorf("%s: %d %s", what, status, page)
		}
	}
	if status, _ := b.post("/quarantine", "key", "car-7/0000000000000001/77", "time", "2026-11-23T12:00:00", "reason", "incident 7"); status != http.StatusNotFound {
		t.Errorf("an unknown key: %d", status)
	}
	status, page := b.post("/quarantine", "key", first.String(), "time", "2026-11-23T12:00:00", "reason", "seen on CCTV, incident 7", "whole", "on")
	if status != http.StatusOK || !strings.Contains(page, "2 records have left quarantine") || !strings.Contains(page, "Nothing is in quarantine") {
		t.Fatalf("%d %s", status, page)
	}
	var line store.Access
	lines, err := d.Store.AccessLog(t.Context(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if l.Action == "quarantine release" {
			line = l
		}
	}
	if line.Account != "jane.doe" || line.Reason != "seen on CCTV, incident 7" || line.Subject != first.String()+" as of 2026-11-23T12:00:00Z, and all of that start of the unit" {
		t.Errorf("the log has %+v", line)
	}
	for key, want := range map[nrd.Key]string{first: "2026-11-23 12:00:00", second: "2026-11-23 12:10:00"} {
		_, page = b.post("/record/"+key.String(), "reason", "incident 7")
		for _, part := range []string{want, "corrected", "a person: jane.doe, “seen on CCTV, incident 7”", "1970-01-01", "it was in quarantine until then: the unit&#39;s clock was not proved"} {
			if !strings.Contains(page, part) {
				t.Errorf("%s does not show %q:\n%s", key, part, page)
			}
		}
	}
	_, page = b.post("/search", "from", "2026-11-23T11:59", "to", "2026-11-23T12:01", "reason", "incident 7")
	if !strings.Contains(page, "1 record<") || !strings.Contains(page, "time corrected") {
		t.Errorf("the search shows %s", page)
	}
}

func TestOnlyTheManagerReleases(t *testing.T) {
	d := newDesk(t)
	key := d.setAside(t, 1, time.Hour)
	for name, may := range map[string]int{"ros.kerr": http.StatusOK, "sam.hill": http.StatusForbidden, "ivy.tan": http.StatusForbidden} {
		b := d.signedIn(t, name)
		status, page := b.get("/quarantine")
		if status != may || strings.Contains(page, `name="whole"`) {
			t.Errorf("%s looks: %d", name, status)
		}
		if status, _ := b.post("/quarantine", "key", key.String(), "time", "2026-11-23T12:00:00", "reason", "incident 7"); status != http.StatusForbidden {
			t.Errorf("%s releases: %d", name, status)
		}
	}
	if n, err := d.Store.Totals(t.Context()); err != nil || n.Quarantined != 1 {
		t.Errorf("the store holds %+v, %v", n, err)
	}
}

func TestTheHealthPageShowsAlarmsFirstInWordsAndColours(t *testing.T) {
	d := newDesk(t)
	degrees := 61.5
	for name, status := range map[string]nrd.Status{
		"a-well": {Software: "1.2", Clock: nrd.Stamp{Source: nrd.ClockGPS, Proved: true, ClockError: 3 * time.Millisecond}, FramesPerMinute: 590, ReadsPerMinute: 12, DiskFree: 5e9},
		"b-ill":  {Software: "1.1", Waiting: 900, At: d.clock.Now(), OldestWaiting: d.clock.Now().Add(-40 * time.Minute), Temperature: &degrees, Dropped: map[string]uint64{"record": 4}},
	} {
		if err := d.Store.ChangeDevice(t.Context(), name, func(v *store.Device) error { v.Approved = d.clock.Now(); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := d.Store.Seen(t.Context(), store.Heard{Device: name, At: d.clock.Now(), Status: &status}); err != nil {
			t.Fatal(err)
		}
	}
	raised := store.Alarm{Device: "b-ill", Kind: "backlog", Raised: d.clock.Now(), Text: "900 records wait on it"}
	if _, err := d.Store.RaiseAlarm(t.Context(), raised); err != nil {
		t.Fatal(err)
	}
	b := d.signedIn(t, "ivy.tan")
	_, page := b.get("/health")
	for _, want := range []string{
		"1 alarm<", "b-ill, backlog: 900 records wait on it", `<span class="state bad">alarm</span>`, `<span class="state good">well</span>`,
		"oldest 40 min", "record 4", "62 °C", "gps</span> 3ms", "unproved", "590", "12.0",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	if strings.Index(page, `scope="row">b-ill`) > strings.Index(page, `scope="row">a-well`) {
		t.Error("the device with the alarm does not come first")
	}
	if _, err := d.Store.ClearAlarm(t.Context(), "b-ill", "backlog", d.clock.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, page = b.get("/health"); !strings.Contains(page, "No alarm") || !strings.Contains(page, "Alarms that are over") {
		t.Errorf("afterwards it shows %s", page)
	}
}
