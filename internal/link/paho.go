package link

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// pahoLink uses a fresh client of paho for its one connection. Its own
// reconnecting stays off: with it on, a publish's token completes without error
// after a broken connection although nothing was acknowledged
// (TestPahosReconnectLies).
type pahoLink struct {
	client mqtt.Client
	conn   *conn
	outbox chan outgoing
	lost   chan error
	over   chan struct{} // closed when the connection broke
	ended  chan struct{} // closed by Close
	// publishing is held for reading while a payload is put in the outbox.
	publishing sync.RWMutex
	once       sync.Once
	work       sync.WaitGroup
}

type outgoing struct {
	topic   string
	retain  bool
	payload []byte
	acked   func(error)
}

// handOver is how long paho may keep a payload that it cannot write yet. It
// waits that long even when the connection is broken meanwhile, so it is short.
const handOver = time.Second

func connectPaho(ctx context.Context, c Config) (*pahoLink, error) {
	l := &pahoLink{
		outbox: make(chan outgoing, Outbox), lost: make(chan error, 1),
		over: make(chan struct{}), ended: make(chan struct{}),
	}
	established := func() bool { return true }
	options := l.options(c).SetCustomOpenConnectionFn(func(broker *url.URL, _ mqtt.ClientOptions) (net.Conn, error) {
		conn, err := dial(ctx, broker.Host, c)
		if err != nil {
			return nil, err
		}
		// Until the broker has answered, the end of ctx closes it.
		established = context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // it is given up
		l.conn = conn
		return conn, nil
	})
	l.client = mqtt.NewClient(options)
	if err := await(ctx, l.client.Connect()); err != nil {
		l.client.Disconnect(0)
		return nil, err
	}
	established()
	l.work.Go(l.send)
	if err := l.subscribe(ctx, c.Topics, c.Also); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *pahoLink) options(c Config) *mqtt.ClientOptions {
	options := mqtt.NewClientOptions().
		AddBroker(c.Broker).
		SetClientID(c.Client).
		SetTLSConfig(c.TLS).
		SetProtocolVersion(4).
		SetCleanSession(true).
		SetAutoReconnect(false).
		SetConnectRetry(false).
		SetOrderMatters(true).
		SetStore(mqtt.NewMemoryStore()).
		SetConnectTimeout(connectTimeout).
		SetWriteTimeout(handOver).
		SetKeepAlive(keepAlive).
		SetPingTimeout(pingTimeout).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { c.Received(m.Topic(), m.Payload()) }).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) {
			close(l.over)
			l.lost <- err
		})
	if c.WillTopic != "" {
		options.SetBinaryWill(c.WillTopic, c.Will, 1, true)
	}
	return options
}

// subscribe listens to topics, and to others where the broker lets.
func (l *pahoLink) subscribe(ctx context.Context, topics, also []string) error {
	if len(topics) == 0 {
		return nil
	}
	listen := map[string]byte{}
	for _, topic := range slices.Concat(topics, also) {
		listen[topic] = 1
	}
	token := l.client.SubscribeMultiple(listen, nil)
	if err := await(ctx, token); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", ErrCut, err)
		}
		return err
	}
	subscribed, ok := token.(*mqtt.SubscribeToken)
	if !ok {
		return fmt.Errorf("a subscription's token is a %T", token)
	}
	for topic, granted := range subscribed.Result() {
		if granted == refused && slices.Contains(topics, topic) {
			return fmt.Errorf("%w %s", ErrForbidden, topic)
		}
	}
	return nil
}

// refused is what a SUBACK says of a topic that the client may not listen to.
const refused = 0x80

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

// send hands payloads to paho one after the other, which keeps their order, and
// each only when the one before it has been written: paho gives one that it
// cannot write within handOver back as failed, and keeps its copy and its
// identifier for as long as the connection holds.
func (l *pahoLink) send() {
	for {
		select {
		case <-l.ended:
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

// hand offers a payload to paho until it takes it or the connection is over, and
// waits until it is written.
func (l *pahoLink) hand(o outgoing) mqtt.Token {
	for {
		token := l.client.Publish(o.topic, 1, o.retain, o.payload)
		if token.Error() == nil {
			select {
			case <-l.conn.wrote:
			case <-l.over:
			case <-l.ended:
			}
			return token
		}
		select {
		case <-l.ended:
			return token
		case <-l.over:
			return token
		default:
		}
		if !l.client.IsConnectionOpen() {
			return token
		}
	}
}

func (l *pahoLink) drain() {
	for {
		select {
		case o := <-l.outbox:
			o.acked(ErrClosed)
		default:
			return
		}
	}
}

// Publish is Link's.
func (l *pahoLink) Publish(topic string, retain bool, payload []byte, acked func(error)) {
	if !l.put(outgoing{topic, retain, payload, acked}) {
		acked(ErrClosed)
	}
}

func (l *pahoLink) put(o outgoing) bool {
	l.publishing.RLock()
	defer l.publishing.RUnlock()
	select {
	case <-l.ended:
		return false
	default:
	}
	select {
	case l.outbox <- o:
		return true
	case <-l.ended:
		return false
	}
}

// Lost is Link's.
func (l *pahoLink) Lost() <-chan error { return l.lost }

// Close waits for what was handed to paho; when a connection breaks under load
// that can take handOver.
func (l *pahoLink) Close() {
	l.once.Do(func() {
		close(l.ended)
		l.publishing.Lock()   // until the last payload is in the outbox or refused
		l.publishing.Unlock() //nolint:staticcheck // it only waits
		l.client.Disconnect(closeWait)
		l.work.Wait()
		l.drain()
	})
}
