package ingest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"image"
	"image/jpeg"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/collector/store/storetest"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is how long a test waits for what must come.
const deadline = time.Minute

// central is a real ingest over a real store, with the site that it belongs to.
type central struct {
	*Ingest
	dir   string
	site  *identity.Site
	store *sqlite.Store
	clock *clock.Manual
	log   *journal
	stop  func()
}

// journal keeps what was logged.
type journal struct {
	mu sync.Mutex
	bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Buffer.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.Buffer.String()
}

// wrap lets a test stand between ingest and its store.
type wrap func(store.Store) store.Store

func start(t testing.TB, wrappers ...wrap) *central {
	t.Helper()
	c := &central{dir: t.TempDir(), clock: clock.NewManual(storetest.Noon.Add(time.Hour)), log: &journal{}}
	// Certificates are checked against real time.
	must(t, func() (err error) { c.site, err = identity.NewSite(c.dir, clock.System()); return })
	must(t, func() error { return c.site.IssueServer(c.dir, "central", []string{"127.0.0.1"}) })
	must(t, func() (err error) {
		c.store, err = sqlite.Open(sqlite.Config{Dir: filepath.Join(c.dir, "store"), Key: sealed.NewKey(), Clock: c.clock})
		return
	})
	var config *tls.Config
	must(t, func() (err error) {
		config, err = identity.ServerTLS(c.file("ca.pem"), c.file("central.pem"), c.file("central.key"))
		return
	})
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	var s store.Store = c.store
	for _, w := range wrappers {
		s = w(s)
	}
	c.Ingest = &Ingest{
		Listen: "127.0.0.1:0", TLS: config, Store: s, Profile: profile, Clock: c.clock,
		Log: slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	return c
}

// run starts it; the test's end stops it.
func (c *central) run(t testing.TB) *central {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	var once sync.Once
	c.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
	t.Cleanup(func() {
		c.stop()
		if err := c.store.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	eventually(t, "it listens", func() bool { return c.Addr() != nil })
	return c
}

func (c *central) file(name string) string { return filepath.Join(c.dir, name) }

// approve makes a device that may send.
func (c *central) approve(t testing.TB, device string) {
	t.Helper()
	must(t, func() error {
		return c.store.ChangeDevice(context.Background(), device, func(d *store.Device) error {
			d.Approved, d.ApprovedBy, d.Reference = storetest.Noon, "ann", "DPIA-1"
			return nil
		})
	})
}

func must(t testing.TB, f func() error) {
	t.Helper()
	if err := f(); err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("this did not happen in %s: %s", deadline, what)
		}
	}
}

// unit is a device's real MQTT client.
type unit struct {
	paho.Client
	name     string
	receipts chan *wire.Receipt_Item
	commands chan *wire.Command
	lost     chan struct{} // closed when the connection has ended
}

// options of a client of the device with a certificate of the site in dir.
func (c *central) options(t testing.TB, device string) *paho.ClientOptions {
	t.Helper()
	must(t, func() error { return c.site.IssueDevice(c.dir, device) })
	config, err := identity.ClientTLS(c.file("ca.pem"), c.file(device+".pem"), c.file(device+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return paho.NewClientOptions().AddBroker("ssl://" + c.Addr().String()).SetTLSConfig(config).SetClientID(device).
		SetAutoReconnect(false).SetConnectRetry(false).SetCleanSession(true).SetOrderMatters(false).
		SetConnectTimeout(deadline).SetWriteTimeout(deadline)
}

// connect brings a device in, listening to its receipts and commands.
func (c *central) connect(t testing.TB, device string) *unit {
	t.Helper()
	u := &unit{name: device, receipts: make(chan *wire.Receipt_Item, 1000), commands: make(chan *wire.Command, 10), lost: make(chan struct{})}
	options := c.options(t, device).SetConnectionLostHandler(func(paho.Client, error) { close(u.lost) })
	u.Client = paho.NewClient(options)
	wait(t, u.Connect())
	t.Cleanup(func() { u.Disconnect(0) })
	wait(t, u.Subscribe(wire.TopicReceipt(device), 1, func(_ paho.Client, m paho.Message) {
		var r wire.Receipt
		if err := proto.Unmarshal(m.Payload(), &r); err != nil {
			t.Errorf("a receipt that is none: %v", err)
		}
		for _, item := range r.GetItems() {
			u.receipts <- item
		}
	}))
	wait(t, u.Subscribe(wire.TopicCommand(device), 1, func(_ paho.Client, m paho.Message) {
		var command wire.Command
		if err := proto.Unmarshal(m.Payload(), &command); err != nil {
			t.Errorf("a command that is none: %v", err)
		}
		u.commands <- &command
	}))
	return u
}

func wait(t testing.TB, token paho.Token) {
	t.Helper()
	if !token.WaitTimeout(deadline) {
		t.Fatal("the broker does not answer")
	}
	if err := token.Error(); err != nil {
		t.Fatal(err)
	}
}

// send publishes and waits until the broker has acknowledged.
func (u *unit) send(t testing.TB, topic string, payload []byte) {
	t.Helper()
	wait(t, u.Publish(topic, 1, false, payload))
}

// receipt waits for the next receipt and wants this outcome for this payload.
func (u *unit) receipt(t testing.TB, payload []byte, want wire.Receipt_Outcome) *wire.Receipt_Item {
	t.Helper()
	select {
	case r := <-u.receipts:
		digest := wire.Digest(payload)
		if r.GetOutcome() != want || !bytes.Equal(r.GetDigest(), digest[:]) {
			t.Fatalf("the receipt is %v %q of %x, want %v of %x", r.GetOutcome(), r.GetReason(), r.GetDigest(), want, digest)
		}
		return r
	case <-time.After(deadline):
		t.Fatalf("no receipt, want %v", want)
	}
	return nil
}

func (u *unit) command(t testing.TB) *wire.Command {
	t.Helper()
	select {
	case c := <-u.commands:
		return c
	case <-time.After(deadline):
		t.Fatal("no command")
	}
	return nil
}

// silent wants that nothing comes. What could come would have been sent with or
// before the answer to a publish, so a last one is sent and answered first.
func (u *unit) silent(t testing.TB) {
	t.Helper()
	select {
	case r := <-u.receipts:
		t.Errorf("an unexpected receipt: %v %q", r.GetOutcome(), r.GetReason())
	default:
	}
}

// payloads are a record's three messages as its device sends them.
type payloads struct {
	record                nrd.Record
	text, patch, overview []byte
}

func payloadsOf(t testing.TB, device string, sequence uint64, captured time.Time) payloads {
	t.Helper()
	p := payloads{record: storetest.Record(device, sequence, "AB12CDE", captured)}
	p.record.Patch, p.record.Overview = picture(t, 120, 60, sequence, 3000), picture(t, 720, 405, sequence, 25000)
	p.text = marshal(t, wire.FromRecord(&p.record))
	p.patch = marshal(t, wire.FromImage(p.record.Key, nrd.ImagePatch, p.record.Patch))
	p.overview = marshal(t, wire.FromImage(p.record.Key, nrd.ImageOverview, p.record.Overview))
	return p
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	payload, err := wire.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

var (
	picturesMu sync.Mutex
	pictures   = map[int][]byte{}
)

// picture is a real JPEG of a size, filled up behind its end to so many bytes;
// each number gives another one.
func picture(t testing.TB, width, height int, number uint64, size int) nrd.Image {
	t.Helper()
	picturesMu.Lock()
	defer picturesMu.Unlock()
	if pictures[width] == nil {
		var b bytes.Buffer
		must(t, func() error { return jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, width, height)), nil) })
		pictures[width] = b.Bytes()
	}
	data := append(bytes.Clone(pictures[width]), make([]byte, max(8, size-len(pictures[width])))...)
	binary.BigEndian.PutUint64(data[len(data)-8:], number)
	return nrd.Image{JPEG: data, Width: width, Height: height}
}

func (p payloads) send(t testing.TB, u *unit) {
	t.Helper()
	u.send(t, wire.TopicRecord(u.name), p.text)
	u.send(t, wire.TopicImage(u.name), p.patch)
	u.send(t, wire.TopicImage(u.name), p.overview)
}

// totals are what the store holds.
func (c *central) totals(t testing.TB) store.Totals {
	t.Helper()
	totals, err := c.store.Totals(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return totals
}

// dial makes a bare TLS connection with any configuration.
func (c *central) dial(config *tls.Config) error {
	tcp, err := tls.Dial("tcp", c.Addr().String(), config)
	if err != nil {
		return err
	}
	defer tcp.Close() //nolint:errcheck // a test of who gets in
	if err := tcp.SetDeadline(time.Now().Add(deadline)); err != nil {
		return err
	}
	_, err = io.ReadFull(tcp, make([]byte, 1)) // TLS 1.3 tells the client of a refusal only here
	return err
}

// revoke cuts a device off as another central would: in the store.
func (c *central) revoke(t testing.TB, device string) {
	t.Helper()
	must(t, func() error {
		return c.store.ChangeDevice(context.Background(), device, func(d *store.Device) error {
			d.Revoked = storetest.Noon
			return nil
		})
	})
}
