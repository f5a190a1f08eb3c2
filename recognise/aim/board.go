package aim

import (
	"context"
	"sync"

	"nrd/recognise"
)

// board is what the eye and the page's visitors share: the newest look, and the
// region.
type board struct {
	mu      sync.Mutex
	look    *Look
	changed chan struct{}
	part    recognise.Region
}

func newBoard(r recognise.Region) *board {
	return &board{look: &Look{Plates: []Plate{}, Advice: []Advice{}, Region: r}, changed: make(chan struct{}), part: r}
}

// show takes the newest look.
func (b *board) show(l *Look) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.look = l
	b.tell()
}

// trouble keeps the last look and says why no new one comes.
func (b *board) trouble(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := *b.look
	l.Problem = err.Error()
	l.Sequence++
	b.look = &l
	b.tell()
}

func (b *board) tell() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// after waits for another look than the one with this sequence number. It gives
// nil when ctx ends first.
func (b *board) after(ctx context.Context, sequence uint64) *Look {
	for {
		b.mu.Lock()
		look, changed := b.look, b.changed
		b.mu.Unlock()
		if look.Sequence != sequence && look.Sequence > 0 {
			return look
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

func (b *board) region() recognise.Region {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.part
}

func (b *board) setRegion(r recognise.Region) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.part = r
}
