package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"nrd/internal/identity"
	"nrd/internal/link"
	"nrd/uplink/wire"
)

// Broker is a broker that is not central's own.
type Broker struct {
	// Address is tls://host:port.
	Address string
	// TLS is identity.ClientTLS with the certificate of identity.Central.
	TLS *tls.Config
	// Group, where set, is the name of a shared subscription: of several
	// centrals with the same group each message goes to one. The broker must
	// know shared subscriptions, as mosquitto does and RabbitMQ does not.
	Group string
}

// Waits before the broker is tried again; each is up to half longer or shorter.
const (
	retryFirst = 500 * time.Millisecond
	retryLast  = 30 * time.Second
)

// external is central as a client of a broker.
type external struct {
	in    *Ingest
	queue *queue
	// unsent counts answers that the broker has not taken yet.
	unsent sync.WaitGroup

	mu sync.Mutex
	// link is nil while there is no connection; busy ends it.
	link link.Link
	busy chan struct{}
	// inside are the devices whose last status was not that they are offline.
	inside map[string]bool
}

// brokerAddress is what Addr gives of an external broker.
type brokerAddress string

func (brokerAddress) Network() string  { return "tcp" }
func (a brokerAddress) String() string { return string(a) }

var errNoBroker = errors.New("there is no connection to the broker")

// runExternal is Run with an external broker. That it cannot be reached is no
// error: it is tried again and again.
func (in *Ingest) runExternal(ctx context.Context) error {
	broker, err := url.Parse(in.Broker.Address)
	if err != nil || broker.Scheme != "tls" || broker.Hostname() == "" || broker.Port() == "" || in.Broker.TLS == nil {
		return errors.New("ingest needs the broker's address as tls://host:port, and a TLS configuration for it")
	}
	e := &external{in: in, queue: newQueue(in.patience()), inside: map[string]bool{}}
	e.set(nil)
	connecting, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	var connection sync.WaitGroup
	connection.Go(func() { e.connect(connecting) })
	in.setAddress(brokerAddress(broker.Host))
	in.commit(ctx, e, e.queue)
	e.flush()
	hangUp()
	connection.Wait()
	return nil
}

// connect keeps a connection until ctx ends.
func (e *external) connect(ctx context.Context) {
	for wait := retryFirst; ctx.Err() == nil; {
		came, err := e.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if came {
			wait = retryFirst
		}
		e.in.Log.Error("no connection to the broker", "broker", e.in.Broker.Address, "error", err, "again in", wait)
		pause := time.NewTimer(wait/2 + rand.N(wait))
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
		wait = min(2*wait, retryLast)
	}
}

// once is one connection from its beginning to its end.
func (e *external) once(ctx context.Context) (came bool, err error) {
	busy := make(chan struct{}, 1)
	e.mu.Lock()
	e.busy = busy
	e.mu.Unlock()
	l, err := link.Connect(ctx, link.Config{
		Broker: e.in.Broker.Address, TLS: e.in.Broker.TLS, Client: e.client(), Topics: e.topics(), Received: e.received,
	})
	if err != nil {
		return false, identity.Explain(err)
	}
	e.set(l)
	e.in.Log.Info("connected to the broker", "broker", e.in.Broker.Address)
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case err = <-l.Lost():
	case <-busy:
		err = errBusy
	}
	e.set(nil)
	l.Close()
	return true, err
}

// client is the identifier of this central: where several share a subscription,
// each needs one of its own.
func (e *external) client() string {
	if e.in.Broker.Group == "" {
		return identity.Central
	}
	return identity.Central + "-" + e.in.Broker.Group + "-" + time.Now().UTC().Format("150405.000000000")
}

func (e *external) topics() []string {
	topics := []string{wire.TopicRecord("+"), wire.TopicImage("+"), wire.TopicEvent("+"), wire.TopicStatus("+")}
	if group := e.in.Broker.Group; group != "" {
		for i := range topics {
			topics[i] = "$share/" + group + "/" + topics[i]
		}
	}
	return topics
}

func (e *external) set(l link.Link) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.link = l
	if l == nil {
		e.in.notice.by(nil)
	} else {
		e.in.notice.by(func(payload []byte) error {
			l.Publish(wire.TopicNoticeLists, true, payload, func(error) {})
			return nil
		})
	}
	e.in.counts.away.Store(l == nil)
}

// received puts a device's message in the queue. While the queue is full the
// broker keeps what comes; when it stays full the connection is given up, and
// the devices send again what has no receipt.
func (e *external) received(topic string, payload []byte) {
	device, _, err := wire.ParseTopic(topic)
	if err != nil {
		e.in.Log.Warn("a message of the broker is ignored", "error", err)
		return
	}
	m := message{device: device, topic: topic, payload: payload, received: e.in.Clock.Now()}
	if topic != wire.TopicStatus(device) {
		m.read(&e.in.Profile)
	} else if !e.there(m) {
		return
	}
	if e.queue.put(m) {
		return
	}
	e.mu.Lock()
	busy := e.busy
	e.mu.Unlock()
	select {
	case busy <- struct{}{}:
	default:
	}
}

// there notes who is there and who is not, and reports whether a status is more
// than a word of farewell. Who is there is told where central has paused it.
func (e *external) there(m message) bool {
	var s wire.Status
	offline := wire.Unmarshal(m.payload, &s) == nil && s.GetOffline()
	e.mu.Lock()
	if offline {
		delete(e.inside, m.device)
	} else {
		e.inside[m.device] = true
	}
	e.mu.Unlock()
	return !offline && e.queue.put(message{device: m.device, received: m.received})
}

func (e *external) devices() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := make([]string, 0, len(e.inside))
	for name := range e.inside {
		names = append(names, name)
	}
	return names
}

// rivals cannot be told apart by their connections here, which are the broker's; by
// what they send they can, see epochs.
func (*external) rivals() []string { return nil }

// cut does nothing: the connection is the broker's. What the device sends is
// refused all the same.
func (*external) cut(string, error) {}

func (e *external) publish(topic string, payload []byte) error {
	e.mu.Lock()
	l := e.link
	e.mu.Unlock()
	if l == nil {
		return errNoBroker
	}
	e.unsent.Add(1)
	l.Publish(topic, false, payload, func(error) { e.unsent.Done() })
	return nil
}

// flushWait is how long the last answers may take.
const flushWait = 2 * time.Second

// flush waits until the broker has the last answers.
func (e *external) flush() {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		e.unsent.Wait()
	}()
	timeout := time.NewTimer(flushWait)
	defer timeout.Stop()
	select {
	case <-sent:
	case <-timeout.C:
	}
}
