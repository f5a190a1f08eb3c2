package voi

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"

	"nrd"
)

// Write writes entries one a line, without a heading, so that Parse gives them
// back. It ends at the first that cannot be written, with ErrUnwritable.
func Write(w io.Writer, entries iter.Seq[nrd.Entry]) error {
	b := bufio.NewWriter(w)
	for e := range entries {
		line, err := FormatLine(&e)
		if err != nil {
			return err
		}
		if _, err := b.WriteString(line + "\r\n"); err != nil {
			return err
		}
	}
	return b.Flush()
}

// FormatLine gives an entry as one line without its end. List and Line are not
// part of it. An entry with a priority and no action gets the priority's word as
// its action. The error is ErrUnwritable where the line would not read back.
func FormatLine(e *nrd.Entry) (string, error) {
	action := e.Action
	if action == "" && e.Priority != nrd.PriorityNone {
		action = e.Priority.String()
	}
	weed := ""
	if !e.Weed.IsZero() {
		weed = e.Weed.UTC().Format(isoDate)
	}
	fields := [columnCount]string{
		string(e.VRM), e.Make, e.Model, e.Colour, action, strings.Join(e.Markers, " "), e.Reason, e.Intelligence,
		e.Information, e.Force, weed, e.NationalID, e.Marking, e.CAD, e.Instructions, e.Reference,
	}
	quoted := make([]string, columnCount)
	for i, f := range fields {
		quoted[i] = quote(f)
	}
	line := strings.Join(quoted, ",")
	if err := readsBack(line, e, fields); err != nil {
		return "", err
	}
	return line, nil
}

func quote(field string) string {
	if !strings.ContainsAny(field, `,"`) {
		return field
	}
	return `"` + strings.ReplaceAll(field, `"`, `""`) + `"`
}

// readsBack checks a line by reading it.
func readsBack(line string, e *nrd.Entry, fields [columnCount]string) error {
	if len(line) > maxLine {
		return fmt.Errorf("%w: it is longer than %d bytes", ErrUnwritable, maxLine)
	}
	again, problems := ParseLine(line)
	for _, p := range problems {
		if p.Refused {
			return fmt.Errorf("%w: %s: %s", ErrUnwritable, p.Column, p.Message)
		}
	}
	for i, f := range fields {
		if f != strings.TrimSpace(f) {
			return fmt.Errorf("%w: %s: it begins or ends with a space", ErrUnwritable, columns[i])
		}
	}
	switch {
	case again.VRM != e.VRM:
		return fmt.Errorf("%w: VRM: it is not normalised", ErrUnwritable)
	case again.Priority != e.Priority:
		return fmt.Errorf("%w: action: it says %s, the priority is %s", ErrUnwritable, again.Priority, e.Priority)
	case !slices.Equal(again.Markers, e.Markers):
		return fmt.Errorf("%w: warning markers: one of them holds a separator", ErrUnwritable)
	}
	return nil
}
