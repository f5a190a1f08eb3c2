package incab

import (
	"fmt"
	"image/color"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"nrd"
)

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
	b.see("that what is chosen can be answered at once, on a page that has only just opened", `(() => {
		const clock = performance.now;
		performance.now = () => 1;
		try { document.querySelector('[data-number="1"]').click(); return answered().number === 1; } finally { performance.now = clock; }
	})()`)
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
