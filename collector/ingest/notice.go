package ingest

import (
	"sync"

	"nrd/uplink/wire"
)

// notice is the newest word of what is published, and the way to say it.
type notice struct {
	mu      sync.Mutex
	payload []byte
	send    func([]byte) error
}

// Notice tells every device that something was published or withdrawn; one that
// is not there learns of it when it comes. It says nothing but the number.
func (in *Ingest) Notice(number int64) {
	payload, err := wire.Marshal(&wire.Notice{Number: uint64(max(number, 0))})
	if err == nil {
		err = in.notice.say(payload)
	}
	if err != nil {
		in.Log.Error("devices were not told that something is published", "error", err)
	}
}

func (n *notice) say(payload []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.payload = payload
	if n.send == nil {
		return nil
	}
	return n.send(payload)
}

// by sets the way, nil for none; what was to be said before is said now.
func (n *notice) by(send func([]byte) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.send = send
	if send != nil && n.payload != nil {
		send(n.payload) //nolint:errcheck // a way that fails is over, and the next one says it again
	}
}
