package browser

import (
	"errors"
	"os"
	"path/filepath"
)

// run has axe want a contrast of 4.5 to 1 of large text, of single characters and of symbols too, where WCAG AA is content with
// less and axe does not measure.
const run = `axe.run({ checks: { "color-contrast": { options: { ignoreLength: true, ignoreUnicode: false, contrastRatio: { normal: { expected: 4.5 }, large: { expected: 4.5 } } } } } })`

// Accessible runs axe on the page, light and dark, and fails for what it finds. Where the whole is tested axe is there:
// make axe fetches it.
func (p *Page) Accessible(page string) {
	p.Helper()
	script, err := axe()
	if err != nil {
		if os.Getenv("CI") != "" {
			p.Fatalf("%s cannot be checked by axe: %v", page, err)
		}
		p.Logf("%s was not checked by axe: %v", page, err)
		return
	}
	p.Do(Script(script))
	for _, scheme := range []string{"light", "dark"} {
		p.Colours(scheme)
		p.Do(Script(`window.found = null; ` + run + `.then((r) => { window.found = r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 120) + " " + n.failureSummary).join(" | ")); })`))
		p.See("axe's answer", `window.found !== null`)
		for _, f := range Value[[]string](p, `window.found`) {
			p.Errorf("%s, %s: %s", page, scheme, f)
		}
	}
	p.Colours("light")
}

// axe gives the script, from the build folder above the folder of the test.
func axe() (string, error) {
	for dir := "."; len(dir) < 20; dir = filepath.Join(dir, "..") {
		script, err := os.ReadFile(filepath.Join(dir, "build/axe/axe.min.js"))
		if !errors.Is(err, os.ErrNotExist) {
			return string(script), err
		}
	}
	return "", errors.New("make axe fetches it")
}
