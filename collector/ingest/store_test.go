package ingest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/uplink/wire"
)

func TestARecordSentThriceIsStoredOnce(t *testing.T) {
	c := start(t)
	var mu sync.Mutex
	var shown []string
	c.OnStored = func(r store.StoredRecord) {
		mu.Lock()
		defer mu.Unlock()
		shown = append(shown, r.Key.String())
	}
	c.OnImage = func(key nrd.Key, kind nrd.ImageKind) {
		mu.Lock()
		defer mu.Unlock()
		shown = append(shown, key.String()+" "+string(kind))
	}
	c.run(t)
	c.approve(t, "unit-1")
	p := payloadsOf(t, "unit-1", 1, storetest.Noon)
	for range 3 {
		u := c.connect(t, "unit-1")
		u.send(t, wire.TopicRecord("unit-1"), p.text)
		if r := u.receipt(t, p.text, wire.Receipt_STORED); r.GetKind() != "record" || r.GetKey().GetSequence() != 1 {
			t.Errorf("the receipt is of %s %v", r.GetKind(), r.GetKey())
		}
		u.send(t, wire.TopicImage("unit-1"), p.patch)
		u.receipt(t, p.patch, wire.Receipt_STORED)
		u.send(t, wire.TopicImage("unit-1"), p.overview)
		u.receipt(t, p.overview, wire.Receipt_STORED)
		u.Disconnect(0)
	}
	if got, want := c.totals(t), (store.Totals{Records: 1, Images: 2, Days: 1}); got != want {
		t.Errorf("the store holds %+v, want %+v", got, want)
	}
	got, err := c.store.Record(context.Background(), p.record.Key)
	if err != nil {
		t.Fatal(err)
	}
	image, err := c.store.Image(context.Background(), p.record.Key, nrd.ImageOverview)
	if err != nil || !reflect.DeepEqual(image, p.record.Overview) {
		t.Errorf("the overview came changed, or: %v", err)
	}
	want := p.record
	want.Patch, want.Overview = nrd.Image{}, nrd.Image{}
	if !reflect.DeepEqual(got.Record, want) {
		t.Errorf("stored\n%+v, sent\n%+v", got.Record, want)
	}
	mu.Lock()
	defer mu.Unlock()
	key := p.record.Key.String()
	if want := []string{key, key + " patch", key + " overview"}; !reflect.DeepEqual(shown, want) {
		t.Errorf("who watches was shown %q, want %q", shown, want)
	}
	if n := c.Counts(); n.Stored != 3 || n.Duplicates != 6 {
		t.Errorf("counted %+v", n)
	}
}

func TestAnImpossibleTimeIsQuarantined(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	for i, year := range []int{1970, 2019, 2099} {
		p := payloadsOf(t, "unit-1", uint64(i+1), time.Date(year, 6, 1, 0, 0, 0, 0, time.UTC))
		p.send(t, u)
		if r := u.receipt(t, p.text, wire.Receipt_QUARANTINED); !strings.Contains(r.GetReason(), fmt.Sprint(year)) {
			t.Errorf("the reason is %q", r.GetReason())
		}
		u.receipt(t, p.patch, wire.Receipt_QUARANTINED)
		u.receipt(t, p.overview, wire.Receipt_QUARANTINED)
	}
	if got := c.totals(t); got.Records != 0 || got.Quarantined != 9 {
		t.Errorf("the store holds %+v", got)
	}
	p := payloadsOf(t, "unit-1", 10, storetest.Noon)
	p.send(t, u) // the rest goes on
	u.receipt(t, p.text, wire.Receipt_STORED)
}

func TestTheSameKeyWithAnotherRecordIsQuarantined(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	first, second := payloadsOf(t, "unit-1", 1, storetest.Noon), payloadsOf(t, "unit-1", 1, storetest.Noon.Add(time.Second))
	u.send(t, wire.TopicRecord("unit-1"), first.text)
	u.receipt(t, first.text, wire.Receipt_STORED)
	u.send(t, wire.TopicRecord("unit-1"), second.text)
	u.receipt(t, second.text, wire.Receipt_QUARANTINED)
}

func TestAMalformedMessageIsRefusedAndTheRestGoesOn(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	good := payloadsOf(t, "unit-1", 9, storetest.Noon)
	cut := good.overview[:len(good.overview)/2]
	foreign := payloadsOf(t, "unit-2", 1, storetest.Noon)
	huge := good.record
	huge.Overview = nrd.Image{JPEG: []byte("no JPEG at all"), Width: 1, Height: 1}
	for name, m := range map[string]struct {
		topic   string
		payload []byte
		kind    string
	}{
		"nothing":                {wire.TopicRecord("unit-1"), nil, "record"},
		"text":                   {wire.TopicRecord("unit-1"), []byte("hello"), "record"},
		"an image half":          {wire.TopicImage("unit-1"), cut, "overview"},
		"an image as a record":   {wire.TopicRecord("unit-1"), good.patch, "record"},
		"no JPEG":                {wire.TopicImage("unit-1"), marshal(t, wire.FromImage(huge.Key, nrd.ImageOverview, huge.Overview)), "overview"},
		"another device's key":   {wire.TopicRecord("unit-1"), foreign.text, "record"},
		"another device's image": {wire.TopicImage("unit-1"), foreign.patch, "patch"},
		"an event without a key": {wire.TopicEvent("unit-1"), marshal(t, &wire.Event{AtNs: 1}), "event"},
	} {
		u.send(t, m.topic, m.payload)
		r := u.receipt(t, m.payload, wire.Receipt_REFUSED)
		if r.GetReason() == "" || (r.GetKind() != m.kind && name != "an image half") {
			t.Errorf("%s: refused as %q because %q", name, r.GetKind(), r.GetReason())
		}
	}
	u.send(t, wire.TopicRecord("unit-1"), good.text)
	u.receipt(t, good.text, wire.Receipt_STORED)
	if got := c.totals(t); got.Records != 1 || got.Quarantined != 0 {
		t.Errorf("the store holds %+v", got)
	}
	if n := c.Counts(); n.Malformed != 8 {
		t.Errorf("counted %d malformed", n.Malformed)
	}
}

func TestAnEventIsStored(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	event := marshal(t, &wire.Event{Key: &wire.Key{Device: "unit-1", Epoch: 1, Sequence: 1}, AtNs: 1, What: &wire.Event_Drop{Drop: &wire.Drop{Kind: "image", Count: 3, Reason: "the buffer is full"}}})
	for range 2 {
		u.send(t, wire.TopicEvent("unit-1"), event)
		u.receipt(t, event, wire.Receipt_STORED)
	}
}

// failing fails inserts for as long as it is told to.
type failing struct {
	store.Store
	err atomic.Pointer[error]
}

func (f *failing) Insert(ctx context.Context, items []store.Item) ([]store.Result, error) {
	if err := f.err.Load(); err != nil {
		return nil, *err
	}
	return f.Store.Insert(ctx, items)
}

func TestAFullStoreSaysRetryAndStoresLater(t *testing.T) {
	var f *failing
	c := start(t, func(s store.Store) store.Store { f = &failing{Store: s}; return f }).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	p := payloadsOf(t, "unit-1", 1, storetest.Noon)
	for _, err := range []error{fmt.Errorf("insert: %w", store.ErrFull), context.DeadlineExceeded} {
		f.err.Store(&err)
		u.send(t, wire.TopicRecord("unit-1"), p.text)
		if r := u.receipt(t, p.text, wire.Receipt_RETRY); r.GetReason() == "" {
			t.Error("RETRY gives no reason")
		}
	}
	f.err.Store(nil)
	p.send(t, u)
	u.receipt(t, p.text, wire.Receipt_STORED)
	u.receipt(t, p.patch, wire.Receipt_STORED)
	u.receipt(t, p.overview, wire.Receipt_STORED)
}

// picky fails every batch that holds a certain record.
type picky struct {
	store.Store
	sequence uint64
}

func (p *picky) Insert(ctx context.Context, items []store.Item) ([]store.Result, error) {
	for _, item := range items {
		if item.Key.Sequence == p.sequence {
			return nil, fmt.Errorf("day 2026-11-20: images are missing")
		}
	}
	return p.Store.Insert(ctx, items)
}

func TestOneDamagedDayHoldsNobodyElseUp(t *testing.T) {
	c := start(t, func(s store.Store) store.Store { return &picky{s, 5} }).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	const n = 10
	for sequence := uint64(1); sequence <= n; sequence++ { // without waiting: they come as one batch or several
		u.Publish(wire.TopicRecord("unit-1"), 1, false, payloadsOf(t, "unit-1", sequence, storetest.Noon).text)
	}
	outcomes := map[wire.Receipt_Outcome]int{}
	for range n {
		select {
		case r := <-u.receipts:
			outcomes[r.GetOutcome()]++
		case <-time.After(deadline):
			t.Fatal("a receipt is missing")
		}
	}
	if outcomes[wire.Receipt_STORED] != n-1 || outcomes[wire.Receipt_RETRY] != 1 {
		t.Errorf("receipts: %v", outcomes)
	}
}

func TestShutdownLosesNothingThatHadAReceipt(t *testing.T) {
	c := start(t).run(t)
	const units, each = 3, 400
	var connected []*unit
	for i := range units {
		name := fmt.Sprintf("unit-%d", i)
		c.approve(t, name)
		connected = append(connected, c.connect(t, name))
	}
	var senders sync.WaitGroup
	for _, u := range connected {
		senders.Go(func() {
			for sequence := uint64(1); sequence <= each && u.IsConnectionOpen(); sequence++ {
				u.Publish(wire.TopicRecord(u.name), 1, false, payloadsOf(t, u.name, sequence, storetest.Noon).text)
			}
		})
	}
	eventually(t, "some receipts came", func() bool { return c.Counts().Stored > 20 })
	c.stop()
	for _, u := range connected {
		u.Disconnect(0)
	}
	senders.Wait()
	receipts := 0
	for _, u := range connected {
		for len(u.receipts) > 0 {
			r := <-u.receipts
			receipts++
			key := keyOf(r.GetKey())
			if _, err := c.store.Record(context.Background(), key); r.GetOutcome() != wire.Receipt_STORED || err != nil {
				t.Errorf("%s had the receipt %v: %v", key, r.GetOutcome(), err)
			}
		}
	}
	if receipts == 0 {
		t.Error("no receipt came at all")
	}
	if n := c.totals(t).Records; n < uint64(receipts) {
		t.Errorf("%d receipts for %d records", receipts, n)
	}
}

// TestWhatAnOfficerDidIsFiledByItsTimeOrWhenItCame is about clocks too: a unit may
// believe that it is 1970, or 2099.
func TestWhatAnOfficerDidIsFiledByItsTimeOrWhenItCame(t *testing.T) {
	c := start(t)
	var told atomic.Int32
	c.OnOfficer = func(e nrd.OfficerEvent) {
		if e.Disposition == nrd.DispositionStopped {
			told.Add(1)
		}
	}
	c.run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	now := c.Clock.Now()
	for i, at := range []time.Time{now.Add(-time.Hour), time.Unix(60, 0), time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)} {
		m := wire.FromOfficerEvent(nrd.OfficerEvent{Action: nrd.OfficerActed, Disposition: nrd.DispositionStopped, VRM: "AB12CDE", At: at, Lists: []string{"wanted"}})
		m.Key = &wire.Key{Device: "unit-1", Epoch: 1, Sequence: uint64(i + 1)}
		event := marshal(t, m)
		for range 2 {
			u.send(t, wire.TopicEvent("unit-1"), event)
			u.receipt(t, event, wire.Receipt_STORED)
		}
	}
	events, err := c.store.Officers(context.Background(), store.OfficerQuery{From: now.Add(-2 * time.Hour), To: now.Add(time.Hour)})
	if err != nil || len(events) != 3 || told.Load() != 3 {
		t.Fatalf("%d events near now, %d told, %v", len(events), told.Load(), err)
	}
	if last := events[2]; !last.Filed.Equal(now.Add(-time.Hour)) {
		t.Errorf("filed %s", last.Filed)
	}
}
