package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"nrd/internal/identity"
	"nrd/uplink/wire"
)

// link is one connection to a broker, used once. It is what of MQTT the client
// needs, so that another implementation can take paho's place.
type link interface {
	// publish hands over a payload for at-least-once delivery and returns at
	// once; payloads are sent in the order in which they were handed over.
	// acked is called, from another goroutine, when the broker has the payload
	// or the connection is over.
	publish(topic string, retain bool, payload []byte, acked func(error))
	// lost gives the reason when the connection breaks.
	lost() <-chan error
	// close ends the connection and calls every acked that is still due.
	close()
}

// linkConfig says where a link goes and what it listens to.
type linkConfig struct {
	broker string
	tls    *tls.Config
	device string
	// received is called, from any goroutine, with each receipt and command.
	received func(topic string, payload []byte)
}

// The times within which a connection must answer.
const (
	connectTimeout = 30 * time.Second
	writeTimeout   = 15 * time.Second
	keepAlive      = 30 * time.Second
	pingTimeout    = 15 * time.Second
	closeWait      = 250 // milliseconds
	// handOver is how long paho may keep a payload that it cannot write yet.
	// It waits that long even when the connection is broken meanwhile, so it
	// is short, and a payload is offered again while the connection is open.
	handOver = time.Second
)

// outboxSize is more than is ever in flight, so that publish never waits.
const outboxSize = 4 * (textWindow + imageWindow)

// pahoLink uses a fresh client of paho for its one connection. Its own
// reconnecting stays off: with it on, a publish's token completes without error
// after a broken connection although nothing was acknowledged
// (TestPahosReconnectLies).
type pahoLink struct {
	client mqtt.Client
	outbox chan outgoing
	broken chan error
	ended  chan struct{}
	once   sync.Once
	work   sync.WaitGroup
}

type outgoing struct {
	topic   string
	retain  bool
	payload []byte
	acked   func(error)
}

var errLinkClosed = errors.New("the connection was closed")

// errCut says that the broker took the device in and ended the connection at
// once, before it could listen.
var errCut = errors.New("central ended the connection as soon as it was made")

// connectPaho connects, and subscribes to the device's receipts and commands, so
// that no answer can be missed.
func connectPaho(ctx context.Context, c linkConfig) (link, error) {
	will, err := wire.Marshal(wire.LastWill(c.device))
	if err != nil {
		return nil, err
	}
	l := &pahoLink{outbox: make(chan outgoing, outboxSize), broken: make(chan error, 1), ended: make(chan struct{})}
	established := func() bool { return true }
	options := mqtt.NewClientOptions().
		AddBroker(c.broker).
		SetClientID(c.device).
		SetTLSConfig(c.tls).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(false).
		SetStore(mqtt.NewMemoryStore()).
		SetConnectTimeout(connectTimeout).
		SetWriteTimeout(handOver).
		SetKeepAlive(keepAlive).
		SetPingTimeout(pingTimeout).
		SetBinaryWill(wire.TopicStatus(c.device), will, 1, true).
		SetCustomOpenConnectionFn(func(broker *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
			conn, err := dialTLS(ctx, broker.Host, c.tls)
			if err == nil {
				// Until the broker has answered, the end of ctx closes it.
				established = context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // it is given up
			}
			return patientConn{conn}, err
		}).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.received(m.Topic(), m.Payload()) }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.broken <- err })
	l.client = mqtt.NewClient(options)
	if err := await(ctx, l.client.Connect()); err != nil {
		l.client.Disconnect(0)
		return nil, identity.Explain(err)
	}
	established()
	l.work.Go(l.send)
	listen := map[string]byte{wire.TopicReceipt(c.device): 1, wire.TopicCommand(c.device): 1}
	subscribed := l.client.SubscribeMultiple(listen, nil).(*mqtt.SubscribeToken) //nolint:errcheck // paho gives no other
	if err = await(ctx, subscribed); err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", errCut, err)
	}
	for topic, granted := range subscribed.Result() {
		if granted == 0x80 && err == nil {
			err = fmt.Errorf("the broker does not let this device listen to %s", topic)
		}
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// dialTLS opens a connection; the end of ctx breaks it off.
func dialTLS(ctx context.Context, host string, config *tls.Config) (net.Conn, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: connectTimeout}, Config: config}
	return dialer.DialContext(ctx, "tcp", host)
}

// patientConn gives each packet writeTimeout to be written in, where paho would
// give handOver.
type patientConn struct{ net.Conn }

func (c patientConn) SetWriteDeadline(time.Time) error { return nil }

func (c patientConn) Write(p []byte) (int, error) {
	// A deadline of the network, which no setting of the unit's clock moves.
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// await waits for a token's end.
func await(ctx context.Context, t mqtt.Token) error {
	timeout := time.NewTimer(connectTimeout + time.Second)
	defer timeout.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-timeout.C:
		return errors.New("the broker did not answer in time")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send hands payloads to paho one after the other, which keeps their order.
func (l *pahoLink) send() {
	for {
		select {
		case <-l.ended:
			l.drain()
			return
		case o := <-l.outbox:
			token := l.hand(o)
			l.work.Go(func() {
				<-token.Done()
				o.acked(token.Error())
			})
		}
	}
}

// hand offers a payload to paho until it takes it or the connection is over.
func (l *pahoLink) hand(o outgoing) mqtt.Token {
	for {
		token := l.client.Publish(o.topic, 1, o.retain, o.payload)
		if token.Error() == nil || !l.client.IsConnectionOpen() {
			return token
		}
		select {
		case <-l.ended:
			return token
		default:
		}
	}
}

func (l *pahoLink) drain() {
	for {
		select {
		case o := <-l.outbox:
			o.acked(errLinkClosed)
		default:
			return
		}
	}
}

func (l *pahoLink) publish(topic string, retain bool, payload []byte, acked func(error)) {
	select {
	case l.outbox <- outgoing{topic, retain, payload, acked}:
	case <-l.ended:
		acked(errLinkClosed)
	}
}

func (l *pahoLink) lost() <-chan error { return l.broken }

// close waits for what was handed to paho; when a connection breaks under load
// that can take handOver.
func (l *pahoLink) close() {
	l.once.Do(func() {
		close(l.ended)
		l.client.Disconnect(closeWait)
		l.work.Wait()
	})
}
