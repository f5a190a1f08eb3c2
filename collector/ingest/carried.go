package ingest

import (
	"context"
	"fmt"
	"io"

	"nrd/internal/identity"
	"nrd/uplink/carry"
	"nrd/uplink/wire"
)

// Imported says what became of the items of a file: those that are held now
// (Stored just now, Duplicates from before, Quarantined), and those that are not:
// Refused for good, or for Later.
type Imported struct {
	Stored      int `json:"stored"`
	Duplicates  int `json:"duplicates"`
	Quarantined int `json:"quarantined"`
	Refused     int `json:"refused"`
	Later       int `json:"later"`
	// Reasons counts why items were quarantined, refused or left for later.
	Reasons map[string]int `json:"reasons,omitempty"`
}

// Items is how many there were.
func (i Imported) Items() int {
	return i.Stored + i.Duplicates + i.Quarantined + i.Refused + i.Later
}

// maxReasons is how many different reasons are told.
const maxReasons = 20

// Import stores what was carried here by hand (package carry, in the clear) as if
// it had come over the network: the same payload is held once, whichever way it
// came. Nothing proves which device wrote a file, so who imports it vouches for
// it; the devices that it names must be approved. in is one that does not Run:
// what it counts is the file's. The error is carry.ErrFormat for a file that is
// none or was cut off; what came before that is counted and held.
func (in *Ingest) Import(ctx context.Context, from io.Reader) (Imported, error) {
	file := &carried{reasons: map[string]int{}}
	c := newCommitter(in, file, nil)
	var batch []message
	err := carry.Read(from, nil, func(kind string, payload []byte) error {
		m, err := messageOf(kind, payload)
		if err != nil {
			in.counts.malformed.Add(1)
			file.because(err.Error())
			return ctx.Err()
		}
		m.received = in.Clock.Now()
		if batch = append(batch, m); len(batch) == maxQueue {
			c.commit(ctx, batch)
			batch = batch[:0]
		}
		return ctx.Err()
	})
	c.commit(ctx, batch)
	n := in.Counts()
	return Imported{
		Stored: int(n.Stored), Duplicates: int(n.Duplicates), Quarantined: int(n.Quarantined),
		Refused: int(n.Malformed), Later: int(n.Retried), Reasons: file.reasons,
	}, err
}

// messageOf makes a payload the message that its device would have published.
func messageOf(kind string, payload []byte) (message, error) {
	key, err := wire.KeyOf(payload)
	if err == nil {
		err = identity.ValidDevice(key.Device)
	}
	if err != nil {
		return message{}, fmt.Errorf("a %s: %w", kind, err)
	}
	device := key.Device
	topic := wire.TopicImage(device)
	switch kind {
	case wire.KindRecord:
		topic = wire.TopicRecord(device)
	case wire.KindEvent:
		topic = wire.TopicEvent(device)
	}
	return message{device: device, topic: topic, payload: payload}, nil
}

// carried is the way that a file came: nobody waits for its receipts.
type carried struct{ reasons map[string]int }

func (*carried) devices() []string { return nil }
func (*carried) rivals() []string  { return nil }
func (*carried) cut(string, error) {}

// publish counts the reasons in a receipt.
func (f *carried) publish(_ string, payload []byte) error {
	var r wire.Receipt
	if err := wire.Unmarshal(payload, &r); err != nil {
		return err
	}
	for _, item := range r.GetItems() {
		if item.GetReason() != "" {
			f.because(item.GetReason())
		}
	}
	return nil
}

func (f *carried) because(reason string) {
	if _, told := f.reasons[reason]; !told && len(f.reasons) == maxReasons {
		reason = "other reasons"
	}
	f.reasons[reason]++
}
