package ingest

import (
	"sync"
	"time"

	"nrd"
	"nrd/collector/store"
)

// Bounds of the queue and of a commit: so many messages, and how long the first
// of them waits for company.
const (
	maxQueue = 500
	company  = 5 * time.Millisecond
	// queuePatience is how long a full queue holds a device up, which the device
	// notices by TCP; after that its connection is cut and it comes again.
	queuePatience = 10 * time.Second
)

// message is one publish as it came, or with topic "" a device that began to
// listen to its commands.
type message struct {
	device, topic string
	payload       []byte
	received      time.Time
	// item is what the payload says, once it was read.
	item *readItem
}

// readItem is an item as it was read, or why it could not be.
type readItem struct {
	store.Item
	err error
}

// read reads what is to be stored, in the connection's goroutine: the committer has
// enough to do. Nothing is kept twice.
func (m *message) read(p *nrd.Profile) {
	item, err := read(*m, p)
	m.item, m.payload = &readItem{item, err}, nil
}

// queue stands between the broker and the commits.
type queue struct {
	messages chan message
	patience time.Duration
	closing  chan struct{}
	senders  sync.RWMutex // held for reading while something is put in
	once     sync.Once
}

func newQueue(patience time.Duration) *queue {
	return &queue{messages: make(chan message, maxQueue), patience: patience, closing: make(chan struct{})}
}

// put reports whether the message was taken; one that was taken is answered.
func (q *queue) put(m message) bool {
	q.senders.RLock()
	defer q.senders.RUnlock()
	select {
	case <-q.closing:
		return false
	default:
	}
	select {
	case q.messages <- m:
		return true
	default:
	}
	wait := time.NewTimer(q.patience)
	defer wait.Stop()
	select {
	case q.messages <- m:
		return true
	case <-wait.C:
	case <-q.closing:
	}
	return false
}

// close lets nothing more in; what is in is still taken out.
func (q *queue) close() {
	q.once.Do(func() {
		close(q.closing)
		q.senders.Lock() // until the last sender has put its message or given up
		defer q.senders.Unlock()
		close(q.messages)
	})
}

// take gives what is there, at least one message unless tick comes first, and
// false when the queue is closed and empty.
func (q *queue) take(tick <-chan time.Time) ([]message, bool) {
	var batch []message
	select {
	case m, ok := <-q.messages:
		if !ok {
			return nil, false
		}
		batch = append(batch, m)
	case <-tick:
		return nil, true
	}
	wait := time.NewTimer(company)
	defer wait.Stop()
	for len(batch) < maxQueue {
		select {
		case m, ok := <-q.messages:
			if !ok {
				return batch, true
			}
			batch = append(batch, m)
		case <-wait.C:
			return batch, true
		}
	}
	return batch, true
}
