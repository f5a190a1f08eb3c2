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
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

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
