// Package turn lets those who change one thing do so one after the other, and those
// who change different things at the same time: an import of tens of millions of
// lines keeps nobody from another list.
//
//	defer turns.Take("wanted")()
package turn

import "sync"

// Turns are those of things that are told apart by name. The zero value is ready.
type Turns struct {
	mu  sync.Mutex
	now map[string]*queue
}

// queue is of one thing; it goes when nobody is in it, so that names which are asked
// for once take no memory for ever.
type queue struct {
	turn chan struct{}
	in   int
}

// Take waits for the turn of a thing. Whoever has it calls done once.
func (t *Turns) Take(name string) (done func()) {
	t.mu.Lock()
	q := t.now[name]
	if q == nil {
		if t.now == nil {
			t.now = map[string]*queue{}
		}
		q = &queue{turn: make(chan struct{}, 1)}
		t.now[name] = q
	}
	q.in++
	t.mu.Unlock()
	q.turn <- struct{}{}
	return func() {
		<-q.turn
		t.mu.Lock()
		defer t.mu.Unlock()
		if q.in--; q.in == 0 {
			delete(t.now, name)
		}
	}
}

// Aside is one long thing that is done beside the goroutine that asks for it. The
// zero value is ready.
type Aside struct {
	mu   sync.Mutex
	busy bool
	all  sync.WaitGroup
}

// Start does something beside its caller, or says false where it is at something
// still.
func (a *Aside) Start(do func()) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy {
		return false
	}
	a.busy = true
	a.all.Go(func() {
		defer a.end()
		do()
	})
	return true
}

func (a *Aside) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.busy = false
}

// Wait waits until nothing is done. Nothing may be started meanwhile.
func (a *Aside) Wait() { a.all.Wait() }
