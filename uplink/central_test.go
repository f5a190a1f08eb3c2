package uplink

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"nrd"
	"nrd/internal/identity"
	"nrd/internal/link/linktest"
	"nrd/uplink/wire"
)

// realTime is the clock for certificates, which crypto/tls checks.
type realTime struct{}

func (realTime) Now() time.Time   { return time.Now() }
func (realTime) Stamp() nrd.Stamp { return nrd.Stamp{UTC: time.Now()} }

// newSite makes a site with certificates of central and of car-7.
func newSite(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	site, err := identity.NewSite(dir, realTime{})
	if err != nil {
		t.Fatal(err)
	}
	if err := site.IssueServer(dir, "central", []string{"127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	if err := site.IssueDevice(dir, "car-7"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func pem(dir, name string) (ca, cert, key string) {
	return filepath.Join(dir, "ca.pem"), filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
}

// central is a broker that answers as a test says. It listens with TLS behind a
// proxy that can cut connections.
type central struct {
	mochi.HookBase
	t      testing.TB
	server *mochi.Server
	site   string
	proxy  *linktest.Proxy
	ended  sync.WaitGroup

	mu sync.Mutex
	// answer decides what becomes of an item; UNSPECIFIED: no receipt.
	answer func(arrived) wire.Receipt_Outcome
	// forbidden are topics to which nobody may listen.
	forbidden []string
	// swallow ends the connection instead of taking an item.
	swallow func(arrived) bool
	all     []arrived
	news    chan struct{}
	// inside is the newest connection of each name, visits how many there were.
	inside map[string]*mochi.Client
	visits int
}

// arrived is an item that came to central.
type arrived struct {
	key    nrd.Key
	kind   string
	vrm    nrd.VRM
	digest [32]byte
}

func always(arrived) wire.Receipt_Outcome { return wire.Receipt_STORED }

func newCentral(t testing.TB) *central {
	t.Helper()
	c := &central{t: t, site: newSite(t), answer: always, news: make(chan struct{}, 1), inside: map[string]*mochi.Client{}}
	config, err := identity.ServerTLS(pem(c.site, "central"))
	if err != nil {
		t.Fatal(err)
	}
	c.server = mochi.New(&mochi.Options{InlineClient: true, Logger: discard()})
	if err := c.server.AddHook(c, nil); err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	door := &door{Listener: listener, open: map[net.Conn]bool{}}
	if err := c.server.AddListener(listeners.NewNet("tls", door)); err != nil {
		t.Fatal(err)
	}
	if err := c.server.Serve(); err != nil {
		t.Fatal(err)
	}
	c.proxy = linktest.NewProxy(t, listener.Addr().String())
	t.Cleanup(func() {
		c.ended.Wait()
		door.shut()
		c.server.Listeners.ClientsWg.Wait() // as central does
		if err := c.server.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// door is the broker's listener. The broker must not be closed while one of its
// connections only just begins, so shut ends them all and waits.
type door struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
	gone sync.WaitGroup
}

func (d *door) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[c] = true
	d.gone.Add(1)
	return &visitor{Conn: c, door: d}, nil
}

func (d *door) shut() {
	d.Close() //nolint:errcheck // the broker closes it again
	d.mu.Lock()
	for c := range d.open {
		c.Close() //nolint:errcheck // there is nobody to tell
	}
	d.mu.Unlock()
	d.gone.Wait()
}

type visitor struct {
	net.Conn
	door *door
	once sync.Once
}

func (v *visitor) Close() error {
	err := v.Conn.Close()
	v.once.Do(func() {
		v.door.mu.Lock()
		delete(v.door.open, v.Conn)
		v.door.mu.Unlock()
		v.door.gone.Done()
	})
	return err
}

func (c *central) ID() string { return "test" }
func (c *central) Provides(b byte) bool {
	return slices.Contains([]byte{mochi.OnConnectAuthenticate, mochi.OnSessionEstablished, mochi.OnACLCheck, mochi.OnPublish}, b)
}

// OnConnectAuthenticate names each connection anew, as central does: the
// broker's own way of ending an older session may end the newer one's instead.
func (c *central) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.visits++
	cl.Properties.Username = []byte(pk.Connect.ClientIdentifier)
	cl.ID = fmt.Sprintf("%s %d", pk.Connect.ClientIdentifier, c.visits)
	return true
}

// OnSessionEstablished ends the older connection of the same name.
func (c *central) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	name := string(cl.Properties.Username)
	c.mu.Lock()
	older := c.inside[name]
	c.inside[name] = cl
	c.mu.Unlock()
	if older != nil {
		older.Stop(packets.ErrSessionTakenOver)
	}
}

func (c *central) OnACLCheck(_ *mochi.Client, topic string, write bool) bool {
	return write || !slices.Contains(c.forbidden, topic)
}

func (c *central) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	device, kind, err := wire.ParseTopic(pk.TopicName)
	if err != nil || cl.Net.Inline || kind == "status" {
		return pk, err
	}
	a := c.read(kind, pk.Payload)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.swallow != nil && c.swallow(a) {
		cl.Stop(packets.ErrPacketTooLarge)
		return pk, packets.ErrRejectPacket
	}
	c.all = append(c.all, a)
	outcome := c.answer(a)
	if outcome != wire.Receipt_UNSPECIFIED {
		c.ended.Go(func() { c.receipt(device, a, outcome) })
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
	return pk, nil
}

func (c *central) read(kind string, payload []byte) arrived {
	a := arrived{kind: kind, digest: wire.Digest(payload)}
	var err error
	switch kind {
	case "record":
		var m wire.Record
		err = wire.Unmarshal(payload, &m)
		a.vrm = nrd.VRM(m.GetRead().GetVrm())
		if err == nil {
			a.key, err = wire.ToKey(m.GetKey())
		}
	case "image":
		var m wire.Image
		err = wire.Unmarshal(payload, &m)
		a.kind = m.GetKind()
		if err == nil {
			a.key, _, _, err = wire.ToImage(&m)
		}
	case "event":
		var m wire.Event
		err = wire.Unmarshal(payload, &m)
		if err == nil {
			a.key, err = wire.CheckEvent(&m)
		}
	}
	if err != nil {
		c.t.Errorf("central got a bad %s: %v", kind, err)
	}
	return a
}

func (c *central) receipt(device string, a arrived, outcome wire.Receipt_Outcome) {
	item := wire.FromReceipt(a.key, a.kind, a.digest, outcome, "because")
	c.send(wire.TopicReceipt(device), marshal(c.t, &wire.Receipt{Items: []*wire.Receipt_Item{item}}))
}

func (c *central) send(topic string, payload []byte) {
	if err := c.server.Publish(topic, payload, false, 1); err != nil {
		c.t.Error(err)
	}
}

// reply changes what becomes of items from now on.
func (c *central) reply(answer func(arrived) wire.Receipt_Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = answer
}

func (c *central) arrivals() []arrived {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}

// came is how many connections there were.
func (c *central) came() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.visits
}

// until waits until central has got something that satisfies enough.
func (c *central) until(what string, enough func(all []arrived) bool) {
	c.t.Helper()
	timeout := time.After(20 * time.Second)
	for !enough(c.arrivals()) {
		select {
		case <-c.news:
		case <-timeout:
			c.t.Fatalf("waited in vain until %s; central has %d items", what, len(c.arrivals()))
		}
	}
}

// eventually looks again and again, for what nobody signals.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for range 4000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("waited in vain until %s", what)
}

func (c *central) retained(t testing.TB, device string) (*nrd.Status, bool) {
	t.Helper()
	retained := c.server.Topics.Messages(wire.TopicStatus(device))
	if len(retained) == 0 {
		return nil, false
	}
	var m wire.Status
	if err := wire.Unmarshal(retained[0].Payload, &m); err != nil {
		t.Fatal(err)
	}
	s, offline, err := wire.ToStatus(&m)
	if err != nil {
		t.Fatal(err)
	}
	return s, offline
}

// statuses waits until n more statuses have come, so that the client has done
// what there was to do. It moves the buffer's clock by a millisecond for each.
func (c *central) statuses(t testing.TB, b *Buffer, n int) {
	t.Helper()
	for range n {
		b.clock.(*clock).advance(time.Millisecond) //nolint:errcheck // config made it
		now := b.clock.Now()
		eventually(t, "another status comes", func() bool {
			s, _ := c.retained(t, "car-7")
			return s != nil && !s.At.Before(now)
		})
	}
}

// quick is a pace for tests. Deadlines are the test clock's.
func quick() *pace {
	return &pace{tick: 5 * time.Millisecond, status: 20 * time.Millisecond, receipt: time.Minute, retry: 2 * time.Millisecond, most: 20 * time.Millisecond, steady: time.Minute}
}

// client makes a client of a central for a buffer, with the site's certificate.
func (c *central) client(b *Buffer) *Client {
	c.t.Helper()
	config, err := identity.ClientTLS(pem(c.site, "car-7"))
	if err != nil {
		c.t.Fatal(err)
	}
	return &Client{
		Broker: "tls://" + c.proxy.Address, TLS: config, Device: "car-7", Buffer: b, Clock: b.clock, Log: discard(),
		Status: func() nrd.Status { return nrd.Status{At: b.clock.Now(), Software: "test"} },
		pace:   quick(), random: func() float64 { return 0.5 },
	}
}

// start runs a client until the test ends or stop is called.
func start(t testing.TB, c *Client) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// logged is a log that a test reads.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
