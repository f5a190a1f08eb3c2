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
	"nrd/internal/browser"
)

func TestInARealBrowserAnObserverSignsOnIsToldAHitAndDealsWithIt(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.Do(chromedp.Navigate(c.url))
	b.Accessible("pairing")
	b.Picture("pairing")
	b.pair("observer")
	b.Accessible("sign-on")
	b.Picture("sign-on")
	b.signOn("1234")
	b.See("sound that can be heard", `sound.plays() && !document.querySelector(".unmute").checkVisibility()`)
	b.See("a heartbeat", `document.querySelector(".beat").dataset.at !== undefined`)

	c.Recorded(c.record("LO22WWW", hit("LO22WWW", nrd.PriorityLow, func(h *nrd.Hit) { h.Entry.Markers = nil })))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityMedium, func(h *nrd.Hit) { h.Freshness, h.ListAge = nrd.Amber, 27*time.Hour })))
	rec := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh))
	rec.Patch, rec.Overview = drawn(t, 120, 60, color.Gray{200}), drawn(t, 640, 360, color.RGBA{60, 80, 110, 255})
	c.Recorded(rec)
	took := b.See("the hit", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	t.Logf("the hit was on the page %s after it was recorded", took.Round(time.Millisecond))
	b.See("markers before the rest", `document.querySelector(".current .entry").firstElementChild.innerText.includes("WE")`)
	b.See("its sound", `document.querySelector(".sounds").dataset.last !== undefined`)
	b.See("both pictures", `[...document.querySelectorAll(".pictures img")].filter((i) => i.naturalWidth > 0).length === 2`)
	b.See("targets of 15 mm", `[...document.querySelectorAll("button")].filter((e) => e.checkVisibility()).every((e) => e.offsetHeight >= 94 && e.offsetWidth >= 94)`)
	b.See("nothing cut off", `(() => { const c = document.querySelector(".current"); return c.scrollHeight <= c.clientHeight + 1 && c.scrollWidth <= c.clientWidth + 1; })()`)
	b.See("nothing wider than the tablet", `document.documentElement.scrollWidth <= innerWidth`)
	b.Accessible("hit")
	b.Picture("observer")
	if file := os.Getenv("NRD_INCAB_PICTURE"); file != "" {
		b.Colours("dark")
		b.Do(chromedp.Sleep(100 * time.Millisecond))
		b.Save(file)
		b.Colours("light")
	}

	b.answerable()
	b.Do(chromedp.Click(chromedp.CSS(".acknowledge")))
	b.See("who acknowledged", `document.querySelector(".current").innerText.includes("Acknowledged by 1234 (observer)") || document.querySelector(".queue").innerText.includes("acknowledged")`)
	b.Do(chromedp.Click(chromedp.CSS(`[data-number="3"]`)), chromedp.Click(chromedp.CSS(`[data-disposition="stopped"]`)))
	b.See("the outcome", `document.querySelector(".current").innerText.includes("Outcome: stopped, by 1234")`)
	if e := c.events(); e[len(e)-1].Disposition != nrd.DispositionStopped || e[len(e)-1].VRM != "AB12CDE" {
		t.Errorf("told %+v", e)
	}

	c.lookup = map[nrd.VRM][]nrd.Hit{"KK11KKK": {hit("KK11KKK", nrd.PriorityMedium)}}
	b.Do(chromedp.Click(chromedp.CSS(".open-check")), chromedp.SendKeys(chromedp.CSS("#vrm"), "kk11 kkk"), chromedp.SendKeys(chromedp.CSS("#reason"), "at the scene\r"))
	b.See("the check's answer", `document.querySelector(".result").innerText.includes("is of interest")`)
	b.Accessible("check")
	b.Picture("check")
	b.Do(chromedp.Click(chromedp.CSS(".close")))

	b.See("a finger on the queue", `(window.under = document.querySelector(".queue button:not([aria-current])")) !== null`)
	c.Recorded(c.record("NE41RLY", hit("NE4IRLY", nrd.PriorityHigh, func(h *nrd.Hit) { h.Match = nrd.MatchNear })))
	b.See("the near match", `document.querySelector(".current").innerText.includes("NEAR MATCH") && document.querySelector(".current").innerText.includes("NE4IRLY")`)
	b.See("the button that is under it", `window.under.isConnected`)
	b.Accessible("near match")
	b.Picture("near-match")
	repaired := c.record("SL18CLO", hit("SL18CLO", nrd.PriorityHigh))
	repaired.Read.Raw, repaired.Read.Repaired = "SLIBCLO", true
	c.Recorded(repaired)
	b.See("how a repaired read was read, and which characters differ", `document.querySelector(".current").innerText.includes("PUT RIGHT, read as SLIBCLO") && [...document.querySelectorAll(".current .say u")].map((u) => u.textContent).join("") === "IB"`)
	b.Accessible("repaired read")
	b.Picture("repaired")
	c.listsAre(90 * time.Hour)
	c.Recorded(c.record("ST11ALE", hit("ST11ALE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Freshness, h.ListAge = nrd.Stale, 90*time.Hour })))
	b.See("verify before stop, and the bar in red", `document.querySelector(".current").innerText.includes("VERIFY BEFORE STOP") && document.querySelector(".status .bad").innerText === "Lists 3 days old"`)
	b.Accessible("stale list")
	b.Picture("stale-list")
	c.listsAre(2 * time.Hour)
	b.See("a bar that is well again", `document.querySelectorAll(".status .good").length === 6`)
	c.Recorded(c.record("L0NGWWW", hit("L0NGWWW", nrd.PriorityHigh, func(h *nrd.Hit) {
		h.Entry.Make, h.Entry.Model, h.Entry.Colour = "MERCEDES-BENZ COMMERCIAL VEHICLES", "SPRINTER 316 CDI LWB HIGH ROOF", "METALLIC TURQUOISE AND WHITE"
	})))
	b.See("make, model and colour cut to one line", `(() => { const v = document.querySelector(".current .vehicle"), c = document.querySelector(".current"); return v.textContent === "METALLIC … MERCEDES-BE… SPRINTER 316 …" && v.offsetHeight < 2 * parseFloat(getComputedStyle(v).fontSize) && c.scrollWidth <= c.clientWidth + 1; })()`)
	live := c.record("LV11IVE", hit("LV11IVE", nrd.PriorityHigh))
	c.Recorded(live)
	c.Screen.Looked(live, []nrd.Hit{hit("LV11IVE", nrd.PriorityHigh, func(h *nrd.Hit) { h.Live, h.ListAge = true, 0 })}, "force live", Telling{Times: 1})
	b.See("that it is live", `document.querySelector(".current .list").innerText.includes("national, LIVE")`)
	c.Screen.Looked(live, nil, "force live", Telling{})
	b.See("its withdrawal where the officer looks, and why", `document.querySelector(".current").innerText.includes("WITHDRAWN: no longer of interest, says force live") && document.querySelector(".acknowledge").ariaDisabled === "false"`)
	b.Accessible("withdrawn")
	b.Picture("withdrawn")
	two := c.record("PR77TLY", hit("PR77TLY", nrd.PriorityHigh), hit("PR77TLY", nrd.PriorityLow, func(h *nrd.Hit) {
		h.List.List, h.Entry.List, h.Entry.Reason, h.Entry.Markers = "local", "local", "Seen near a burglary", nil
	}))
	c.Recorded(two)
	b.See("both entries", `document.querySelectorAll(".current .entry").length === 2`)
	c.Screen.Looked(two, two.Hits[1:], "force live", Telling{Times: 1})
	// The queue is drawn anew with it: what was there before cannot be tapped any more.
	b.See("its sound", `view.alerts.find((a) => a.vrm === "PR77 TLY").sound === "notice"`)
	b.Do(chromedp.Click(chromedp.CSS(`.queue [data-number="` + fmt.Sprint(c.next) + `"]`)))
	b.See("which entry is gone", `document.querySelector(".current .entry.gone").innerText.includes("WITHDRAWN: no longer of interest, says force live") && !document.querySelector(".current .entry").classList.contains("gone")`)
	b.See("its sign", `document.querySelector(".current .flags .partly") !== null`)
	b.Accessible("partly withdrawn")
	b.Picture("partly-withdrawn")
	c.hand.Advance(longestShift)
	b.See("the question after a long shift", `document.querySelector(".confirm").checkVisibility()`)
	b.Accessible("confirm")
	b.Picture("confirm")
	b.Do(chromedp.Click(chromedp.CSS(".still-on")))
	b.See("that it is answered", `!document.querySelector(".confirm").checkVisibility()`)
	b.Do(chromedp.Click(chromedp.CSS(".sign-off")))
	b.See("the sign-on again, without a hit", `document.querySelector(".sign-on").checkVisibility() && !document.body.innerText.includes("AB12")`)
}

func TestInARealBrowserADriverWhoMovesReadsNothing(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("driver")
	b.signOn("5678")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityMedium, func(h *nrd.Hit) { h.Match = nrd.MatchNear })))
	b.See("the details when standing", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.Picture("driver-standing")
	c.drive(nrd.Fix{SpeedKnown: true, Speed: 13})
	b.See("symbols", `document.querySelectorAll(".glance .symbol").length === 2`)
	b.See("no text at all", `document.body.innerText.trim() === "" && document.querySelectorAll("img").length === 0`)
	b.See("nothing hidden either", `!document.body.textContent.includes("AB12") && !document.body.textContent.includes("burglary")`)
	b.Accessible("driver moving")
	b.Picture("driver-moving")
	b.Do(browser.Script(`void send("/acknowledge", { number: 1 }).then((done) => { window.refused = done === null; })`))
	b.See("no complaint in words", `window.refused && document.body.innerText.trim() === "" && document.querySelector(".problem").hidden`)
	b.Do(chromedp.Reload())
	b.See("that sound is off, by its symbol", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.trim() === ""`)
	b.Accessible("driver moving, without sound")
	b.Picture("driver-mute")
	c.drive(nrd.Fix{SpeedKnown: true})
	b.See("the details again", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	c.drive(nrd.Fix{})
	b.See("symbols where the speed is not known", `document.body.innerText.trim() === "" && document.querySelectorAll(".glance .symbol").length === 2`)
	c.hangs()
	b.See("a symbol for the lost unit", `document.body.dataset.state === "lost" && document.body.innerText.trim() === "" && document.querySelector(".lost svg").checkVisibility()`)
	b.stays("lost")
	b.Picture("driver-lost")
}

func TestInARealBrowserALostUnitShowsWithinThreeSeconds(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	b.See("the hit", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.See("its sound", `document.querySelector(".sounds").dataset.last === "high"`)
	// The page's own clock says how long after the last heartbeat it gave up.
	b.Do(browser.Script(`new MutationObserver(() => { if (document.body.dataset.state === "lost") window.gaveUp ??= performance.now() - beaten; }).observe(document.body, { attributes: true })`))
	c.hangs()
	b.See("the loss", `document.body.dataset.state === "lost" && document.querySelector(".lost").innerText.includes("Lost contact with the unit")`)
	b.See("that it was within three seconds", `window.gaveUp < 3000`)
	b.See("its sound", `document.querySelector(".sounds").dataset.last === "lost"`)
	b.stays("lost")
	b.See("no hit and no life", `!document.body.innerText.includes("AB12") && getComputedStyle(document.querySelector(".beat")).visibility === "hidden"`)
	b.Accessible("lost")
	b.Picture("lost")
	c.comesBack()
	b.See("the hit again", `document.body.dataset.state === "duty" && document.querySelector(".current .plate").textContent === "AB12 CDE"`)
}

func TestInARealBrowserAPageThatWasOpenedAnewSaysThatSoundIsOff(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	b.Do(chromedp.Reload())
	b.See("that sound is off", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.includes("Sound is off")`)
	b.Do(chromedp.Click(chromedp.CSS(".unmute")))
	b.See("that it is on", `sound.plays() && !document.querySelector(".unmute").checkVisibility()`)
	_, err := c.Forget()
	must(t, err)
	b.See("the pairing page", `document.querySelector("#code") !== null`)
}

func TestInARealBrowserTheNextOfficerHearsWhatNobodyHasDealtWith(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityLow)))
	b.See("the first sound", `document.querySelector(".sounds").dataset.last === "low"`)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium)))
	b.See("the second", `document.querySelector(".sounds").dataset.last === "medium"`)
	b.answerable()
	b.Do(chromedp.Click(chromedp.CSS(".acknowledge")))
	b.See("who acknowledged", `view.alerts.some((a) => a.seen)`)
	b.Do(
		chromedp.Click(chromedp.CSS(".sign-off")),
		browser.Script(`window.heard = []; new MutationObserver(() => window.heard.push(document.querySelector(".sounds").dataset.last)).observe(document.querySelector(".sounds"), { attributes: true })`),
	)
	b.See("the sign-on again", `document.querySelector(".sign-on").checkVisibility()`)
	b.signOn("5678")
	b.See("both sounds", `window.heard.includes("medium") && window.heard.includes("low")`)
	b.See("that nobody on duty has acknowledged", `!document.querySelector(".current").innerText.includes("Acknowledged")`)
}

func TestInARealBrowserATapThatWasMeantForAnotherHitAnswersNone(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.signOn("1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium)))
	b.See("the hit", `document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.answerable()
	// A finger is on its way when a more urgent hit comes to the front: it is down in
	// the very moment that the page shows it.
	b.Do(browser.Script(`window.taps = 0; new MutationObserver(() => {
		if (document.querySelector(".plate")?.textContent !== "XY34 ZZZ" || window.taps > 0) return;
		window.taps++;
		document.querySelector("[data-disposition=stopped]").click();
		document.querySelector(".acknowledge").click();
	}).observe(document.querySelector(".current"), { childList: true, subtree: true })`))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityHigh)))
	b.See("the tap", `window.taps === 1`)
	b.answerable()
	// A glove taps twice: the second tap finds the next hit.
	b.Do(browser.Script(`new MutationObserver(() => {
		if (document.querySelector(".plate")?.textContent === "AB12 CDE") { window.taps++; document.querySelector(".acknowledge").click(); }
	}).observe(document.querySelector(".current"), { childList: true, subtree: true })`), chromedp.Click(chromedp.CSS(".acknowledge")))
	b.See("the next hit", `window.taps > 1 && document.querySelector(".current .plate").textContent === "AB12 CDE"`)
	b.answerable()
	var done []string
	for _, e := range c.events()[1:] {
		done = append(done, string(e.VRM)+" "+string(e.Action))
	}
	if !slices.Equal(done, []string{"XY34ZZZ acknowledged"}) {
		t.Errorf("what was done: %q", done)
	}
	b.Do(chromedp.Click(chromedp.CSS(`[data-disposition="lost"]`)))
	b.See("the answer to what is in front", `document.querySelector(".queue").innerText.includes("lost")`)
}

func TestInARealBrowserSoundThatIsTakenAwayIsMissedAtOnce(t *testing.T) {
	c := newCab(t)
	b := c.chromium()
	b.pair("observer")
	b.Do(browser.Script(`const Real = AudioContext; window.AudioContext = class extends Real { constructor() { super(); window.audio = this; } }`))
	b.signOn("1234")
	b.See("that it is on", `sound.plays() && !document.querySelector(".unmute").checkVisibility()`)
	b.Do(browser.Script(`void window.audio.suspend()`)) // as a telephone call does
	b.See("that sound is off", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.includes("Sound is off")`)
	b.Do(browser.Script(`void window.audio.resume()`))
	b.See("that it is back", `!document.querySelector(".unmute").checkVisibility()`)
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
			b.Do(browser.Script(broken))
			b.signOn("1234")
			b.See("that sound is off", `document.querySelector(".unmute").checkVisibility() && document.body.innerText.includes("Sound is off")`)
			b.Do(chromedp.Click(chromedp.CSS(".unmute")))
			b.See("that there is none", `document.querySelector(".problem").innerText === "This tablet gives no sound. Watch the screen."`)
			c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
			b.See("the hit, and that sound is still off", `document.querySelector(".current .plate").textContent === "AB12 CDE" && document.querySelector(".unmute").checkVisibility()`)
			b.See("that nothing claims to have sounded", `document.querySelector(".sounds").dataset.last === undefined`)
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
	b.See("two hits", `document.querySelectorAll(".queue li").length === 2`)
	// tab goes on until it is where it should be.
	tab := func(to string) {
		t.Helper()
		for range 40 {
			b.Do(chromedp.KeyEvent(kb.Tab))
			if browser.Value[bool](b.Page, `document.activeElement.matches('`+to+`')`) {
				return
			}
		}
		t.Fatalf("the Tab key does not reach %s", to)
	}
	b.See("that what is chosen can be answered at once, on a page that has only just opened", `(() => {
		const clock = performance.now;
		performance.now = () => 1;
		try { document.querySelector('[data-number="1"]').click(); return answered().number === 1; } finally { performance.now = clock; }
	})()`)
	focused := func(what, on string) { t.Helper(); b.See(what, `document.activeElement.matches('`+on+`')`) }
	tab(`.queue [data-number="2"]`)
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.See("what was chosen", `document.querySelector(".current .plate").textContent === "XY34 ZZZ"`)
	focused("that the choice keeps the focus", `[data-number="2"]`)
	c.Recorded(c.record("ZZ99AAA", hit("ZZ99AAA", nrd.PriorityMedium)))
	b.See("three hits", `document.querySelectorAll(".queue li").length === 3`)
	focused("that a new hit takes it away from nobody", `[data-number="2"]`)
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.See("what was chosen again", `document.querySelector(".current .plate").textContent === "XY34 ZZZ"`)
	tab(`.acknowledge`)
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.See("who acknowledged", `document.querySelector(".current").innerText.includes("Acknowledged by 1234 (observer)")`)
	focused("that the button keeps the focus", `.acknowledge`)
	tab(`[data-disposition="misread"]`)
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.See("the outcome", `document.querySelector(".current").innerText.includes("Outcome: misread, by 1234")`)
	tab(`.open-check`)
	b.Do(chromedp.KeyEvent(kb.Enter))
	focused("the first field of the check", `#vrm`)
	b.Do(chromedp.KeyEvent(kb.Escape))
	focused("where one was before it", `.open-check`)
}
