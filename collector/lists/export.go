package lists

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// heading names the sixteen columns.
const heading = "VRM,make,model,colour,action,warning markers,reason,NIM code,information/action,force and area,weed date,PNC id,GPMS marking,CAD information,spare 1,spare 2\r\n"

// Export writes a local list in the sixteen columns, with a heading, for a reason. A
// spreadsheet takes a cell that begins with =, +, -, @ for a formula; such a cell gets
// an apostrophe before it, which an import takes off again. An expired entry is left
// out. Where it goes to another agency, to names that one, and covert entries are left
// out as well: the columns cannot mark them, and its vehicles would have them.
func (l *Lists) Export(ctx context.Context, by access.By, name, to, reason string, w io.Writer) error {
	subject := name
	if to != "" {
		subject += ", to " + to
	}
	if err := l.authorise(ctx, by, access.ExportLists, "list export", subject, reason); err != nil {
		return err
	}
	if err := l.local(ctx, name); err != nil {
		return err
	}
	list, err := l.Store.List(ctx, name)
	if err == nil && to != "" {
		err = l.mayGoTo(&list, to)
	}
	if err != nil {
		return err
	}
	held, err := l.allEntries(ctx, name)
	if err != nil {
		return err
	}
	entries := slices.SortedFunc(maps.Values(held), func(a, b store.ListEntry) int {
		return strings.Compare(string(a.VRM)+"\x00"+a.Reference, string(b.VRM)+"\x00"+b.Reference)
	})
	b := bufio.NewWriter(w)
	b.WriteString(heading) //nolint:errcheck // Flush tells
	now := l.Clock.Now()
	for _, e := range entries {
		if e.Expired(now) || to != "" && e.Covert {
			continue
		}
		guard(&e.Entry)
		line, err := voi.FormatLine(&e.Entry)
		if err != nil {
			return fmt.Errorf("entry %d: %w", e.ID, err)
		}
		b.WriteString(line + "\r\n") //nolint:errcheck // Flush tells
	}
	return b.Flush()
}

// formulas are what a cell begins with that a spreadsheet reckons with.
const formulas = "=+-@\t\r＝＋－＠"

// texts are the fields of an entry that anybody may have written.
func texts(e *nrd.Entry) []*string {
	all := []*string{
		&e.Make, &e.Model, &e.Colour, &e.Action, &e.Reason, &e.Intelligence, &e.Information, &e.Force, &e.NationalID, &e.Marking, &e.CAD, &e.Instructions, &e.Reference,
	}
	if len(e.Markers) > 0 {
		e.Markers = slices.Clone(e.Markers)
		all = append(all, &e.Markers[0])
	}
	return all
}

func guard(e *nrd.Entry) {
	for _, text := range texts(e) {
		if first := strings.TrimLeft(*text, "'"); first != "" && strings.ContainsRune(formulas, []rune(first)[0]) {
			*text = "'" + *text
		}
	}
}

// unguard takes off what guard puts on.
func unguard(e *nrd.Entry) {
	for _, text := range texts(e) {
		rest, guarded := strings.CutPrefix(*text, "'")
		if first := strings.TrimLeft(rest, "'"); guarded && first != "" && strings.ContainsRune(formulas, []rune(first)[0]) {
			*text = rest
		}
	}
}

// inOrder goes through a map in the order of its keys.
func inOrder(m map[int]string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !yield(key, m[key]) {
				return
			}
		}
	}
}
