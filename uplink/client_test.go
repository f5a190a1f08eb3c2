package uplink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/internal/identity"
	"nrd/internal/link"
	"nrd/uplink/wire"
)

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	payload, err := wire.Marshal(m)
	if err != nil {
		t.Error(err)
	}
	return payload
}

// waiting is how many items wait for a receipt.
func waiting(t testing.TB, b *Buffer) int {
	t.Helper()
	s := stats(t, b)
	return s.Records + s.Images + s.Events
}

func TestARecordLeavesTheBufferWithItsReceiptAndNotBefore(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.reply(func(arrived) wire.Receipt_Outcome { return wire.Receipt_UNSPECIFIED })
	client := c.client(b)
	type told struct {
		key           nrd.Key
		kind, outcome string
	}
	var mu sync.Mutex
	var receipts []told
	client.OnReceipt = func(key nrd.Key, kind, outcome string) {
		mu.Lock()
		defer mu.Unlock()
		receipts = append(receipts, told{key, kind, outcome})
	}
	var acked atomic.Int32
	client.dial = func(ctx context.Context, lc link.Config) (link.Link, error) {
		l, err := link.Connect(ctx, lc)
		return countingLink{l, &acked}, err
	}
	start(t, client)
	key := add(t, b, read(conf.Clock, "AB12CDE"))
	c.until("all parts have arrived", func(all []arrived) bool { return len(all) == 3 })
	eventually(t, "the broker has acknowledged all and a status", func() bool { return acked.Load() >= 4 })
	c.statuses(t, b, 5)
	if n := waiting(t, b); n != 3 {
		t.Fatalf("%d items wait; a broker's acknowledgement has removed some", n)
	}
	for _, a := range c.arrivals() {
		c.receipt("car-7", a, wire.Receipt_STORED)
	}
	eventually(t, "the buffer is empty", func() bool { return waiting(t, b) == 0 })
	eventually(t, "all receipts are told", func() bool { mu.Lock(); defer mu.Unlock(); return len(receipts) == 3 })
	want := []told{{key, "overview", "stored"}, {key, "record", "stored"}, {key, "patch", "stored"}}
	slices.SortFunc(receipts, func(a, b told) int { return strings.Compare(a.kind, b.kind) })
	slices.SortFunc(want, func(a, b told) int { return strings.Compare(a.kind, b.kind) })
	if !reflect.DeepEqual(receipts, want) {
		t.Errorf("told %v", receipts)
	}
}

// countingLink counts acknowledgements.
type countingLink struct {
	link.Link
	acked *atomic.Int32
}

func (l countingLink) Publish(topic string, retain bool, payload []byte, acked func(error)) {
	l.Link.Publish(topic, retain, payload, func(err error) {
		acked(err)
		l.acked.Add(1)
	})
}

func TestWhatCentralCannotTakeNowWaitsLongerEachTime(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.reply(func(arrived) wire.Receipt_Outcome { return wire.Receipt_RETRY })
	client := c.client(b)
	client.pace.retry, client.pace.most = time.Second, time.Minute
	start(t, client)
	add(t, b, text(read(conf.Clock, "AB12CDE")))
	for n, wait := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		c.until("it is tried", func(all []arrived) bool { return len(all) == n+1 })
		c.statuses(t, b, 5)
		manual(conf).advance(wait - 200*time.Millisecond)
		c.statuses(t, b, 5)
		if got := len(c.arrivals()); got != n+1 {
			t.Fatalf("after try %d it was sent again before %s had passed", n+1, wait)
		}
		manual(conf).advance(200 * time.Millisecond)
	}
}

func TestCentralSeesHitsFirstAndTextBeforeImages(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	for n := range 3 {
		add(t, b, read(conf.Clock, nrd.VRM(fmt.Sprintf("READ%d", n))))
		add(t, b, hit(conf.Clock, nrd.VRM(fmt.Sprintf("HIT%d", n))))
	}
	start(t, c.client(b))
	c.until("all is there", func(all []arrived) bool { return len(all) == 18 })
	var order []string
	for _, a := range c.arrivals() {
		order = append(order, a.kind+" "+string(a.vrm))
		if a.kind != "record" {
			order[len(order)-1] = a.kind + " of " + map[bool]string{true: "a hit", false: "a read"}[a.key.Sequence%2 == 0]
		}
	}
	if hits := order[:3]; !reflect.DeepEqual(hits, []string{"record HIT0", "record HIT1", "record HIT2"}) {
		t.Errorf("central saw %q", order)
	}
	read := slices.Index(order, "record READ0")
	if read < 0 || !reflect.DeepEqual(order[read:read+3], []string{"record READ0", "record READ1", "record READ2"}) ||
		slices.IndexFunc(order, func(s string) bool { return strings.HasSuffix(s, "of a read") }) < read {
		t.Errorf("central saw %q", order)
	}
}

func TestNothingIsLostWhileTheConnectionKeepsBreaking(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	start(t, c.client(b))
	const records = 150
	var appending sync.WaitGroup
	appending.Go(func() {
		for n := range records {
			r := read(conf.Clock, nrd.VRM(fmt.Sprintf("N%d", n)))
			if n%10 == 0 {
				r = hit(conf.Clock, nrd.VRM(fmt.Sprintf("N%d", n)))
			}
			if _, err := b.Append(r); err != nil {
				t.Error(err)
			}
		}
	})
	clock := manual(conf)
	for range 15 {
		before := len(c.arrivals())
		c.until("something more has arrived", func(all []arrived) bool { return len(all) > before+rand.IntN(10) || len(all) >= 3*records })
		c.proxy.Cut()
		clock.advance(2 * time.Minute) // receipts that were lost with the connection are late
	}
	appending.Wait()
	eventually(t, "the buffer is empty", func() bool { clock.advance(time.Second); return waiting(t, b) == 0 })
	digests := map[string][32]byte{}
	for _, a := range c.arrivals() {
		id := a.key.String() + a.kind
		if had, twice := digests[id]; twice && had != a.digest {
			t.Errorf("%s arrived twice and not the same", id)
		}
		digests[id] = a.digest
	}
	if len(digests) != 3*records {
		t.Errorf("%d of %d items arrived", len(digests), 3*records)
	}
	if s := stats(t, b); s.DeadLetters != 0 {
		t.Errorf("%d dead letters", s.DeadLetters)
	}
}

func TestWhatHasNoReceiptInTimeIsSentAgain(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.reply(func(arrived) wire.Receipt_Outcome { return wire.Receipt_UNSPECIFIED })
	start(t, c.client(b))
	add(t, b, text(read(conf.Clock, "AB12CDE")))
	c.until("it has arrived", func(all []arrived) bool { return len(all) == 1 })
	c.reply(always)
	eventually(t, "it is sent again and stored", func() bool {
		manual(conf).advance(10 * time.Second)
		return waiting(t, b) == 0
	})
	if all := c.arrivals(); all[0] != all[1] {
		t.Errorf("what came again was not the same: %v", all)
	}
}

func TestALateReceiptCountsAfterAReconnect(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.reply(func(arrived) wire.Receipt_Outcome { return wire.Receipt_UNSPECIFIED })
	stop := start(t, c.client(b))
	add(t, b, hit(conf.Clock, "AB12CDE"))
	c.until("it has arrived", func(all []arrived) bool { return len(all) == 3 })
	stop()
	client := c.client(b)
	client.pace.status = time.Hour
	s := &session{Client: client, flights: map[part64]*flight{}}
	if err := client.initialize(); err != nil {
		t.Fatal(err)
	}
	for _, a := range c.arrivals() {
		item := wire.FromReceipt(a.key, a.kind, a.digest, wire.Receipt_STORED, "")
		s.inbox = make(chan message)
		s.take(message{wire.TopicReceipt("car-7"), marshal(t, &wire.Receipt{Items: []*wire.Receipt_Item{item}})})
	}
	if n := waiting(t, b); n != 0 {
		t.Errorf("%d items still wait", n)
	}
}

func TestEachOutcomeDoesWhatItSays(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	var mu sync.Mutex
	retries := 0
	c.reply(func(a arrived) wire.Receipt_Outcome {
		mu.Lock()
		defer mu.Unlock()
		switch a.vrm {
		case "BAD":
			return wire.Receipt_REFUSED
		case "ODD":
			return wire.Receipt_QUARANTINED
		case "LATER":
			if retries++; retries < 4 {
				return wire.Receipt_RETRY
			}
		}
		return wire.Receipt_STORED
	})
	bad := add(t, b, text(hit(conf.Clock, "BAD")))
	add(t, b, text(read(conf.Clock, "ODD")))
	add(t, b, text(read(conf.Clock, "LATER")))
	add(t, b, text(read(conf.Clock, "GOOD")))
	start(t, c.client(b))
	eventually(t, "all are answered for good", func() bool {
		manual(conf).advance(5 * time.Millisecond)
		return waiting(t, b) == 0
	})
	letters, err := b.DeadLetters()
	if err != nil || len(letters) != 1 || letters[0].Key != bad || letters[0].Reason != "central refused it: because" {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	if n := len(c.arrivals()); n != 7 {
		t.Errorf("central got %d items; want each once and the retried one four times", n)
	}
}

func TestAReceiptForOtherBytesOrAnUnknownOutcomeCountsForNothing(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.reply(func(arrived) wire.Receipt_Outcome { return wire.Receipt_UNSPECIFIED })
	var log logged
	client := c.client(b)
	client.Log = slog.New(slog.NewTextHandler(&log, nil))
	start(t, client)
	add(t, b, text(read(conf.Clock, "AB12CDE")))
	c.until("it has arrived", func(all []arrived) bool { return len(all) == 1 })
	a := c.arrivals()[0]
	other := a
	other.digest[0] ^= 1
	c.receipt("car-7", other, wire.Receipt_STORED)
	c.receipt("car-7", a, wire.Receipt_Outcome(99))
	c.send(wire.TopicReceipt("car-7"), []byte("this is no receipt"))
	c.send(wire.TopicCommand("car-7"), []byte("this is no command"))
	eventually(t, "both are in the log", func() bool {
		return strings.Contains(log.String(), "for other bytes") && strings.Count(log.String(), "not understood") == 2
	})
	if waiting(t, b) != 1 {
		t.Error("the record was removed")
	}
	if strings.Contains(log.String(), "AB12CDE") {
		t.Error("a VRM is in the log")
	}
}

func TestAPausedDeviceKeepsEverythingAndSaysWhy(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	client := c.client(b)
	start(t, client)
	eventually(t, "it is connected", func() bool { s, _ := c.retained(t, "car-7"); return s != nil })
	pause := &wire.Command{What: &wire.Command_Paused{Paused: &wire.Paused{Reason: "the unit is not approved"}}}
	c.send(wire.TopicCommand("car-7"), marshal(t, pause))
	eventually(t, "it says why", func() bool {
		return slices.ContainsFunc(client.Problems(), func(p string) bool { return strings.Contains(p, "the unit is not approved") })
	})
	add(t, b, hit(conf.Clock, "AB12CDE"))
	at, _ := c.retained(t, "car-7")
	manual(conf).advance(time.Second)
	eventually(t, "another status has come", func() bool { s, _ := c.retained(t, "car-7"); return s.At.After(at.At) })
	if n := len(c.arrivals()); n != 0 || waiting(t, b) != 3 {
		t.Errorf("a paused device sent %d items", n)
	}
	c.send(wire.TopicCommand("car-7"), marshal(t, &wire.Command{What: &wire.Command_Resumed{Resumed: &wire.Resumed{}}}))
	eventually(t, "all is sent", func() bool { return waiting(t, b) == 0 })
	if p := client.Problems(); len(p) != 0 {
		t.Errorf("problems: %v", p)
	}
}

func TestStatusIsRetainedAndSaysWhenADeviceIsGone(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	stop := start(t, c.client(b))
	eventually(t, "it is online", func() bool { s, offline := c.retained(t, "car-7"); return s != nil && !offline && s.Software == "test" })
	c.proxy.Block(true)
	c.proxy.Cut()
	eventually(t, "the last will says that it is gone", func() bool { s, offline := c.retained(t, "car-7"); return offline && s.At.IsZero() })
	c.proxy.Block(false)
	eventually(t, "it is back", func() bool { _, offline := c.retained(t, "car-7"); return !offline })
	stop()
	if s, offline := c.retained(t, "car-7"); !offline || s.At.IsZero() {
		t.Errorf("after a clean end: offline %v, %+v", offline, s)
	}
}

func TestASecondAgentOfTheSameNameIsNoticed(t *testing.T) {
	conf, other := config(t), config(t)
	c := newCentral(t)
	first, second := c.client(open(t, conf)), c.client(open(t, other))
	// Chance is what parts them: in step they would cut each other off for ever.
	for _, client := range []*Client{first, second} {
		client.random, client.pace.most = rand.Float64, 300*time.Millisecond
		start(t, client)
	}
	eventually(t, "one of them says so", func() bool {
		return slices.ContainsFunc(append(first.Problems(), second.Problems()...), func(p string) bool {
			return strings.Contains(p, "another agent uses this device's certificate")
		})
	})
	// Both still get their records through.
	add(t, first.Buffer, read(conf.Clock, "FIRST"))
	add(t, second.Buffer, read(other.Clock, "SECOND"))
	eventually(t, "both are stored", func() bool {
		manual(conf).advance(time.Second)
		manual(other).advance(time.Second)
		return waiting(t, first.Buffer)+waiting(t, second.Buffer) == 0
	})
}

func TestReceiptsOfAnotherBufferShowASecondAgent(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	client := c.client(b)
	start(t, client)
	eventually(t, "it is connected", func() bool { s, _ := c.retained(t, "car-7"); return s != nil })
	c.receipt("car-7", arrived{key: nrd.Key{Device: "car-7", Epoch: b.epoch + 1, Sequence: 1}, kind: "record"}, wire.Receipt_STORED)
	eventually(t, "it says so", func() bool {
		p := client.Problems()
		return len(p) == 1 && strings.HasPrefix(p[0], "another agent uses")
	})
}

func TestAnItemThatEndsEveryConnectionIsSetAside(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.swallow = func(a arrived) bool { return a.vrm == "POISON" }
	add(t, b, text(read(conf.Clock, "BEFORE")))
	poison := add(t, b, text(read(conf.Clock, "POISON")))
	for range 20 {
		add(t, b, read(conf.Clock, "AFTER"))
	}
	start(t, c.client(b))
	eventually(t, "all others are stored", func() bool { return waiting(t, b) == 0 })
	letters, err := b.DeadLetters()
	if err != nil || len(letters) != 1 || letters[0].Key != poison || !strings.Contains(letters[0].Reason, "ended the connection") {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
}

func TestAWrongCertificateIsAProblemInWords(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	elsewhere := newSite(t)
	for name, wrong := range map[string]func(*Client){
		"our device, another site's central": func(client *Client) {
			foreign, err := identity.ClientTLS(pem(elsewhere, "car-7"))
			if err != nil {
				t.Fatal(err)
			}
			client.TLS = foreign
		},
		"another site's device, our central": func(client *Client) {
			foreign, err := identity.ClientTLS(pem(elsewhere, "car-7"))
			if err != nil {
				t.Fatal(err)
			}
			foreign.RootCAs = client.TLS.RootCAs
			client.TLS = foreign
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := c.client(b)
			wrong(client)
			start(t, client)
			eventually(t, "it says so", func() bool {
				p := client.Problems()
				return len(p) == 1 && strings.Contains(p[0], identity.ErrOtherSite.Error())
			})
		})
	}
}

func TestAConfigurationThatCannotWorkEndsRun(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	for field, spoil := range map[string]func(*Client){
		"TLS":            func(c *Client) { c.TLS = nil },
		"another device": func(c *Client) { c.Device = "car-8" },
		"broker":         func(c *Client) { c.Broker = "tcp://127.0.0.1:1883" },
		"tls://host":     func(c *Client) { c.Broker = "tls://127.0.0.1" },
	} {
		client := c.client(b)
		spoil(client)
		if err := client.Run(context.Background()); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	client := c.client(b)
	client.Broker = "tls://127.0.0.1:1"
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := client.Run(ctx); err != nil {
		t.Errorf("ended by its context: %v", err)
	}
}

func TestWaitsGrowToALimitAndVary(t *testing.T) {
	c := &Client{pace: &usualPace, random: func() float64 { return 0 }}
	var least []time.Duration
	for n := range 8 {
		least = append(least, c.backOff(n))
	}
	half := time.Second / 2
	want := []time.Duration{half, 2 * half, 4 * half, 8 * half, 16 * half, 32 * half, 60 * half, 60 * half}
	if !reflect.DeepEqual(least, want) {
		t.Errorf("waits %v, want %v", least, want)
	}
	c.random = func() float64 { return 0.999999 }
	if got := c.backOff(1000); got < 89*time.Second || got > 90*time.Second {
		t.Errorf("the longest wait is %s", got)
	}
}

func TestAFailingBufferIsNoReasonToForgetReceipts(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	client := c.client(b)
	add(t, b, text(read(conf.Clock, "AB12CDE")))
	if err := client.initialize(); err != nil {
		t.Fatal(err)
	}
	i := queue(t, b)[0]
	s := &session{Client: client, flights: map[part64]*flight{{1, partRecord}: {id: i.id}}}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	s.settle(&receipts{removes: []itemID{i.id}})
	if len(s.flights) != 1 {
		t.Error("an item whose receipt could not be written was forgotten")
	}
	if _, err := b.Append(read(conf.Clock, "A1")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
