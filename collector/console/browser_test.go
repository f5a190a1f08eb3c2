package console

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"nrd"
	"nrd/collector/store"
)

// screenshots names the environment variable with the folder that pictures of
// every page go to, light and dark, for a person to look at.
const screenshots = "NRD_SCREENSHOTS"

// patience is how long a page may take in a browser on a busy machine.
const patience = 60 * time.Second

// chromium is a real browser with one page open.
type chromium struct {
	t       *testing.T
	desk    *desk
	ctx     context.Context
	console func() []string
}

func (d *desk) chromium(t *testing.T) *chromium {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Fatal("these tests need the browser Chromium: apt-get install chromium, or make deps-test")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	limited, cancel := context.WithTimeout(ctx, 3*patience)
	t.Cleanup(func() {
		cancel()
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("the browser did not end: %v", err)
		}
		stop()
		stopAllocator()
	})
	c := &chromium{t: t, desk: d, ctx: limited}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1440, 900)); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	c.listen()
	return c
}

// listen gathers what the page complains of: errors of the script and anything
// that the Content-Security-Policy stopped.
func (c *chromium) listen() {
	messages := chromedp.Console(c.ctx)
	said, done := []string{}, make(chan struct{})
	ctx, cancel := context.WithCancel(c.ctx)
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil || ctx.Err() != nil {
				return
			}
			said = append(said, m.String())
			if strings.Contains(m.Text, "the test is over") {
				return
			}
		}
	}()
	c.console = func() []string {
		defer cancel()
		c.do(chromedp.Steps(c.evaluate(`console.log("the test is over")`)))
		<-done
		return said[:len(said)-1]
	}
}

func (c *chromium) evaluate(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[any](script+"; null")(ctx, t)
		return err
	})
}

func (c *chromium) do(steps ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		c.t.Fatalf("%v\nthe page is %s", err, c.text())
	}
}

// text gives what a person reads on the page.
func (c *chromium) text() string {
	text, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// see waits until a condition in JavaScript holds. A page that changes under the
// question is asked again.
func (c *chromium) see(what, condition string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	for {
		seen, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(() => { try { return Boolean(`+condition+`); } catch { return false; } })()`))
		switch {
		case seen:
			return
		case ctx.Err() != nil:
			c.t.Fatalf("%s is not seen: %v\nthe page is %s", what, err, c.text())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (c *chromium) open(path string) {
	c.t.Helper()
	c.do(chromedp.Navigate(c.desk.server.URL + path))
}

func (c *chromium) signIn(name string) {
	c.t.Helper()
	c.desk.add(c.t, name)
	c.open("/")
	c.do(
		chromedp.SendKeys(chromedp.CSS("input[name=name]"), name),
		chromedp.SendKeys(chromedp.CSS("input[name=password]"), password+"\r"),
	)
	c.see("the first page", `document.querySelector("header.bar") !== null`)
}

// colours switches between light and dark, as the system's settings do.
func (c *chromium) colours(scheme string) {
	c.t.Helper()
	_, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// picture keeps the page as it looks, light, dark and on a small screen, where a
// folder is named for it.
func (c *chromium) picture(name string) {
	c.t.Helper()
	dir := os.Getenv(screenshots)
	if dir == "" {
		return
	}
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1440, 900}, {"dark", "dark", 1440, 900}, {"small", "light", 420, 900}} {
		c.colours(look.scheme)
		c.do(chromedp.EmulateViewport(look.width, look.height), chromedp.Sleep(700*time.Millisecond))
		png, err := chromedp.Run(c.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.png", name, look.name)), png, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	c.do(chromedp.EmulateViewport(1440, 900))
	c.colours("light")
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
	c.picture("sign-in")
	c.signIn("ros.kerr")
	c.see("the live link", `document.querySelector("[data-link]").textContent === "live"`)

	began := time.Now()
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1 northbound lane 2", direction: nrd.DirectionAway, hits: []nrd.Hit{hit("national", nrd.PriorityHigh, 3*time.Hour, d.clock.Now())}})
	first := `document.querySelector("[data-records]").firstElementChild`
	c.see("the record", first+`.querySelector(".marks").textContent === "AB12 CDE"`)
	t.Logf("the record was on the page %s after it was stored", time.Since(began).Round(time.Millisecond))
	c.see("its hit, in words", first+`.innerText.includes("HIGH") && `+first+`.innerText.includes("WE") && `+first+`.innerText.includes("Stolen in a burglary")`)
	c.see("its hit among the hits", `document.querySelector("[data-hits]").firstElementChild.innerText.includes("AB12")`)
	c.see("that its pictures have not come", first+`.querySelectorAll(".slot img").length === 0`)
	d.picture(t, key, nrd.ImagePatch)
	d.picture(t, key, nrd.ImageOverview)
	c.see("its two pictures", `[...`+first+`.querySelectorAll(".slot img")].filter((i) => i.complete && i.naturalWidth > 0).length === 2`)
	d.acted(t, key, nrd.DispositionStopped)
	c.see("what officers did, in both places", `[...document.querySelectorAll("[data-outcome]")].filter((o) => o.innerText === "stopped by 4417").length === 2`)
	c.picture("live")

	c.do(chromedp.Click(chromedp.CSS("[data-hold]")))
	d.record(t, sighting{vrm: "XY99ZZZ", camera: "A1 northbound lane 2"})
	c.see("the held page", `document.querySelector("[data-hold]").textContent === "Go on (1)" && `+first+`.innerText.includes("AB12")`)
	c.do(chromedp.Click(chromedp.CSS("[data-hold]")))
	c.see("the page going on", first+`.innerText.includes("XY99")`)

	c.do(chromedp.Click(chromedp.CSS(`[data-records] [data-hit] .plate-link`)))
	c.see("the record's page", `document.body.innerText.includes("Opened for: live monitoring")`)
	c.see("what officers did", `document.querySelector("#officers").closest("section").innerText.includes("2026/11/23-0417")`)
	c.see("its pictures", `[...document.querySelectorAll("figure img")].filter((i) => i.complete && i.naturalWidth > 0).length === 2`)
	c.picture("record")
	if said := c.console(); len(said) > 0 {
		t.Errorf("the browser complains:\n%s", strings.Join(said, "\n"))
	}
}

func TestInARealBrowserALostConnectionIsSaidAndCaughtUp(t *testing.T) {
	d := newDesk(t)
	c := d.chromium(t)
	c.signIn("ros.kerr")
	c.see("the live link", `document.querySelector("[data-link]").textContent === "live"`)
	d.server.CloseClientConnections()
	d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
	c.see("the record that came meanwhile", `document.querySelectorAll("[data-records] .card").length === 1`)
	c.see("the live link again", `document.querySelector("[data-link]").textContent === "live"`)
}

func TestInARealBrowserASearchNeedsItsReasonAndFinds(t *testing.T) {
	d := newDesk(t)
	d.traffic(t)
	c := d.chromium(t)
	c.signIn("jane.doe")
	c.open("/search")
	c.do(chromedp.SendKeys(chromedp.CSS("input[name=vrm]"), "bd51*\r"))
	c.see("the refusal", `document.body.innerText.includes("a reason is needed") && !document.body.innerText.includes("BD51 SMR")`)
	c.picture("search-refused")
	c.do(
		c.evaluate(`document.querySelector("input[name=vrm]").value = ""`),
		chromedp.SendKeys(chromedp.CSS("input[name=reason]"), "incident 1234, stolen vehicle\r"),
	)
	c.see("the results", `document.querySelectorAll("tbody tr").length === 6 && document.body.innerText.includes("BD51 SMR")`)
	c.picture("search")
	if said := c.console(); len(said) > 1 || len(said) == 1 && !strings.Contains(said[0], "422") {
		t.Errorf("the browser complains:\n%s", strings.Join(said, "\n"))
	}
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
		for _, scheme := range []string{"light", "dark"} {
			c.colours(scheme)
			c.readable(path + " " + scheme)
		}
		c.picture(strings.Trim(strings.Split(path, "?")[0], "/"))
	}
	c.do(chromedp.Evaluate[chromedp.Void](`document.querySelector("form[action='/sign-out'] button").click()`))
	c.see("the door", `document.querySelector("input[name=password]") !== null`)
	c.signIn("jane.doe")
	key := fmt.Sprintf("roadside-0001/%016x/4", 0x5eed)
	for _, path := range []string{"/live", "/search", "/record/" + key + "?for=0"} {
		c.open(path)
		for _, scheme := range []string{"light", "dark"} {
			c.colours(scheme)
			c.readable(path + " " + scheme)
		}
	}
}

// readable measures the contrast of every text on the page against what is
// behind it; 4.5 to 1 is what WCAG AA asks for.
func (c *chromium) readable(page string) {
	c.t.Helper()
	faint, err := chromedp.Run(c.ctx, chromedp.Evaluate[[]string](contrastScript))
	if err != nil {
		c.t.Fatal(err)
	}
	for _, f := range faint {
		c.t.Errorf("%s: %s", page, f)
	}
}

const contrastScript = `(() => {
  const parts = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const clear = (colour) => colour === "transparent" || (parts(colour).length === 4 && parts(colour)[3] === 0);
  const luminance = (colour) => {
    const [r, g, b] = parts(colour).slice(0, 3).map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      if (getComputedStyle(e).backgroundImage !== "none") return null;
      if (!clear(getComputedStyle(e).backgroundColor)) return getComputedStyle(e).backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    const ground = text && element.checkVisibility() && behind(element);
    if (!ground) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground)].sort((x, y) => y - x);
    const ratio = (a + .05) / (b + .05);
    if (ratio < 4.5) faint.push(ratio.toFixed(2) + " to 1 for \"" + text.slice(0, 40) + "\" in " + element.tagName + "." + element.className);
  }
  return faint;
})()`
