package aim

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
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// screenshots names the environment variable with the folder that pictures of the
// page go to, for a person to look at.
const screenshots = "NRD_SCREENSHOTS"

// patient is how long a page may take in a browser on a busy machine.
const patient = 60 * time.Second

// chromium is a real browser with one page open.
type chromium struct {
	t       *testing.T
	ctx     context.Context
	console func() []string
}

func newChromium(t *testing.T) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("these tests need the browser Chromium: apt-get install chromium, or make deps-test")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(allocator)
	limited, cancel := context.WithTimeout(ctx, 3*patient)
	t.Cleanup(func() {
		cancel()
		if err := chromedp.Cancel(ctx); err != nil {
			t.Errorf("the browser did not end: %v", err)
		}
		stop()
		stopAllocator()
	})
	c := &chromium{t: t, ctx: limited}
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
			if err != nil || ctx.Err() != nil || strings.Contains(m.Text, "the test is over") {
				return
			}
			said = append(said, m.String())
		}
	}()
	c.console = func() []string {
		defer cancel()
		c.run(`console.log("the test is over")`)
		<-done
		return said
	}
}

func (c *chromium) do(steps ...chromedp.Action[chromedp.Void]) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patient)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		c.t.Fatalf("%v\nthe page is %s", err, c.text())
	}
}

func (c *chromium) run(script string) {
	c.t.Helper()
	c.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[any](script+"; null")(ctx, t)
		return err
	}))
}

// text gives what a person reads on the page.
func (c *chromium) text() string {
	text, err := chromedp.Run(c.ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// see waits until a condition in JavaScript holds.
func (c *chromium) see(what, condition string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, patient)
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

func (c *chromium) open(address string) {
	c.t.Helper()
	c.do(chromedp.Navigate(address))
}

// drag draws with the mouse from one place of the picture to another, in shares
// of it.
func (c *chromium) drag(x0, y0, x1, y1 float64) {
	c.t.Helper()
	box, err := chromedp.Run(c.ctx, chromedp.Evaluate[[]float64](`(() => { const b = document.getElementById("stage").getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()`))
	if err != nil {
		c.t.Fatal(err)
	}
	mouse := func(kind input.DispatchMouseEventType, x, y float64) {
		p := input.DispatchMouseEventParams{Type: kind, X: box[0] + x*box[2], Y: box[1] + y*box[3], Button: "left", Buttons: 1, ClickCount: 1}
		if _, err := chromedp.Call(c.ctx, input.DispatchMouseEvent, p); err != nil {
			c.t.Fatal(err)
		}
	}
	mouse("mousePressed", x0, y0)
	mouse("mouseMoved", (x0+x1)/2, (y0+y1)/2)
	mouse("mouseMoved", x1, y1)
	mouse("mouseReleased", x1, y1)
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
		_, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		})
		if err != nil {
			c.t.Fatal(err)
		}
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
}

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector))
}

func keys(selector, typed string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS(selector), typed)
}
