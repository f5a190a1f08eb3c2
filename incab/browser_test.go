package incab

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"nrd"
)

// screenshots names the environment variable with the folder that pictures of the
// page go to, for a person to look at.
const screenshots = "NRD_SCREENSHOTS"

// patience is how long a page may take in a browser on a busy machine.
const patience = 30 * time.Second

// chromium is a real browser with one page open.
type chromium struct {
	t   *testing.T
	cab *cab
	ctx context.Context
}

// chromium opens a browser that takes every certificate.
func (c *cab) chromium() *chromium {
	c.t.Helper()
	return c.open(chromedp.IgnoreCertErrors)
}

// open opens a browser.
func (c *cab) open(as ...chromedp.ExecAllocatorOption) *chromium {
	c.t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		c.t.Fatal("these tests need the browser Chromium: apt-get install chromium, or make deps-test")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(c.t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("mute-audio", true),
		chromedp.Flag("autoplay-policy", "document-user-activation-required"),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), append(options, as...)...)
	ctx, stop := chromedp.NewContext(allocator)
	limited, cancel := context.WithTimeout(ctx, 5*patience)
	c.t.Cleanup(func() {
		cancel()
		if err := chromedp.Cancel(ctx); err != nil {
			c.t.Errorf("the browser did not end: %v", err)
		}
		stop()
		stopAllocator()
	})
	b := &chromium{t: c.t, cab: c, ctx: limited}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800)); err != nil {
		c.t.Fatalf("the browser does not start: %v", err)
	}
	return b
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
	text, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`document.body.dataset.state + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// see waits until a condition in JavaScript holds, and says how long that was.
func (c *chromium) see(what, condition string) time.Duration {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	start := time.Now()
	for {
		seen, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(() => { try { return Boolean(`+condition+`); } catch { return false; } })()`))
		switch {
		case seen:
			return time.Since(start)
		case ctx.Err() != nil:
			c.t.Fatalf("%s is not seen: %v\nthe page is %s", what, err, c.text())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stays wants no other state of the page for longer than it takes to connect anew.
func (c *chromium) stays(state string) {
	c.t.Helper()
	c.do(
		chromedp.Evaluate[chromedp.Void](`window.others = 0; new MutationObserver(() => { if (document.body.dataset.state !== "`+state+`") window.others++; }).observe(document.body, { attributes: true })`),
		chromedp.Sleep(4*time.Second),
	)
	c.see("that nothing else was shown", `window.others === 0 && document.body.dataset.state === "`+state+`"`)
}

// pair pairs this browser as a person does.
func (c *chromium) pair(seat string) {
	c.t.Helper()
	i, err := c.cab.Pair(seat)
	must(c.t, err)
	c.do(chromedp.Navigate(i.Address), chromedp.SendKeys(chromedp.CSS("#code"), i.Code+"\r"))
	c.see("the sign-on", `document.querySelector(".sign-on").checkVisibility()`)
}

func (c *chromium) signOn(collar string) {
	c.t.Helper()
	c.do(
		chromedp.SendKeys(chromedp.CSS("#collar"), collar), chromedp.SendKeys(chromedp.CSS("#authoriser"), "Insp Grey"),
		chromedp.SendKeys(chromedp.CSS("#reference"), "2026/11/23-0417"), chromedp.Click(chromedp.CSS(".sign-on .main")),
	)
	c.see("the duty", `document.body.dataset.state === "duty" && document.querySelector(".officer").innerText.includes("`+collar+`")`)
}

// answerable waits until what is in front has been there for long enough.
func (c *chromium) answerable() {
	c.t.Helper()
	c.see("a hit that can be answered", `answered() !== null`)
}

func (c *chromium) scheme(scheme string) {
	c.t.Helper()
	if _, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		c.t.Fatal(err)
	}
}

// picture keeps the page as it looks, by day and by night, where a folder is named
// for it.
func (c *chromium) picture(name string) {
	c.t.Helper()
	dir := os.Getenv(screenshots)
	if dir == "" {
		return
	}
	for scheme, look := range map[string]string{"light": "day", "dark": "night"} {
		c.scheme(scheme)
		c.do(chromedp.Sleep(100 * time.Millisecond))
		png, err := chromedp.Run(c.ctx, chromedp.CaptureScreenshot())
		must(c.t, err)
		must(c.t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%s.png", name, look)), png, 0o600))
	}
	c.scheme("light")
}

// drawn is a picture in one colour.
func drawn(t *testing.T, w, h int, of color.Color) nrd.Image {
	t.Helper()
	var b strings.Builder
	picture := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		picture.Set(i%w, i/w, of)
	}
	must(t, jpeg.Encode(&b, picture, nil))
	return nrd.Image{JPEG: []byte(b.String()), Width: w, Height: h}
}

// accessible runs axe and fails for what it finds. Where the whole is tested it is
// there.
func (c *chromium) accessible(page string) {
	c.t.Helper()
	script, err := os.ReadFile("../build/axe/axe.min.js")
	if err != nil {
		if os.Getenv("CI") != "" {
			c.t.Fatalf("%s cannot be checked by axe: make axe fetches it: %v", page, err)
		}
		c.t.Logf("%s was not checked by axe: make axe fetches it", page)
		return
	}
	_, err = chromedp.Run(c.ctx, chromedp.Evaluate[any](string(script)+"; null"))
	must(c.t, err)
	for _, scheme := range []string{"light", "dark"} {
		c.scheme(scheme)
		c.do(chromedp.Evaluate[chromedp.Void](`window.found = null; axe.run().then((r) => { window.found = r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120) + " " + n.failureSummary).join(" | ")); })`))
		c.see("axe's answer", `window.found !== null`)
		found, err := chromedp.Run(c.ctx, chromedp.Evaluate[[]string](`window.found`))
		must(c.t, err)
		for _, f := range found {
			c.t.Errorf("%s, %s: %s", page, scheme, f)
		}
	}
	c.scheme("light")
}

func TestInARealBrowserAnObserverSignsOnIsToldAHitAndDealsWithIt(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.do(chromedp.Navigate(c.url))
	b.accessible("pairing")
	b.picture("pairing")
	b.pair("observer")
	b.accessible("sign-on")
	b.picture("sign-on")
	b.signOn("1234")
	b.see("sound that can be heard", `sound.plays() && !document.querySelector(".unmute").checkVisibility()`)
	b.see("a heartbeat", `document.querySelector(".beat").dataset.at !== undefined`)

	c.Recorded(c.record("LO22WWW", hit("LO22WWW", nrd.PriorityLow, func(h *nrd.Hit) { h.Entry.Markers = nil })))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityMedium, func(h *nrd.Hit) { h.Freshness, h.ListAge = nrd.Amber, 27*time.Hour })))
	rec := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh))
	rec.Patch, rec.Overview = drawn(t, 120, 60, color.Gray{200}), drawn(t, 640, 360, color.RGBA{60, 80, 110, 255})
	c.Recorded(rec)
	took := b.see("the hit", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	t.Logf("the hit was on the page %s after it was recorded", took.Round(time.Millisecond))
	b.see("markers before the rest", `document.querySelector(".current .entry").firstElementChild.innerText.includes("WE")`)
	b.see("its sound", `document.querySelector(".sounds").dataset.last !== undefined`)
	b.see("both pictures", `[...document.querySelectorAll(".pictures img")].filter((i) => i.naturalWidth > 0).length === 2`)
	b.see("targets of 15 mm", `[...document.querySelectorAll("button")].filter((e) => e.checkVisibility()).every((e) => e.offsetHeight >= 94 && e.offsetWidth >= 94)`)
	b.see("nothing cut off", `(() => { const c = document.querySelector(".current"); return c.scrollHeight <= c.clientHeight + 1 && c.scrollWidth <= c.clientWidth + 1; })()`)
	b.see("nothing wider than the tablet", `document.documentElement.scrollWidth <= innerWidth`)
	b.accessible("hit")
	b.picture("observer")
	if file := os.Getenv("NRD_INCAB_PICTURE"); file != "" {
		b.scheme("dark")
		b.do(chromedp.Sleep(100 * time.Millisecond))
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		must(t, err)
		must(t, os.WriteFile(file, png, 0o644))
		b.scheme("light")
	}

	b.answerable()
	b.do(chromedp.Click(chromedp.CSS(".acknowledge")))
	b.see("who acknowledged", `document.querySelector(".current").innerText.includes("Acknowledged by 1234 (observer)") || document.querySelector(".queue").innerText.includes("acknowledged")`)
	b.do(chromedp.Click(chromedp.CSS(`[data-number="3"]`)), chromedp.Click(chromedp.CSS(`[data-disposition="stopped"]`)))
	b.see("the outcome", `document.querySelector(".current").innerText.includes("Outcome: stopped, by 1234")`)
	if e := c.events(); e[len(e)-1].Disposition != nrd.DispositionStopped || e[len(e)-1].VRM != "AB12CDE" {
		t.Errorf("told %+v", e)
	}

	c.lookup = map[nrd.VRM][]nrd.Hit{"KK11KKK": {hit("KK11KKK", nrd.PriorityMedium)}}
	b.do(chromedp.Click(chromedp.CSS(".open-check")), chromedp.SendKeys(chromedp.CSS("#vrm"), "kk11 kkk"), chromedp.SendKeys(chromedp.CSS("#reason"), "at the scene\r"))
	b.see("the check's answer", `document.querySelector(".result").innerText.includes("is of interest")`)
	b.accessible("check")
	b.picture("check")
	b.do(chromedp.Click(chromedp.CSS(".close")))

	b.see("a finger on the queue", `(window.under = document.querySelector(".queue button:not([aria-current])")) !== null`)
	c.Recorded(c.record("NE41RLY", hit("NE4IRLY", nrd.PriorityHigh, func(h *nrd.Hit) { h.Match = nrd.MatchNear })))
	b.see("the near match", `document.querySelector(".current").innerText.includes("NEAR MATCH") && document.querySelector(".current").innerText.includes("NE4IRLY")`)
	b.see("the button that is under it", `window.under.isConnected`)
	b.accessible("near match")
	b.picture("near-match")
	repaired := c.record("SL18CLO", hit("SL18CLO", nrd.PriorityHigh))
	repaired.Read.Raw, repaired.Read.Repaired = "SLIBCLO", true
	c.Recorded(repaired)
	b.see("how a repaired read was read, and which characters differ", `document.querySelector(".current").innerText.includes("PUT RIGHT, read as SLIBCLO") && [...document.querySelectorAll(".current .say u")].map((u) => u.textContent).join("") === "IB"`)
	b.accessible("repaired read")
	b.picture("repaired")
	c.listsAre(90 * time.Hour)
	c.Recorded(c.record("ST11ALE", hit("ST11ALE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Freshness, h.ListAge = nrd.Stale, 90*time.Hour })))
	b.see("verify before stop, and the bar in red", `document.querySelector(".current").innerText.includes("VERIFY BEFORE STOP") && document.querySelector(".status .bad").innerText === "Lists 3 days old"`)
	b.accessible("stale list")
	b.picture("stale-list")
	c.listsAre(2 * time.Hour)
	b.see("a bar that is well again", `document.querySelectorAll(".status .good").length === 6`)
	c.Recorded(c.record("L0NGWWW", hit("L0NGWWW", nrd.PriorityHigh, func(h *nrd.Hit) {
		h.Entry.Make, h.Entry.Model, h.Entry.Colour = "MERCEDES-BENZ COMMERCIAL VEHICLES", "SPRINTER 316 CDI LWB HIGH ROOF", "METALLIC TURQUOISE AND WHITE"
	})))
	b.see("make, model and colour cut to one line", `(() => { const v = document.querySelector(".current .vehicle"), c = document.querySelector(".current"); return v.textContent === "METALLIC … MERCEDES-BE… SPRINTER 316 …" && v.offsetHeight < 2 * parseFloat(getComputedStyle(v).fontSize) && c.scrollWidth <= c.clientWidth + 1; })()`)
	live := c.record("LV11IVE", hit("LV11IVE", nrd.PriorityHigh))
	c.Recorded(live)
	c.Screen.Looked(live, []nrd.Hit{hit("LV11IVE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Live, h.ListAge = true, 0 })}, "force live", Telling{Times: 1})
	b.see("that it is live", `document.querySelector(".current .list").innerText.includes("national, LIVE")`)
	c.Screen.Looked(live, nil, "force live", Telling{})
	b.see("its withdrawal where the officer looks, and why", `document.querySelector(".current").innerText.includes("WITHDRAWN: no longer of interest, says force live") && document.querySelector(".acknowledge").ariaDisabled === "false"`)
	b.accessible("withdrawn")
	b.picture("withdrawn")
	two := c.record("PR77TLY", hit("PR77TLY", nrd.PriorityHigh), hit("PR77TLY", nrd.PriorityLow, func(h *nrd.Hit) {
		h.List.List, h.Entry.List, h.Entry.Reason, h.Entry.Markers = "local", "local", "Seen near a burglary", nil
	}))
	c.Recorded(two)
	b.see("both entries", `document.querySelectorAll(".current .entry").length === 2`)
	c.Screen.Looked(two, two.Hits[1:], "force live", Telling{Times: 1})
	// The queue is drawn anew with it: what was there before cannot be tapped any more.
	b.see("its sound", `view.alerts.find((a) => a.vrm === "PR77 TLY").sound === "notice"`)
	b.do(chromedp.Click(chromedp.CSS(`.queue [data-number="` + fmt.Sprint(c.next) + `"]`)))
	b.see("which entry is gone", `document.querySelector(".current .entry.gone").innerText.includes("WITHDRAWN: no longer of interest, says force live") && !document.querySelector(".current .entry").classList.contains("gone")`)
	b.see("its sign", `document.querySelector(".current .flags .partly") !== null`)
	b.accessible("partly withdrawn")
	b.picture("partly-withdrawn")
	c.hand.Advance(longestShift)
	b.see("the question after a long shift", `document.querySelector(".confirm").checkVisibility()`)
	b.accessible("confirm")
	b.picture("confirm")
	b.do(chromedp.Click(chromedp.CSS(".still-on")))
	b.see("that it is answered", `!document.querySelector(".confirm").checkVisibility()`)
	b.do(chromedp.Click(chromedp.CSS(".sign-off")))
	b.see("the sign-on again, without a hit", `document.querySelector(".sign-on").checkVisibility() && !document.body.innerText.includes("AB12")`)
}

func TestInARealBrowserADriverWhoMovesReadsNothing(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("driver")
	b.signOn("5678")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityMedium, func(h *nrd.Hit) { h.Match = nrd.MatchNear })))
	b.see("the details when standing", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.picture("driver-standing")
	c.drive(nrd.Fix{SpeedKnown: true, Speed: 13})
	b.see("symbols", `document.querySelectorAll(".glance .symbol").length === 2`)
	b.see("no text at all", `document.body.innerText.trim() === "" && document.querySelectorAll("img").length === 0`)
	b.see("nothing hidden either", `!document.body.textContent.includes("AB12") && !document.body.textContent.includes("burglary")`)
	b.accessible("driver moving")
	b.picture("driver-moving")
	b.do(chromedp.Evaluate[chromedp.Void](`void send("/acknowledge", { number: 1 }).then((done) => { window.refused = done === null; })`))
	b.see("no complaint in words", `window.refused && document.body.innerText.trim() === "" && document.querySelector(".problem").hidden`)
	b.do(chromedp.Reload())
	b.see("that sound is off, by its symbol", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.trim() === ""`)
	b.accessible("driver moving, without sound")
	b.picture("driver-mute")
	c.drive(nrd.Fix{SpeedKnown: true})
	b.see("the details again", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	c.drive(nrd.Fix{})
	b.see("symbols where the speed is not known", `document.body.innerText.trim() === "" && document.querySelectorAll(".glance .symbol").length === 2`)
	c.hangs()
	b.see("a symbol for the lost unit", `document.body.dataset.state === "lost" && document.body.innerText.trim() === "" && document.querySelector(".lost svg").checkVisibility()`)
	b.stays("lost")
	b.picture("driver-lost")
}

func TestInARealBrowserALostUnitShowsWithinThreeSeconds(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	b.see("the hit", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.see("its sound", `document.querySelector(".sounds").dataset.last === "high"`)
	// The page's own clock says how long after the last heartbeat it gave up.
	b.do(chromedp.Evaluate[chromedp.Void](`new MutationObserver(() => { if (document.body.dataset.state === "lost") window.gaveUp ??= performance.now() - beaten; }).observe(document.body, { attributes: true })`))
	c.hangs()
	b.see("the loss", `document.body.dataset.state === "lost" && document.querySelector(".lost").innerText.includes("Lost contact with the unit")`)
	b.see("that it was within three seconds", `window.gaveUp < 3000`)
	b.see("its sound", `document.querySelector(".sounds").dataset.last === "lost"`)
	b.stays("lost")
	b.see("no hit and no life", `!document.body.innerText.includes("AB12") && getComputedStyle(document.querySelector(".beat")).visibility === "hidden"`)
	b.accessible("lost")
	b.picture("lost")
	c.comesBack()
	b.see("the hit again", `document.body.dataset.state === "duty" && document.querySelector(".current .plate").textContent === "AB12 CDE"`)
}

func TestInARealBrowserAPageThatWasOpenedAnewSaysThatSoundIsOff(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	b.do(chromedp.Reload())
	b.see("that sound is off", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.includes("Sound is off")`)
	b.do(chromedp.Click(chromedp.CSS(".unmute")))
	b.see("that it is on", `sound.plays() && !document.querySelector(".unmute").checkVisibility()`)
	_, err := c.Forget()
	must(t, err)
	b.see("the pairing page", `document.querySelector("#code") !== null`)
}

func TestInARealBrowserTheNextOfficerHearsWhatNobodyHasDealtWith(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityLow)))
	b.see("the first sound", `document.querySelector(".sounds").dataset.last === "low"`)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium)))
	b.see("the second", `document.querySelector(".sounds").dataset.last === "medium"`)
	b.answerable()
	b.do(chromedp.Click(chromedp.CSS(".acknowledge")))
	b.see("who acknowledged", `view.alerts.some((a) => a.seen)`)
	b.do(
		chromedp.Click(chromedp.CSS(".sign-off")),
		chromedp.Evaluate[chromedp.Void](`window.heard = []; new MutationObserver(() => window.heard.push(document.querySelector(".sounds").dataset.last)).observe(document.querySelector(".sounds"), { attributes: true })`),
	)
	b.see("the sign-on again", `document.querySelector(".sign-on").checkVisibility()`)
	b.signOn("5678")
	b.see("both sounds", `window.heard.includes("medium") && window.heard.includes("low")`)
	b.see("that nobody on duty has acknowledged", `!document.querySelector(".current").innerText.includes("Acknowledged")`)
}

func TestInARealBrowserATapThatWasMeantForAnotherHitAnswersNone(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium)))
	b.see("the hit", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.answerable()
	// A finger is on its way when a more urgent hit comes to the front: it is down in
	// the very moment that the page shows it.
	b.do(chromedp.Evaluate[chromedp.Void](`window.taps = 0; new MutationObserver(() => {
		if (document.querySelector(".plate")?.textContent !== "XY34 ZZZ" || window.taps > 0) return;
		window.taps++;
		document.querySelector("[data-disposition=stopped]").click();
		document.querySelector(".acknowledge").click();
	}).observe(document.querySelector(".current"), { childList: true, subtree: true })`))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityHigh)))
	b.see("the tap", `window.taps === 1`)
	b.answerable()
	// A glove taps twice: the second tap finds the next hit.
	b.do(chromedp.Evaluate[chromedp.Void](`new MutationObserver(() => {
		if (document.querySelector(".plate")?.textContent === "AB12 CDE") { window.taps++; document.querySelector(".acknowledge").click(); }
	}).observe(document.querySelector(".current"), { childList: true, subtree: true })`), chromedp.Click(chromedp.CSS(".acknowledge")))
	b.see("the next hit", `window.taps > 1 && document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.answerable()
	var done []string
	for _, e := range c.events()[1:] {
		done = append(done, string(e.VRM)+" "+string(e.Action))
	}
	if !slices.Equal(done, []string{"XY34ZZZ acknowledged"}) {
		t.Errorf("what was done: %q", done)
	}
	b.do(chromedp.Click(chromedp.CSS(`[data-disposition="lost"]`)))
	b.see("the answer to what is in front", `document.querySelector(".queue").innerText.includes("lost")`)
}

func TestInARealBrowserSoundThatIsTakenAwayIsMissedAtOnce(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.do(chromedp.Evaluate[chromedp.Void](`const Real = AudioContext; window.AudioContext = class extends Real { constructor() { super(); window.audio = this; } }`))
	b.signOn("1234")
	b.see("that it is on", `sound.plays() && !document.querySelector(".unmute").checkVisibility()`)
	b.do(chromedp.Evaluate[chromedp.Void](`void window.audio.suspend()`)) // as a telephone call does
	b.see("that sound is off", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.includes("Sound is off")`)
	b.do(chromedp.Evaluate[chromedp.Void](`void window.audio.resume()`))
	b.see("that it is back", `!document.querySelector(".unmute").checkVisibility()`)
}

// TestInARealBrowserATabletWithoutSoundSaysSo is about tablets on which sound cannot
// begin: there is none, or the tablet never lets it run.
func TestInARealBrowserATabletWithoutSoundSaysSo(t *testing.T) {
	for what, broken := range map[string]string{
		"no sound at all":       `window.AudioContext = class { constructor() { throw new Error("no output device"); } }`,
		"sound that never runs": `window.AudioContext = class { state = "suspended"; resume() { return new Promise(() => {}); } }`,
	} {
		t.Run(what, func(t *testing.T) {
			c := newCab(t)
			b := c.chromium()
			b.pair("observer")
			b.do(chromedp.Evaluate[chromedp.Void](broken))
			b.signOn("1234")
			b.see("that sound is off", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.includes("Sound is off")`)
			b.do(chromedp.Click(chromedp.CSS(".unmute")))
			b.see("that there is none", `document.querySelector(".problem").innerText === "This tablet gives no sound. Watch the screen."`)
			c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
			b.see("the hit, and that sound is still off", `document.querySelector(".current .plate").textContent === "AB12 CDE" && document.querySelector(".unmute").checkVisibility()`)
			b.see("that nothing claims to have sounded", `document.querySelector(".sounds").dataset.last === undefined`)
		})
	}
}

func TestInARealBrowserAHitIsChosenAndAnsweredByKeyboard(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityLow)))
	b.see("two hits", `document.querySelectorAll(".queue li").length === 2`)
	// tab goes on until it is where it should be.
	tab := func(to string) {
		t.Helper()
		for range 40 {
			b.do(chromedp.KeyEvent(kb.Tab))
			there, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`document.activeElement.matches('`+to+`')`))
			must(t, err)
			if there {
				return
			}
		}
		t.Fatalf("the Tab key does not reach %s", to)
	}
	focused := func(what, on string) { t.Helper(); b.see(what, `document.activeElement.matches('`+on+`')`) }
	tab(`.queue [data-number="2"]`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("what was chosen", `document.querySelector(".current .plate").textContent === "XY34 ZZZ"`)
	focused("that the choice keeps the focus", `[data-number="2"]`)
	c.Recorded(c.record("ZZ99AAA", hit("ZZ99AAA", nrd.PriorityMedium)))
	b.see("three hits", `document.querySelectorAll(".queue li").length === 3`)
	focused("that a new hit takes it away from nobody", `[data-number="2"]`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("what was chosen again", `document.querySelector(".current .plate").textContent === "XY34 ZZZ"`)
	tab(`.acknowledge`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("who acknowledged", `document.querySelector(".current").innerText.includes("Acknowledged by 1234 (observer)")`)
	focused("that the button keeps the focus", `.acknowledge`)
	tab(`[data-disposition="misread"]`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.see("the outcome", `document.querySelector(".current").innerText.includes("Outcome: misread, by 1234")`)
	tab(`.open-check`)
	b.do(chromedp.KeyEvent(kb.Enter))
	focused("the first field of the check", `#vrm`)
	b.do(chromedp.KeyEvent(kb.Escape))
	focused("where one was before it", `.open-check`)
}
