package voi

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"nrd"
)

// The columns in their order.
const (
	columnVRM = iota
	columnMake
	columnModel
	columnColour
	columnAction
	columnMarkers
	columnReason
	columnIntelligence
	columnInformation
	columnForce
	columnWeed
	columnNationalID
	columnMarking
	columnCAD
	columnInstructions
	columnReference
	columnCount
)

// columns are their names, as the report gives them.
var columns = [columnCount]string{
	"VRM", "make", "model", "colour", "action", "warning markers", "reason", "NIM code", "information/action",
	"force and area", "weed date", "PNC id", "GPMS marking", "CAD information", "spare 1", "spare 2",
}

// markers are the warning markers seen so far (IS impersonates; the others were
// not seen in a primary source). An unknown one is kept as it came.
var markers = map[string]bool{
	"IS": true, "FI": true, "WE": true, "XP": true, "VI": true, "SU": true, "SH": true,
	"MN": true, "DR": true, "ES": true, "CO": true, "AT": true, "AG": true,
}

const isoDate = "2006-01-02"

// ParseLine reads one line without its end. The entry is good unless a problem
// is marked as refused; the problems carry no line number.
func ParseLine(line string) (nrd.Entry, []Problem) {
	fields, err := split(line)
	if err != nil {
		return nrd.Entry{}, []Problem{{Message: err.Error(), Refused: true}}
	}
	var problems []Problem
	note := func(column int, refused bool, message string) {
		problems = append(problems, Problem{Column: columns[column], Message: message, Refused: refused})
	}
	for i, f := range fields {
		fields[i] = strings.TrimSpace(f)
		if err := printable(fields[i]); err != nil {
			note(i, true, err.Error())
		}
	}
	e := nrd.Entry{
		Make: fields[columnMake], Model: fields[columnModel], Colour: fields[columnColour],
		Action: fields[columnAction], Reason: fields[columnReason], Intelligence: fields[columnIntelligence],
		Information: fields[columnInformation], Force: fields[columnForce], NationalID: fields[columnNationalID],
		Marking: fields[columnMarking], CAD: fields[columnCAD], Instructions: fields[columnInstructions],
		Reference: fields[columnReference],
	}
	if e.VRM, err = nrd.ParseVRM(fields[columnVRM]); err != nil {
		note(columnVRM, true, err.Error())
	}
	var known bool
	if e.Priority, known = priority(e.Action); !known {
		note(columnAction, false, "names no priority and is taken as high")
	}
	e.Markers = splitMarkers(fields[columnMarkers])
	for _, m := range e.Markers {
		if !markers[strings.ToUpper(m)] {
			note(columnMarkers, false, fmt.Sprintf("%q is not known and is shown as it came", m))
		}
	}
	if e.Weed, err = parseDate(fields[columnWeed]); err != nil {
		note(columnWeed, true, err.Error())
	}
	return e, problems
}

// split cuts a line into its sixteen fields and takes their quotes off.
func split(line string) ([columnCount]string, error) {
	var fields [columnCount]string
	for n, more := 0, true; more; n++ {
		var field string
		var err error
		if field, line, more, err = cutField(line); err != nil {
			return fields, fmt.Errorf("column %d: %w", n+1, err)
		}
		if n < columnCount {
			fields[n] = field
		}
		if !more && n != columnCount-1 {
			return fields, fmt.Errorf("%d columns where %d are needed", n+1, columnCount)
		}
	}
	return fields, nil
}

// cutField takes the first field off a line; more says that another follows.
func cutField(line string) (field, rest string, more bool, err error) {
	if !strings.HasPrefix(line, `"`) {
		field, rest, more = strings.Cut(line, ",")
		return field, rest, more, nil
	}
	var b strings.Builder
	rest = line[1:]
	for {
		part, after, closed := strings.Cut(rest, `"`)
		if !closed {
			return "", "", false, errors.New("a quote is left open")
		}
		b.WriteString(part)
		switch {
		case strings.HasPrefix(after, `"`):
			b.WriteByte('"')
			rest = after[1:]
		case after == "":
			return b.String(), "", false, nil
		case after[0] == ',':
			return b.String(), after[1:], true, nil
		default:
			return "", "", false, errors.New("text follows the closing quote")
		}
	}
}

func printable(field string) error {
	if isPlain(field) {
		return nil
	}
	if !utf8.ValidString(field) {
		return errors.New("is not UTF-8")
	}
	for _, r := range field {
		if unicode.IsControl(r) {
			return fmt.Errorf("holds the control character %U", r)
		}
	}
	return nil
}

// isPlain reports whether a field is of printable ASCII, as nearly all are.
func isPlain(field string) bool {
	for i := range len(field) {
		if field[i] < ' ' || field[i] > '~' {
			return false
		}
	}
	return true
}

// wrongGlyph reports whether a mark follows no syntax but would if O and 0, or I
// and 1, changed places: a reader names these by their position.
func wrongGlyph(v nrd.VRM) bool {
	if !strings.ContainsAny(string(v), "0O1I") || len(nrd.MatchSyntax(v, time.Time{})) > 0 {
		return false
	}
	r := nrd.Repair(v, nrd.LookAlikes(v), time.Time{})
	return r.VRM != v && !r.Repaired
}

// priority finds the one priority that an action names; an action that names
// none, or more than one, is high and not known. No action asks for no response.
func priority(action string) (p nrd.Priority, known bool) {
	if p, ok := nrd.ParsePriority(action); ok {
		return p, true
	}
	words := strings.FieldsFunc(action, func(r rune) bool { return !unicode.IsLetter(r) })
	for _, w := range words {
		found, ok := nrd.ParsePriority(w)
		if !ok || len(w) == 1 || found == nrd.PriorityNone {
			continue
		}
		if p != nrd.PriorityNone && p != found {
			return nrd.PriorityHigh, false
		}
		p = found
	}
	if p == nrd.PriorityNone {
		return nrd.PriorityHigh, false
	}
	return p, true
}

func isMarkerSeparator(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(",;/|", r) }

func splitMarkers(field string) []string {
	if found := strings.FieldsFunc(field, isMarkerSeparator); len(found) > 0 {
		return found
	}
	return nil
}

// parseDate reads yyyy-mm-dd and dd/mm/yyyy; nothing is no date.
func parseDate(field string) (time.Time, error) {
	if field == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{isoDate, "02/01/2006"} {
		if t, err := time.Parse(layout, field); err == nil && len(field) == len(layout) && t.Year() >= 1900 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither yyyy-mm-dd nor dd/mm/yyyy", field)
}
