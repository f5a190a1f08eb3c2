package evaluate

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageHTML string

// pageTemplate is the page: one file without anything from elsewhere, no script.
var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"bar": newBar, "matrix": newMatrix, "diagram": newDiagram, "jpeg": dataURI,
	"percent": func(s Share) string {
		if s.Of == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f %%", s.Percent())
	},
	"interval": func(s Share) string {
		if s.Of == 0 {
			return ""
		}
		low, high := s.Interval()
		return fmt.Sprintf("%.0f to %.0f", low, high)
	},
	"sign": func(s string) string {
		if s == "" {
			return "nothing"
		}
		return s
	},
	"row":   func(name string, s Share) any { return namedShare{name, s} },
	"first": func(n int, pairs []Pair) []Pair { return pairs[:min(n, len(pairs))] },
}).Parse(pageHTML))

// namedShare is a row of a table of shares.
type namedShare struct {
	Name  string
	Share Share
}

// dataURI puts a picture into the page itself.
func dataURI(jpeg []byte) template.URL {
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpeg)) //nolint:gosec // our own bytes in base64
}

// Page writes the report as one HTML page that needs nothing else. It holds marks
// and pictures of vehicles: give it to its owner alone.
func (r *Report) Page(w io.Writer) error {
	return pageTemplate.Execute(w, struct {
		*Report
		Wrong, Unread []miss
	}{r, r.misses.wrong, r.misses.unread})
}
