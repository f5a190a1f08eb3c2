package aim

import (
	"testing"

	"github.com/chromedp/chromedp"

	"nrd/internal/browser"
)

// open shows the page of this address in a real browser.
func open(t *testing.T, address string) *browser.Page {
	t.Helper()
	p := browser.Open(t, 1440, 900, chromedp.IgnoreCertErrors)
	p.Do(chromedp.Navigate(address))
	return p
}

// drag draws with the mouse from one place of the picture to another, in shares of it.
func drag(p *browser.Page, x0, y0, x1, y1 float64) {
	p.Helper()
	at := browser.Value[struct{ Left, Top, Width, Height float64 }](p, `(({ left, top, width, height }) => ({ left, top, width, height }))(document.getElementById("stage").getBoundingClientRect())`)
	p.Do(chromedp.DragAndDropXY(at.Left+x0*at.Width, at.Top+y0*at.Height, at.Left+x1*at.Width, at.Top+y1*at.Height))
}

func click(selector string) chromedp.Action[chromedp.Void] {
	return chromedp.Click(chromedp.CSS(selector))
}

func keys(selector, typed string) chromedp.Action[chromedp.Void] {
	return chromedp.SendKeys(chromedp.CSS(selector), typed)
}
