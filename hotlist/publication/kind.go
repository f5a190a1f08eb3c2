package publication

import (
	"encoding/binary"

	"nrd"
)

// MaxKinds is how many kinds of entry a list of statuses may have: a unit keeps an
// entry's kind in one byte.
const MaxKinds = 256

// Kind is what an entry says beside its VRM and line. Entries of one kind say the
// same, their source reference and weed date included.
func Kind(e *nrd.Entry) string {
	text := make([]byte, 0, 128)
	for _, f := range []string{
		e.Make, e.Model, e.Colour, e.Action, e.Reason, e.Intelligence, e.Information, e.Force, e.NationalID, e.Marking, e.CAD,
		e.Instructions, e.Reference,
	} {
		text = append(append(text, f...), 0)
	}
	for _, m := range e.Markers {
		text = append(append(text, m...), 1)
	}
	return string(binary.BigEndian.AppendUint64(text, uint64(e.Weed.Unix()))) //nolint:gosec // compared only
}
