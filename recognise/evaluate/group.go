package evaluate

import (
	"cmp"
	"path"
	"slices"
	"time"

	"nrd"
)

// Grouping is the plates told apart by one property.
type Grouping struct {
	// By is syntax, width, light, source or the name of a truth column.
	By   string `json:"by"`
	Rows []Row  `json:"rows"`
}

// Row is one group of plates.
type Row struct {
	Value    string `json:"value"`
	Plates   int    `json:"plates"`
	Captured Share  `json:"captured"`
	// Right counts the captured plates that were read right, Read all of
	// the group's.
	Right Share `json:"right"`
	Read  Share `json:"read"`
	// Photographs of the group, those without a plate too, and the reads in
	// them that are false; nothing where the property is a plate's own.
	FalseReads Rate `json:"false_reads"`
}

// The groupings that are always made.
const (
	bySyntax = "syntax"
	byWidth  = "width"
	byLight  = "light"
	bySource = "source"
)

// unknown is the group of what nothing is known of.
const unknown = "unknown"

// The groups of width in pixels and of light have an order of their own.
var (
	widths = []string{"under 60 px", "60 to 89 px", "90 to 129 px", "130 to 199 px", "200 px and more", unknown}
	lights = []string{"day", "dusk", "night"}
)

func widthGroup(px int) string {
	switch {
	case px <= 0:
		return unknown
	case px < 60:
		return widths[0]
	case px < 90:
		return widths[1]
	case px < 130:
		return widths[2]
	case px < 200:
		return widths[3]
	default:
		return widths[4]
	}
}

// lightGroup judges a picture by its mean luminance, 0 to 255.
func lightGroup(mean float64) string {
	switch {
	case mean < 45:
		return "night"
	case mean < 80:
		return "dusk"
	default:
		return "day"
	}
}

// groups are all groupings under way.
type groups struct {
	columns []string
	rows    map[string]map[string]*Row
}

func newGroups(columns []string) groups {
	g := groups{columns: columns, rows: map[string]map[string]*Row{}}
	for _, by := range g.names() {
		g.rows[by] = map[string]*Row{}
	}
	return g
}

// names are the groupings in the order in which they are shown.
func (g groups) names() []string {
	names := []string{bySyntax, byWidth, byLight, bySource}
	for _, c := range g.columns {
		if !slices.Contains(names, c) {
			names = append(names, c)
		}
	}
	return names
}

func (g groups) row(by, value string) *Row {
	r := g.rows[by][value]
	if r == nil {
		r = &Row{Value: value}
		g.rows[by][value] = r
	}
	return r
}

// plate counts a plate in all its groups and gives their values.
func (g groups) plate(f footage, plate Plate, o Outcome) map[string]string {
	values := map[string]string{bySyntax: syntaxGroup(plate), byWidth: widthGroup(o.Width)}
	for by, value := range g.of(f, plate.Columns) {
		values[by] = value
	}
	for by, value := range values {
		r := g.row(by, value)
		r.Plates++
		r.Captured.add(o.Captured)
		r.Read.add(o.Right)
		if o.Captured {
			r.Right.add(o.Right)
		}
	}
	return values
}

// photograph counts a photograph and its false reads.
func (g groups) photograph(f footage, wrong int) {
	for by, value := range g.of(f, f.Columns) {
		r := g.row(by, value)
		r.FalseReads = rate(r.FalseReads.Count+wrong, r.FalseReads.Of+1)
	}
}

// of gives the groups that come from the footage and a row of its truth.
func (g groups) of(f footage, columns map[string]string) map[string]string {
	values := map[string]string{
		byLight:  cmp.Or(columns["light"], f.light, unknown),
		bySource: cmp.Or(columns["source"], columns["source_repo"], path.Dir(f.File)),
	}
	for _, c := range g.columns {
		if _, known := values[c]; !known && c != bySyntax && c != byWidth {
			values[c] = cmp.Or(columns[c], unknown)
		}
	}
	return values
}

// syntaxGroup is the truth's own column, or the British syntax of the mark. The
// column region, where there is one, says which plates are not British.
func syntaxGroup(p Plate) string {
	if s := p.Columns["syntax"]; s != "" {
		return s
	}
	if region, told := p.Columns["region"]; told && region != "gb" {
		return "not British"
	}
	// Any age field may be there: the photograph has no date that can be
	// trusted.
	if m := nrd.MatchSyntax(p.VRM, time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)); len(m) > 0 {
		return m[0].Name
	}
	return "no British syntax"
}

func (g groups) finish() []Grouping {
	out := []Grouping{}
	for _, by := range g.names() {
		grouping := Grouping{By: by, Rows: []Row{}}
		for _, r := range g.rows[by] {
			grouping.Rows = append(grouping.Rows, *r)
		}
		slices.SortFunc(grouping.Rows, func(a, b Row) int {
			return cmp.Or(cmp.Compare(place(by, a), place(by, b)), cmp.Compare(b.Plates, a.Plates), cmp.Compare(a.Value, b.Value))
		})
		out = append(out, grouping)
	}
	return out
}

// place is where a group stands among those with an order of their own.
func place(by string, r Row) int {
	switch by {
	case byWidth:
		return slices.Index(widths, r.Value)
	case byLight:
		if i := slices.Index(lights, r.Value); i >= 0 {
			return i
		}
		return len(lights)
	}
	return 0
}
