package incab

import (
	"image"
	"image/color"
	"image/jpeg"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"nrd"
	"nrd/internal/browser"
)

// chromium is a tablet: a real browser with one page open.
type chromium struct {
	*browser.Page

	cab *cab
}

// chromium opens a browser that takes every certificate.
func (c *cab) chromium() *chromium {
	c.t.Helper()
	return c.open(chromedp.IgnoreCertErrors)
}

// open opens a browser.
func (c *cab) open(as ...chromedp.ExecAllocatorOption) *chromium {
	c.t.Helper()
	return &chromium{browser.Open(c.t, 1280, 800, as...), c}
}

// stays wants no other state of the page for longer than it takes to connect anew.
func (c *chromium) stays(state string) {
	c.Helper()
	c.Do(
		browser.Script(`window.others = 0; new MutationObserver(() => { if (document.body.dataset.state !== "`+state+`") window.others++; }).observe(document.body, { attributes: true })`),
		chromedp.Sleep(4*time.Second),
	)
	c.See("that nothing else was shown", `window.others === 0 && document.body.dataset.state === "`+state+`"`)
}

// pair pairs this browser as a person does.
func (c *chromium) pair(seat string) {
	c.Helper()
	i, err := c.cab.Pair(seat)
	must(c.TB, err)
	c.Do(chromedp.Navigate(i.Address), chromedp.SendKeys(chromedp.CSS("#code"), i.Code+"\r"))
	c.See("the sign-on", `document.querySelector(".sign-on").checkVisibility()`)
}

func (c *chromium) signOn(collar string) {
	c.Helper()
	c.Do(
		chromedp.SendKeys(chromedp.CSS("#collar"), collar), chromedp.SendKeys(chromedp.CSS("#authoriser"), "Insp Grey"),
		chromedp.SendKeys(chromedp.CSS("#reference"), "2026/11/23-0417"), chromedp.Click(chromedp.CSS(".sign-on .main")),
	)
	c.See("the duty", `document.body.dataset.state === "duty" && document.querySelector(".officer").innerText.includes("`+collar+`")`)
}

// answerable waits until what is in front has been there for long enough.
func (c *chromium) answerable() {
	c.Helper()
	c.See("a hit that can be answered", `answered() !== null`)
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
