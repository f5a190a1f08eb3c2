package ingest

import (
	"time"

	"nrd"
)

// epochs notices, whatever broker they come through, two units that use one
// identity. A unit sends from one buffer; when that is made anew its epoch changes,
// once, and never goes back. Two units' epochs alternate.
type epochs map[string]*alternation

// alternation is what came of one device: its last epochs, and how often one of
// them has come back since.
type alternation struct {
	current uint64
	last    []uint64
	since   time.Time
	returns int
}

// lastEpochs is how many epochs of a device are remembered.
const lastEpochs = 4

// saw notes an item, and reports that there are two units.
func (e epochs) saw(key nrd.Key, now time.Time) bool {
	a := e[key.Device]
	switch {
	case a == nil:
		e[key.Device] = &alternation{current: key.Epoch, last: []uint64{key.Epoch}}
		return false
	case a.current == key.Epoch:
		return false
	}
	a.current = key.Epoch
	for _, before := range a.last {
		if before == key.Epoch {
			return a.returned(now)
		}
	}
	if a.last = append(a.last, key.Epoch); len(a.last) > lastEpochs {
		a.last = a.last[1:]
	}
	return false
}

// returned counts an epoch that came back, as often as connections are counted that
// end each other: what a broker sends twice may come late once.
func (a *alternation) returned(now time.Time) bool {
	if now.Sub(a.since).Abs() > rivalTime {
		a.since, a.returns = now, 0
	}
	a.returns++
	if a.returns < rivalEnds {
		return false
	}
	a.returns = 0
	return true
}
