package linktest

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"nrd"
	"nrd/collector/ingest"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

// The devices that every way lets in.
const (
	Device = "car-7"
	Other  = "car-8"
)

// Way is a way to a real central with an encrypted store: through its own broker
// or through one that both are clients of.
type Way struct {
	Site *Site
	// Address is the broker's.
	Address string
	// Restart ends the broker and starts it again, with nothing of what it
	// held.
	Restart func()
	Store   *Store

	t      testing.TB
	ingest *ingest.Ingest
	stop   func()
}

// Ways runs a test with each kind of broker.
func Ways(t *testing.T, test func(t *testing.T, w *Way)) {
	t.Run("central's own broker", func(t *testing.T) { test(t, Embedded(t)) })
	t.Run("mosquitto", func(t *testing.T) {
		site := NewSite(t, Device, Other)
		test(t, external(t, site, Mosquitto(t, site), ""))
	})
	t.Run("mosquitto and a shared subscription", func(t *testing.T) {
		site := NewSite(t, Device, Other)
		test(t, external(t, site, Mosquitto(t, site), "group"))
	})
	t.Run("RabbitMQ", func(t *testing.T) {
		site := NewSite(t, Device, Other)
		test(t, external(t, site, RabbitMQ(t, site, Device, Other), ""))
	})
}

// Embedded is central with its own broker.
func Embedded(t testing.TB) *Way {
	t.Helper()
	w := newWay(t, NewSite(t, Device, Other))
	w.ingest.Listen, w.ingest.TLS = "127.0.0.1:0", w.Site.Server()
	w.run()
	w.Address = w.ingest.Addr().String()
	w.Restart = func() {
		w.stop()
		old := w.ingest
		w.ingest = &ingest.Ingest{Listen: w.Address, TLS: old.TLS, Store: w.Store, Profile: old.Profile, Clock: old.Clock, Log: old.Log, OnStored: old.OnStored}
		w.run()
	}
	return w
}

// external is central as a client of a broker.
func external(t testing.TB, site *Site, b *Broker, group string) *Way {
	t.Helper()
	w := newWay(t, site)
	w.Address, w.Restart = b.Address, b.Restart
	w.ingest.Broker = &ingest.Broker{Address: "tls://" + b.Address, TLS: site.Client(identity.Central), Group: group}
	w.run()
	return w
}

func newWay(t testing.TB, site *Site) *Way {
	t.Helper()
	now := clock.System()
	inner, err := sqlite.Open(sqlite.Config{Dir: filepath.Join(t.TempDir(), "store"), Key: sealed.NewKey(), Clock: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	w := &Way{Site: site, Store: &Store{Store: inner}, t: t}
	w.ingest = &ingest.Ingest{Store: w.Store, Profile: profile, Clock: now, Log: slog.New(slog.DiscardHandler), OnStored: w.Store.visible}
	t.Cleanup(func() {
		w.stop()
		if err := inner.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, device := range []string{Device, Other} {
		w.Approve(device)
	}
	return w
}

// run starts central; stop ends it.
func (w *Way) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	running := w.ingest
	go func() { ended <- running.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	Eventually(w.t, "devices can come in", func() bool { return running.Addr() != nil && running.Counts().Connected })
}

// RestartCentral ends central and starts it again; the broker, where it is
// another's, goes on.
func (w *Way) RestartCentral() {
	w.t.Helper()
	if w.ingest.Broker == nil {
		w.Restart()
		return
	}
	w.stop()
	old := w.ingest
	w.ingest = &ingest.Ingest{Broker: old.Broker, Store: w.Store, Profile: old.Profile, Clock: old.Clock, Log: old.Log, OnStored: old.OnStored}
	w.run()
}

// Notice has central tell its devices that something is published.
func (w *Way) Notice(number int64) { w.ingest.Notice(number) }

// Approve lets a device send.
func (w *Way) Approve(device string) {
	w.t.Helper()
	w.change(device, func(d *store.Device) {
		d.Approved, d.ApprovedBy, d.Reference, d.Revoked = time.Now(), "ann", "DPIA-1", time.Time{}
	})
}

// Revoke ends that.
func (w *Way) Revoke(device string) {
	w.t.Helper()
	w.change(device, func(d *store.Device) { d.Revoked = time.Now() })
}

func (w *Way) change(device string, change func(*store.Device)) {
	w.t.Helper()
	err := w.Store.ChangeDevice(context.Background(), device, func(d *store.Device) error {
		change(d)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Store is central's store, which a test watches and can make fail.
type Store struct {
	store.Store

	mu     sync.Mutex
	stored []store.Item
	seen   map[nrd.Key]time.Time
	err    error
}

// Insert is store.Store's.
func (s *Store) Insert(ctx context.Context, items []store.Item) ([]store.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	results, err := s.Store.Insert(ctx, items)
	for i := range results {
		if results[i].Outcome == store.Stored {
			s.stored = append(s.stored, items[i])
		}
	}
	return results, err
}

// Fail makes the store fail from now on, or work again.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Stored is what was stored and was not held before, in its order.
func (s *Store) Stored() []store.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.stored)
}

func (s *Store) visible(r store.StoredRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[nrd.Key]time.Time{}
	}
	s.seen[r.Key] = time.Now()
}

// Visible is when a record was shown to who watches; zero: not yet.
func (s *Store) Visible(key nrd.Key) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[key]
}
