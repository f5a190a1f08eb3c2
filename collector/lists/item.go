package lists

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"nrd"
)

// item is an entry as a file holds it.
type item struct {
	nrd.Entry
	// covert entries go to no vehicle.
	covert bool
}

// row is an item in the form of the files: what it is sorted and found by, when it
// ends, and all of it.
type row struct {
	vrm       nrd.VRM
	reference string
	line      int
	weed      int64 // in days since 1970 and one, 0 for none
	data      []byte
}

// daySince1970 is the day of a moment as rows count them.
func daySince1970(t time.Time) int64 { return t.Unix() / 86400 }

// expired says that the entry's weed date had passed on a day.
func (r *row) expired(day int64) bool { return r.weed != 0 && day >= r.weed }

// compare orders rows by VRM and reference, and those that have the same by line.
func (r *row) compare(other *row) int {
	return cmp.Or(strings.Compare(string(r.vrm), string(other.vrm)), strings.Compare(r.reference, other.reference), cmp.Compare(r.line, other.line))
}

// same says that two rows are of one entry.
func (r *row) same(other *row) bool { return r.vrm == other.vrm && r.reference == other.reference }

var errItem = errors.New("an entry does not hold what it says")

// markerEnd stands behind each marker; no field holds a control character.
const markerEnd = "\x1f"

// rowOf packs an item: VRM, reference, line, whether it is covert, priority, weed
// date in days since 1970 and one (0 for none), and the texts, each behind its
// length.
func rowOf(it *item) row {
	e := &it.Entry
	var room [256]byte
	data := appendText(room[:0], string(e.VRM))
	data = appendText(data, e.Reference)
	data = binary.AppendUvarint(data, uint64(max(e.Line, 0)))
	covert := byte(0)
	if it.covert {
		covert = 1
	}
	data = append(data, covert, byte(e.Priority))
	weed := int64(0)
	if !e.Weed.IsZero() {
		weed = daySince1970(e.Weed) + 1
	}
	data = binary.AppendVarint(data, weed)
	markers := ""
	for _, m := range e.Markers {
		markers += m + markerEnd
	}
	for _, text := range [...]string{e.Make, e.Model, e.Colour, e.Action, markers, e.Reason, e.Intelligence, e.Information, e.Force, e.NationalID, e.Marking, e.CAD, e.Instructions} {
		data = appendText(data, text)
	}
	return row{vrm: e.VRM, reference: e.Reference, line: e.Line, weed: weed, data: bytes.Clone(data)}
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// item unpacks the row; list is the name that the entry gets.
func (r *row) item(list string) (it item, err error) {
	u := unpacker{rest: r.data}
	e := &it.Entry
	e.List, e.VRM, e.Reference = list, nrd.VRM(u.text()), u.text()
	e.Line = int(u.number())
	it.covert = u.byte() == 1
	e.Priority = nrd.Priority(u.byte())
	if weed := u.signed(); weed != 0 {
		e.Weed = time.Unix((weed-1)*86400, 0).UTC()
	}
	var markers string
	for _, text := range [...]*string{
		&e.Make, &e.Model, &e.Colour, &e.Action, &markers, &e.Reason, &e.Intelligence, &e.Information, &e.Force, &e.NationalID, &e.Marking, &e.CAD, &e.Instructions,
	} {
		*text = u.text()
	}
	for m := range strings.SplitSeq(strings.TrimSuffix(markers, markerEnd), markerEnd) {
		if m != "" {
			e.Markers = append(e.Markers, m)
		}
	}
	if u.failed || len(u.rest) > 0 {
		return item{}, errItem
	}
	return it, nil
}

// keyed reads what a row is found by, and when it ends.
func keyed(data []byte) (row, error) {
	u := unpacker{rest: data}
	r := row{vrm: nrd.VRM(u.text()), reference: u.text(), line: int(u.number()), data: data}
	u.byte() // whether it is covert
	u.byte() // its priority
	r.weed = u.signed()
	if u.failed {
		return row{}, errItem
	}
	return r, nil
}

// unpacker reads the pieces of a row; once one is not there it has failed.
type unpacker struct {
	rest   []byte
	failed bool
}

func (u *unpacker) number() uint64 {
	n, size := binary.Uvarint(u.rest)
	if size <= 0 {
		u.failed, u.rest = true, nil
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

func (u *unpacker) signed() int64 {
	n, size := binary.Varint(u.rest)
	if size <= 0 {
		u.failed, u.rest = true, nil
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

func (u *unpacker) byte() byte {
	if len(u.rest) == 0 {
		u.failed = true
		return 0
	}
	b := u.rest[0]
	u.rest = u.rest[1:]
	return b
}

func (u *unpacker) bytes() []byte {
	n := u.number()
	if u.failed || n > uint64(len(u.rest)) {
		u.failed, u.rest = true, nil
		return nil
	}
	b := u.rest[:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacker) text() string { return string(u.bytes()) }
