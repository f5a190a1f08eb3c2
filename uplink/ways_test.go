package uplink

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	realclock "nrd/internal/clock"
	"nrd/internal/link/linktest"
)

// unit is a real unit's buffer and client on the way to a real central.
type unit struct {
	*Buffer
	*Client
	clock nrd.Clock
	proxy *linktest.Proxy
	stop  func()
}

// proved is a clock that a unit knows to be right.
type proved struct{ nrd.Clock }

func (p proved) Stamp() nrd.Stamp {
	s := p.Clock.Stamp()
	s.Proved, s.Source = true, nrd.ClockNTP
	return s
}

func newUnit(t testing.TB, w *linktest.Way) *unit {
	t.Helper()
	conf := config(t)
	conf.Clock = proved{realclock.System()}
	u := &unit{Buffer: open(t, conf), clock: conf.Clock, proxy: linktest.NewProxy(t, w.Address)}
	u.Client = &Client{
		Broker: "tls://" + u.proxy.Address, TLS: w.Site.Client(conf.Device), Device: conf.Device, Buffer: u.Buffer, Clock: conf.Clock, Log: discard(),
		Status: func() nrd.Status { return nrd.Status{At: conf.Clock.Now(), Software: "test"} },
		// A receipt that is lost with a broker is missed soon.
		pace: &pace{
			tick: 50 * time.Millisecond, status: 500 * time.Millisecond, receipt: 3 * time.Second,
			retry: 20 * time.Millisecond, most: 200 * time.Millisecond, steady: 2 * time.Second,
		},
	}
	return u
}

func (u *unit) start(t testing.TB) { u.stop = start(t, u.Client) }

// TestThroughEveryBroker is what holds whatever stands between a unit and
// central.
func TestThroughEveryBroker(t *testing.T) {
	linktest.Ways(t, func(t *testing.T, w *linktest.Way) {
		u := newUnit(t, w)
		var heard notices
		u.OnNotice = heard.hear
		u.start(t)
		t.Run("a unit hears that lists were published, also one that comes later", func(t *testing.T) { published(t, w, u, &heard) })
		t.Run("what breaks loses nothing and doubles nothing", func(t *testing.T) { whatBreaks(t, w, u) })
		t.Run("a unit says why central takes nothing, and keeps it", func(t *testing.T) { whyNot(t, w, u) })
		t.Run("two units with one identity are noticed", func(t *testing.T) { twins(t, w, u) })
		t.Run("a revoked unit is told so, and keeps everything", func(t *testing.T) { revoked(t, w, u) })
	})
}

// notices are the numbers that a unit has heard.
type notices struct {
	mu      sync.Mutex
	numbers []uint64
}

func (n *notices) hear(number uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.numbers = append(n.numbers, number)
}

func (n *notices) times(number uint64) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, heard := range n.numbers {
		if heard == number {
			times++
		}
	}
	return times
}

func published(t *testing.T, w *linktest.Way, u *unit, heard *notices) {
	linktest.Eventually(t, "the unit is there", func() bool { return len(u.Problems()) == 0 })
	w.Notice(7)
	linktest.Eventually(t, "the unit hears of it", func() bool { return heard.times(7) == 1 })
	w.Notice(8)
	linktest.Eventually(t, "and of the next", func() bool { return heard.times(8) == 1 })
	u.proxy.Cut()
	linktest.Eventually(t, "the unit comes again and hears of the newest", func() bool { return heard.times(8) == 2 })
	if heard.times(7) != 1 {
		t.Error("the notice of before is told again")
	}
}

// whatBreaks cuts the connection, kills the broker and ends central while a unit
// sends.
func whatBreaks(t *testing.T, w *linktest.Way, u *unit) {
	const records = 200
	var mu sync.Mutex
	keys := map[nrd.Key]bool{}
	var appending sync.WaitGroup
	appending.Go(func() {
		for n := range records {
			r := read(u.clock, nrd.VRM(fmt.Sprintf("N%d", n)))
			if n%10 == 0 {
				r = hit(u.clock, nrd.VRM(fmt.Sprintf("N%d", n)))
			}
			key, err := u.Append(r)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			keys[key] = true
			mu.Unlock()
			time.Sleep(5 * time.Millisecond)
		}
	})
	for _, fault := range []func(){u.proxy.Cut, w.RestartCentral, u.proxy.Cut, w.Restart, u.proxy.Cut} {
		before := len(w.Store.Stored())
		linktest.Eventually(t, "something more is stored", func() bool { n := len(w.Store.Stored()); return n > before+20 || n == 3*records })
		fault()
	}
	appending.Wait()
	linktest.Eventually(t, "the buffer is empty", func() bool { return waiting(t, u.Buffer) == 0 })
	stored := map[string]int{}
	for _, item := range w.Store.Stored() {
		if stored[item.Key.String()+string(item.Kind)]++; !keys[item.Key] {
			t.Errorf("central holds %s, which was never appended", item.Key)
		}
	}
	for key := range keys {
		for _, kind := range []store.Kind{store.KindRecord, store.KindPatch, store.KindOverview} {
			if n := stored[key.String()+string(kind)]; n != 1 {
				t.Errorf("the %s of %s was stored %d times", kind, key, n)
			}
		}
	}
	if s := stats(t, u.Buffer); s.DeadLetters != 0 {
		t.Errorf("%d dead letters", s.DeadLetters)
	}
}

func (u *unit) says(what string) bool {
	return slices.ContainsFunc(u.Problems(), func(p string) bool { return strings.Contains(p, what) })
}

func whyNot(t *testing.T, w *linktest.Way, u *unit) {
	w.Store.Fail(fmt.Errorf("insert: %w", store.ErrFull))
	key := add(t, u.Buffer, text(hit(u.clock, "FULL")))
	linktest.Eventually(t, "the unit says why", func() bool { return u.says("central's disk is full") })
	if waiting(t, u.Buffer) != 1 || !w.Store.Visible(key).IsZero() {
		t.Error("the record left the buffer")
	}
	w.Store.Fail(nil)
	linktest.Eventually(t, "it is stored", func() bool { return waiting(t, u.Buffer) == 0 && !w.Store.Visible(key).IsZero() })
	linktest.Eventually(t, "all is well again", func() bool { return len(u.Problems()) == 0 })
}

// twins lets another unit come with the same certificate, and a buffer of its own.
func twins(t *testing.T, w *linktest.Way, u *unit) {
	// The cuts before may look like a fight for a connection.
	if err := w.Store.ChangeDevice(t.Context(), linktest.Device, func(d *store.Device) error {
		d.Copied = time.Time{}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	other := newUnit(t, w)
	other.start(t)
	linktest.Eventually(t, "central knows that there are two", func() bool {
		add(t, u.Buffer, text(read(u.clock, "ONE")))
		add(t, other.Buffer, text(read(u.clock, "TWO")))
		d, err := w.Store.Device(t.Context(), linktest.Device)
		return err == nil && !d.Copied.IsZero()
	})
	other.stop()
	linktest.Eventually(t, "what the first has waits no more", func() bool { return waiting(t, u.Buffer) == 0 && len(u.Problems()) == 0 })
}

func revoked(t *testing.T, w *linktest.Way, u *unit) {
	w.Revoke(linktest.Device)
	linktest.Eventually(t, "the unit says that it is revoked", func() bool { return u.says("central has revoked this device") })
	key := add(t, u.Buffer, text(hit(u.clock, "REVOKED")))
	time.Sleep(time.Second)
	if waiting(t, u.Buffer) != 1 || !w.Store.Visible(key).IsZero() {
		t.Error("the record of a revoked unit left the buffer")
	}
	w.Approve(linktest.Device)
	linktest.Eventually(t, "it is stored", func() bool { return waiting(t, u.Buffer) == 0 })
}
