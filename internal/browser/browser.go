// Package browser shows our pages in a real Chromium, for tests. [Open] starts one, which ends with the test; a test
// then does what a person does, and waits for what a person would see:
//
//	p := browser.Open(t, 1280, 800, chromedp.IgnoreCertErrors)
//	p.Do(chromedp.Navigate(address), chromedp.SendKeys(chromedp.CSS("#code"), code+"\r"))
//	p.See("the sign-on", `document.querySelector(".sign-on").checkVisibility()`)
//
// A page that does not become what it should within [Patience] fails the test with the text that stands on it.
package browser

import (
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// screenshots names the environment variable with the folder that [Page.Picture] writes to.
const screenshots = "NRD_SCREENSHOTS"

// Patience is how long a page may take for a step on a busy machine.
const Patience = time.Minute

// Page is the one page of a browser.
type Page struct {
	testing.TB

	width, height int64
	ctx           context.Context
	messages      iter.Seq2[chromedp.ConsoleMessage, error]
}

// Open starts a browser with a window of this many pixels. Sounds need a hand on the page first, as on a tablet.
func Open(t testing.TB, width, height int64, more ...chromedp.ExecAllocatorOption) *Page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("mute-audio", true),
		chromedp.Flag("autoplay-policy", "document-user-activation-required"),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), append(options, more...)...)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("the browser did not end: %v", err)
		}
		stop()
		stopAllocator()
	})
	// The browser starts with the first step, and ends with that step's context.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatalf("the browser does not start: %v", err)
	}
	return &Page{TB: t, width: width, height: height, ctx: ctx, messages: chromedp.Console(ctx)}
}

func program(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("these tests need the browser Chromium: apt-get install chromium, or make deps-test")
	return ""
}

// Try takes steps, and gives the error of the one that fails.
func (p *Page) Try(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Do takes steps; one that fails ends the test.
func (p *Page) Do(steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	if err := p.Try(steps...); err != nil {
		p.Fatalf("%v\nthe page is %s", err, p.Text())
	}
}

// Script is a step that runs JavaScript, whatever comes out of it.
func Script(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](script + "; null")
}

// Value gives what an expression in JavaScript is on the page.
func Value[T any](p *Page, expression string) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.Fatalf("%v\nthe page is %s", err, p.Text())
	}
	return value
}

// Text gives what a person reads on the page, and its address.
func (p *Page) Text() string {
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// See waits until a condition in JavaScript holds, and says how long that was. A page that changes under the question
// is asked again.
func (p *Page) See(what, condition string) time.Duration {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, Patience)
	defer cancel()
	start := time.Now()
	for {
		seen, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(() => { try { return Boolean(`+condition+`); } catch { return false; } })()`))
		switch {
		case seen:
			return time.Since(start)
		case ctx.Err() != nil:
			p.Fatalf("%s is not seen: %v\nthe page is %s", what, err, p.Text())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// NoComplaints fails the test for what the browser has complained of until now, and ends what is heard of it: errors
// of scripts, answers of a server that refuses, what the Content-Security-Policy stopped. Each of these words excuses
// one complaint that holds it.
func (p *Page) NoComplaints(but ...string) {
	p.Helper()
	const last = "the test is over"
	p.Do(Script(`console.log("` + last + `")`))
	for m, err := range p.messages {
		if err != nil {
			p.Fatalf("the browser's console: %v", err)
		}
		if m.Text == last {
			return
		}
		said := m.String()
		excused := slices.IndexFunc(but, func(word string) bool { return strings.Contains(said, word) })
		if excused < 0 {
			p.Errorf("the browser complains: %s", said)
			continue
		}
		but = slices.Delete(but, excused, excused+1)
	}
}

// Colours switches between light and dark, as the system's settings do.
func (p *Page) Colours(scheme string) {
	p.Helper()
	p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	}))
}

// Picture keeps the page as it looks, light, dark and on a small screen, for a person to look at: as PNG in the folder
// that NRD_SCREENSHOTS names, if it does.
func (p *Page) Picture(name string) {
	p.Helper()
	dir := os.Getenv(screenshots)
	if dir == "" {
		return
	}
	for _, look := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", p.width, p.height}, {"dark", "dark", p.width, p.height}, {"small", "light", 420, 900}} {
		p.Colours(look.scheme)
		p.Do(chromedp.EmulateViewport(look.width, look.height), chromedp.Sleep(700*time.Millisecond))
		p.Save(filepath.Join(dir, fmt.Sprintf("%s-%s.png", name, look.name)))
	}
	p.Do(chromedp.EmulateViewport(p.width, p.height))
	p.Colours("light")
}

// Save writes the page as it looks to a PNG file.
func (p *Page) Save(file string) {
	p.Helper()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o600); err != nil {
		p.Fatal(err)
	}
}
