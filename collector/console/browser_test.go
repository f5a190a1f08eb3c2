package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/browser"
)

// chromium is a real browser with one page open.
type chromium struct {
	*browser.Page

	desk *desk
}

func (d *desk) chromium(t *testing.T) *chromium {
	t.Helper()
	return &chromium{browser.Open(t, 1440, 900, chromedp.IgnoreCertErrors), d}
}

func (c *chromium) open(path string) {
	c.Helper()
	c.Do(chromedp.Navigate(c.desk.server.URL + path))
}

func (c *chromium) signIn(name string) {
	c.Helper()
	c.desk.add(c.TB, name)
	c.open("/")
	c.Do(
		chromedp.SendKeys(chromedp.CSS("input[name=name]"), name),
		chromedp.SendKeys(chromedp.CSS("input[name=password]"), password+"\r"),
	)
	c.See("the first page", `document.querySelector("header.bar") !== null`)
}

// traffic is what a minute on the road brings.
func (d *desk) traffic(t *testing.T) {
	t.Helper()
	now := d.clock.Now()
	stale := hit("national", nrd.PriorityMedium, 27*time.Hour, now)
	stale.Entry.Reason, stale.Entry.Action, stale.Entry.Markers, stale.Entry.Make, stale.Entry.Model, stale.Entry.Colour = "No insurance, disqualified driver", "Stop and check", nil, "VAUXHALL", "CORSA", "RED"
	intelligence := hit("local-intel", nrd.PriorityNone, 4*time.Hour, now)
	intelligence.Entry.Reason, intelligence.Entry.Action, intelligence.Entry.Information, intelligence.Entry.Markers = "Report sightings only", "", "", nil
	low := hit("local-tax", nrd.PriorityLow, 10*time.Hour, now)
	low.Entry.Reason, low.Entry.Action, low.Entry.Information, low.Entry.Markers = "Untaxed", "Report", "", nil
	vehicles := []sighting{
		{vrm: "KP63RMY", camera: "A1 northbound lane 1", direction: nrd.DirectionTowards},
		{vrm: "M456XYZ", camera: "A1 northbound lane 2", direction: nrd.DirectionAway, hits: []nrd.Hit{low}},
		{vrm: "YG17WTD", camera: "A1 northbound lane 1", direction: nrd.DirectionAway, change: func(r *nrd.Record) {
			r.Read.Repaired, r.Read.Raw, r.Read.Confidence = true, "YGI7WTD", 74
		}},
		{vrm: "BD51SMR", camera: "A1 northbound lane 2", direction: nrd.DirectionTowards, hits: []nrd.Hit{stale}},
		{vrm: "LAZ4421", camera: "A1 northbound lane 1", direction: nrd.DirectionAway, change: func(r *nrd.Record) {
			r.Captured.Proved, r.Captured.Source, r.Fix = false, nrd.ClockUnknown, nrd.Fix{}
		}},
		{vrm: "EO72KFV", camera: "A1 northbound lane 1", direction: nrd.DirectionTowards, hits: []nrd.Hit{intelligence}},
	}
	for _, v := range vehicles {
		key := d.record(t, v)
		d.picture(t, key, nrd.ImagePatch)
		d.picture(t, key, nrd.ImageOverview)
		d.clock.Advance(7 * time.Second)
	}
}

func TestInARealBrowserARecordAppearsLiveAndItsPicturesFollow(t *testing.T) {
	d := newDesk(t)
	d.traffic(t)
	c := d.chromium(t)
	c.open("/")
	c.Picture("sign-in")
	c.signIn("ros.kerr")
	c.See("the live link", `document.querySelector("[data-link]").textContent === "live"`)

	began := time.Now()
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1 northbound lane 2", direction: nrd.DirectionAway, hits: []nrd.Hit{hit("national", nrd.PriorityHigh, 3*time.Hour, d.clock.Now())}})
	first := `document.querySelector("[data-records]").firstElementChild`
	c.See("the record", first+`.querySelector(".marks").textContent === "AB12 CDE"`)
	t.Logf("the record was on the page %s after it was stored", time.Since(began).Round(time.Millisecond))
	c.See("its hit, in words", first+`.innerText.includes("HIGH") && `+first+`.innerText.includes("WE") && `+first+`.innerText.includes("Stolen in a burglary")`)
	c.See("its hit among the hits", `document.querySelector("[data-hits]").firstElementChild.innerText.includes("AB12")`)
	c.See("that its pictures have not come", first+`.querySelectorAll(".slot img").length === 0`)
	d.picture(t, key, nrd.ImagePatch)
	d.picture(t, key, nrd.ImageOverview)
	c.See("its two pictures", `[...`+first+`.querySelectorAll(".slot img")].filter((i) => i.complete && i.naturalWidth > 0).length === 2`)
	d.acted(t, key, nrd.DispositionStopped)
	c.See("what officers did, in both places", `[...document.querySelectorAll("[data-outcome]")].filter((o) => o.innerText === "stopped by 4417").length === 2`)
	c.Picture("live")

	c.Do(chromedp.Click(chromedp.CSS("[data-hold]")))
	d.record(t, sighting{vrm: "XY99ZZZ", camera: "A1 northbound lane 2"})
	c.See("the held page", `document.querySelector("[data-hold]").textContent === "Go on (1)" && `+first+`.innerText.includes("AB12")`)
	c.Do(chromedp.Click(chromedp.CSS("[data-hold]")))
	c.See("the page going on", first+`.innerText.includes("XY99")`)

	c.Do(chromedp.Click(chromedp.CSS(`[data-records] [data-hit] .plate-link`)))
	c.See("the record's page", `document.body.innerText.includes("Opened for: live monitoring")`)
	c.See("what officers did", `document.querySelector("#officers").closest("section").innerText.includes("2026/11/23-0417")`)
	c.See("its pictures", `[...document.querySelectorAll("figure img")].filter((i) => i.complete && i.naturalWidth > 0).length === 2`)
	c.Picture("record")
	c.NoComplaints()
}

func TestInARealBrowserALostConnectionIsSaidAndCaughtUp(t *testing.T) {
	d := newDesk(t)
	c := d.chromium(t)
	c.signIn("ros.kerr")
	c.See("the live link", `document.querySelector("[data-link]").textContent === "live"`)
	d.server.CloseClientConnections()
	d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
	c.See("the record that came meanwhile", `document.querySelectorAll("[data-records] .card").length === 1`)
	c.See("the live link again", `document.querySelector("[data-link]").textContent === "live"`)
}

func TestInARealBrowserASearchNeedsItsReasonAndFinds(t *testing.T) {
	d := newDesk(t)
	d.traffic(t)
	c := d.chromium(t)
	c.signIn("jane.doe")
	c.open("/search")
	c.Do(chromedp.SendKeys(chromedp.CSS("input[name=vrm]"), "bd51*\r"))
	c.See("the refusal", `document.body.innerText.includes("a reason is needed") && !document.body.innerText.includes("BD51 SMR")`)
	c.Picture("search-refused")
	c.Do(
		browser.Script(`document.querySelector("input[name=vrm]").value = ""`),
		chromedp.SendKeys(chromedp.CSS("input[name=reason]"), "incident 1234, stolen vehicle\r"),
	)
	c.See("the results", `document.querySelectorAll("tbody tr").length === 6 && document.body.innerText.includes("BD51 SMR")`)
	c.Accessible("search")
	c.Picture("search")
	c.NoComplaints("422")
}

func TestInARealBrowserLightAndDarkAreReadable(t *testing.T) {
	d := newDesk(t)
	d.traffic(t)
	now := d.clock.Now()
	for i, name := range []string{"roadside-0001", "roadside-0002", "car-7"} {
		status := &nrd.Status{
			Device: name, At: now, Software: "1.0", Started: now.Add(-50 * time.Hour), Frames: 4_500_000, Passages: 20_144, Reads: 19_822, Hits: 31, Waiting: 40 * i,
			OldestWaiting: now.Add(-time.Hour), DiskFree: 21e9, Clock: nrd.Stamp{UTC: now, Proved: i < 2, Source: nrd.ClockNTP}, Fix: nrd.Fix{Source: nrd.FixStatic, Latitude: 51.5, Longitude: -0.12},
			Lists: []nrd.ListVersion{{List: "national", Version: 412, Issued: now.Add(-time.Duration(2+12*i) * time.Hour), Entries: 1_021_334}},
		}
		if i == 2 {
			status.Dropped, status.Problems = map[string]uint64{"image": 12}, []string{"No position: the receiver has been silent for 4 min."}
		}
		device := store.Device{Name: name, Approved: now, ApprovedBy: "ACC Stone", Reference: "DPIA 2026/7", Review: now.AddDate(1, 0, 0), LastSeen: now.Add(-time.Duration(i*4) * time.Minute), Status: status}
		if err := d.Store.ChangeDevice(t.Context(), name, func(held *store.Device) error { *held = device; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	c := d.chromium(t)
	c.signIn("al.dunn")
	for _, path := range []string{"/devices", "/log?check=1"} {
		c.open(path)
		c.Accessible(path)
		c.Picture(strings.Trim(strings.Split(path, "?")[0], "/"))
	}
	c.Do(browser.Script(`document.querySelector("form[action='/sign-out'] button").click()`))
	c.See("the door", `document.querySelector("input[name=password]") !== null`)
	c.signIn("jane.doe")
	key := fmt.Sprintf("roadside-0001/%016x/4", 0x5eed)
	for _, path := range []string{"/live", "/search", "/record/" + key + "?for=0"} {
		c.open(path)
		c.Accessible(path)
	}
}
