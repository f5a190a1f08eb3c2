// Package ingest is devices' way into central: an MQTT broker that stores.
//
// The broker (mochi-mqtt) is a front end of the protocol only. Sessions are
// clean, nothing is queued for who is not there and nothing is retained but the
// notice of what is published. A
// device is the name in its client certificate, whatever client id it gives, and
// may publish to its own record, image, event and status topics and subscribe to
// its own receipt and command topics and the notice, nothing else. A second connection with the
// same certificate ends the first, which is counted and logged: one of the two
// is a copy.
//
// A publish is acknowledged when it stands in a bounded queue, which proves
// nothing. What proves that central holds something is its receipt: one
// goroutine takes many items from the queue, stores them in one commit and then
// answers each (STORED, QUARANTINED, REFUSED, RETRY). An item whose receipt never
// comes is sent again by the device.
//
// Where a [Broker] is set, central is a client of that broker instead. Who sent
// something is then what its topic says, which the broker's own access rules must
// guard: packaging/mosquitto and packaging/rabbitmq have them. The rest is the
// same.
//
//	way := &ingest.Ingest{Listen: ":8883", TLS: tls, Store: s, Profile: p, Clock: c, Log: log}
//	err := way.Run(ctx)
package ingest

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// Limits of the broker.
const (
	maxConnections = 10_000
	// maxPending is how many messages wait for one slow client before it is
	// cut off.
	maxPending = 256
	// maxPacket leaves room for the topic beside the largest payload.
	maxPacket = wire.MaxPayloadBytes + 1<<10
)

// Ingest accepts devices. Fill the fields and call Run.
type Ingest struct {
	// Listen is host:port; port 0 takes any that is free.
	Listen string
	// TLS must require and verify client certificates (identity.ServerTLS).
	TLS *tls.Config
	// Broker, where set, takes the place of central's own: Listen and TLS are
	// not used then.
	Broker  *Broker
	Store   store.Store
	Profile nrd.Profile
	Clock   nrd.Clock
	Log     *slog.Logger
	// Admit says whether a device may connect with the certificate of this
	// fingerprint, and why not. Without it every certificate of the CA's is
	// good.
	Admit func(ctx context.Context, device, fingerprint string) error
	// OnStored, OnImage and OnOfficer are called when something new is on stable
	// storage, by the goroutine that commits: they must not wait. They may be nil.
	OnStored  func(store.StoredRecord)
	OnImage   func(nrd.Key, nrd.ImageKind)
	OnOfficer func(nrd.OfficerEvent)

	// queuePatience is replaced by tests.
	queuePatience time.Duration

	address atomic.Pointer[net.Addr]
	counts  counts
	notice  notice
}

func (in *Ingest) patience() time.Duration { return cmp.Or(in.queuePatience, queuePatience) }

// Counts is what happened since the start. Takeovers counts connections ended by
// another one with the same certificate, Refused connections that were turned
// away, Forbidden publishes and subscriptions to what is not the device's own.
// Connected says whether an external broker has let central in; central's own
// always has.
type Counts struct {
	Stored, Duplicates, Quarantined, Malformed, Retried uint64
	Takeovers, Refused, Forbidden                       uint64
	Connected                                           bool
}

type counts struct {
	stored, duplicates, quarantined, malformed, retried atomic.Uint64
	takeovers, refused, forbidden                       atomic.Uint64
	// away says that an external broker is not connected.
	away atomic.Bool
}

// Counts may be called at any time.
func (in *Ingest) Counts() Counts {
	c := &in.counts
	return Counts{
		Stored: c.stored.Load(), Duplicates: c.duplicates.Load(), Quarantined: c.quarantined.Load(), Malformed: c.malformed.Load(),
		Retried: c.retried.Load(), Takeovers: c.takeovers.Load(), Refused: c.refused.Load(), Forbidden: c.forbidden.Load(),
		Connected: !c.away.Load(),
	}
}

// Addr is where Run listens, or the address of the external broker; nil until
// devices can come in.
func (in *Ingest) Addr() net.Addr {
	if a := in.address.Load(); a != nil {
		return *a
	}
	return nil
}

func (in *Ingest) setAddress(a net.Addr) {
	in.address.Store(&a)
	in.Log.Info("devices can come in", "address", a.String())
}

// Run accepts devices until ctx ends. It then takes nothing more, commits and
// answers what it has acknowledged, and returns when every connection and
// goroutine has ended.
func (in *Ingest) Run(ctx context.Context) error {
	if in.Broker != nil {
		return in.runExternal(ctx)
	}
	if in.TLS == nil || in.TLS.ClientAuth != tls.RequireAndVerifyClientCert {
		return errors.New("ingest needs a TLS configuration that verifies client certificates")
	}
	tcp, err := (&net.ListenConfig{}).Listen(ctx, "tcp", in.Listen)
	if err != nil {
		return fmt.Errorf("devices cannot come in: %w", err)
	}
	guard := newGuard(in, tcp)
	server := mqtt.New(&mqtt.Options{
		Capabilities:           capabilities(),
		Logger:                 slog.New(quiet{in.Log.Handler()}),
		InlineClient:           true,
		SysTopicResendInterval: 24 * 3600, // nobody may read them
	})
	door := newDoor(in)
	if err := errors.Join(server.AddHook(door, nil), server.AddListener(listeners.NewNet("devices", guard)), server.Serve()); err != nil {
		return errors.Join(err, server.Close(), guard.Close())
	}
	in.notice.by(func(payload []byte) error { return server.Publish(wire.TopicNoticeLists, payload, true, 1) })
	defer in.notice.by(nil)
	in.setAddress(tcp.Addr())

	in.commit(ctx, embedded{door, server}, door.queue)
	closed := guard.Close()
	// A client that is being forgotten while the broker closes can stop both for good:
	// the broker counts its clients under a lock that it has taken already.
	server.Listeners.ClientsWg.Wait()
	return errors.Join(closed, server.Close())
}

// embedded is central's own broker.
type embedded struct {
	*door
	server *mqtt.Server
}

// publish uses quality of service 0: a message is lost only with its connection.
func (e embedded) publish(topic string, payload []byte) error {
	return e.server.Publish(topic, payload, false, 0)
}

// commit stores and answers until ctx ends and the queue is empty.
func (in *Ingest) commit(ctx context.Context, w way, q *queue) {
	committed := make(chan struct{})
	go func() {
		defer close(committed)
		newCommitter(in, w, q).run(context.WithoutCancel(ctx))
	}()
	<-ctx.Done()
	q.close()
	<-committed
}

func capabilities() *mqtt.Capabilities {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClients = maxConnections
	c.MaximumClientWritesPending = maxPending
	c.MaximumPacketSize = maxPacket
	c.MaximumSessionExpiryInterval = 0
	c.MaximumQos = 1
	c.RetainAvailable = 1 // a status may ask for it, for brokers that keep it
	c.SharedSubAvailable = 0
	c.WildcardSubAvailable = 0
	c.TopicAliasMaximum = 16
	return c
}
