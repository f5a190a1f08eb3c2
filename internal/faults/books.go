package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// books is what the unit has said of its records, across all of its starts.
type books struct {
	mu sync.Mutex
	// begun are the records whose Append was called, kept those whose Append
	// returned, refused those that it refused.
	begun   map[uint64]bool
	kept    map[uint64]promise
	refused map[uint64]bool
	keys    map[string]uint64
	// dropped are the items that the buffer was about to let go; where it was
	// killed meanwhile it may have kept them.
	dropped map[itemKey]bool
	// keptAtDrop is the last record that was kept when a read was let go last,
	// lastKept the last one of all.
	keptAtDrop, lastKept uint64
	last                 uint64
	// waiting is what the buffer held when it was asked last.
	waiting int
	// excused are kept records that went with a buffer that was taken away.
	excused map[uint64]bool
	wrong   []string
}

// promise is a record that a unit has said is safe.
type promise struct {
	key     string
	payload []byte
}

func newBooks() *books {
	return &books{
		begun: map[uint64]bool{}, kept: map[uint64]promise{}, refused: map[uint64]bool{}, keys: map[string]uint64{},
		dropped: map[itemKey]bool{}, excused: map[uint64]bool{}, waiting: -1,
	}
}

// line takes a line of the unit's; see package generate.
func (b *books) line(text string) {
	words := strings.Fields(text)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(words) < 2 {
		b.complain("the unit wrote %q", text)
		return
	}
	if words[0] == "dropped" && len(words) == 3 {
		b.dropped[itemKey{words[1], words[2]}] = true
		if words[2] == "record" {
			b.keptAtDrop = b.lastKept
		}
		return
	}
	n, err := strconv.ParseUint(words[1], 10, 64)
	if err != nil {
		return // cut off by a kill
	}
	switch {
	case words[0] == "begin":
		b.begun[n], b.last = true, max(b.last, n)
	case words[0] == "failed":
		b.refused[n] = true
	case words[0] == "waiting":
		b.waiting = int(n)
	case words[0] == "kept" && len(words) == 4:
		payload, err := base64.StdEncoding.DecodeString(words[3])
		if err != nil {
			return
		}
		if other, ok := b.keys[words[2]]; ok {
			b.complain("the key %s was given out twice: to the records %d and %d", words[2], other, n)
		}
		b.keys[words[2]], b.kept[n], b.lastKept = n, promise{words[2], payload}, max(b.lastKept, n)
	}
}

func (b *books) complain(format string, args ...any) {
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// next is the number of the next record.
func (b *books) next() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.last + 1
}

// awaitFirst waits for the first record, or for so long as a start may take.
func (b *books) awaitFirst(ctx context.Context) {
	for until := time.Now().Add(upTime); b.next() == 1 && time.Now().Before(until) && ctx.Err() == nil; {
		pause(ctx, 10*time.Millisecond)
	}
}

// excuse notes that the unit's buffer is taken away with what is in it, its
// counts among that.
func (b *books) excuse() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n := range b.kept {
		b.excused[n] = true
	}
	clear(b.dropped)
}
