package ingest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/uplink/wire"
)

// heldUp is a store whose Insert waits until it is let go on.
type heldUp struct {
	store.Store
	goOn chan struct{}
}

func (h heldUp) Insert(ctx context.Context, items []store.Item) ([]store.Result, error) {
	<-h.goOn
	return h.Store.Insert(ctx, items)
}

// textsOf are the texts of so many records.
func textsOf(t testing.TB, device string, n int) [][]byte {
	t.Helper()
	texts := make([][]byte, n)
	for i := range texts {
		r := storetest.Record(device, uint64(i+1), "AB12CDE", storetest.Noon)
		texts[i] = marshal(t, wire.FromRecord(&r))
	}
	return texts
}

func TestWhileCentralIsSlowADeviceIsHeldUpThenCutOffAndLosesNothing(t *testing.T) {
	goOn := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(goOn) })
	defer letGo()
	c := start(t, func(s store.Store) store.Store { return heldUp{s, goOn} })
	c.queuePatience = 200 * time.Millisecond
	c.run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	// What a commit takes, what the queue holds, and more.
	texts := textsOf(t, "unit-1", 2*maxQueue+100)
	var tokens []paho.Token
	for _, text := range texts {
		tokens = append(tokens, u.Publish(wire.TopicRecord("unit-1"), 1, false, text))
	}
	select {
	case <-u.lost:
	case <-time.After(deadline):
		t.Fatal("a device that central has no room for is held up for ever")
	}
	acknowledged := 0
	for _, token := range tokens {
		if !token.WaitTimeout(deadline) {
			t.Fatal("a publish has no end")
		}
		if token.Error() == nil {
			acknowledged++
		}
	}
	if acknowledged < maxQueue || acknowledged > 2*maxQueue {
		t.Errorf("%d of %d were acknowledged; the queue holds %d and a commit as many", acknowledged, len(texts), maxQueue)
	}
	eventually(t, "the log says why", func() bool { return strings.Contains(c.log.String(), errBusy.Error()) })
	u.silent(t)
	if got := c.totals(t); got.Records != 0 {
		t.Errorf("the store holds %+v", got)
	}

	letGo()
	eventually(t, "what was acknowledged is stored", func() bool { return c.totals(t).Records == uint64(acknowledged) })
	u = c.connect(t, "unit-1")
	for chunk := range slices.Chunk(texts, maxQueue/2) {
		for _, text := range chunk {
			u.Publish(wire.TopicRecord("unit-1"), 1, false, text)
		}
		for range chunk {
			select {
			case r := <-u.receipts:
				if r.GetOutcome() != wire.Receipt_STORED {
					t.Fatalf("sent again: %v %q", r.GetOutcome(), r.GetReason())
				}
			case <-time.After(deadline):
				t.Fatal("no receipt")
			}
		}
	}
	if got := c.totals(t); got.Records != uint64(len(texts)) || got.Quarantined != 0 {
		t.Errorf("the store holds %+v, want %d records", got, len(texts))
	}
}

func TestWhileCentralIsSlowItsConnectionToAnotherBrokerIsGivenUp(t *testing.T) {
	c := start(t)
	defer c.store.Close() //nolint:errcheck // nothing is in it
	e := &external{in: c.Ingest, queue: newQueue(10 * time.Millisecond), inside: map[string]bool{}, busy: make(chan struct{}, 1)}
	text := textsOf(t, "unit-1", 1)[0]
	for range maxQueue {
		e.received(wire.TopicRecord("unit-1"), text)
	}
	if len(e.busy) != 0 {
		t.Fatal("it is given up while there is room")
	}
	e.received(wire.TopicRecord("unit-1"), text)
	if len(e.busy) != 1 {
		t.Error("a message for which there was no room has got lost, and the connection goes on")
	}
}
