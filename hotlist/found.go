package hotlist

import (
	"sync"

	"nrd"
)

// found is what a match finds, and the room that it needs for that. It is used again:
// what a match takes anew is collected while others wait.
type found struct {
	entries []nrd.Entry
	prefix  [prefixSize]byte
	text    []byte
}

var founds = sync.Pool{New: func() any { return new(found) }}

func newFound() *found {
	return founds.Get().(*found) //nolint:errcheck // the pool makes nothing else
}

// leave lets the next match have it; nothing of it is to be used any more.
func (f *found) leave() {
	clear(f.entries)
	f.entries = f.entries[:0]
	founds.Put(f)
}
