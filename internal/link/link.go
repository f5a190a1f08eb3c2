// Package link is one connection to an MQTT broker, used once and then thrown
// away: it is how a unit speaks to central, and how central speaks to a broker
// that is not its own.
//
// [Link] is all of MQTT that both need, so that another client library, or MQTT
// 5, can take the place of the one behind [Connect]. Package linktest holds an
// implementation to the contract, with a real central behind each kind of
// broker.
package link

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// Link is one connection. All methods are safe for concurrent use.
//
// Order: payloads are sent in the order in which they were handed over, and what
// the broker delivers is received in the order in which it comes.
//
// The end: a link that broke or was closed never works again, and says so of
// every payload that was not acknowledged.
type Link interface {
	// Publish hands a payload over for at-least-once delivery. It returns at
	// once, unless [Outbox] payloads wait to be written already. acked is
	// called once, from any goroutine: with nil when the broker has the
	// payload, with an error when the connection is over before. The broker's
	// word says nothing about central.
	Publish(topic string, retain bool, payload []byte, acked func(error))
	// Lost gives the reason, once, when the connection breaks.
	Lost() <-chan error
	// Close ends the connection. When it returns, every acked that was due has
	// been called, and nothing is received any more.
	Close()
}

// Outbox is how many payloads wait to be written before Publish does.
const Outbox = 1024

// Config says where a link goes and what it listens to.
type Config struct {
	// Broker is tls://host:port, TLS what both sides show each other.
	Broker string
	TLS    *tls.Config
	// Client is MQTT's client identifier. Of two connections with the same one
	// the broker keeps the newer.
	Client string
	// WillTopic, where set, gets the retained payload Will when the connection
	// breaks.
	WillTopic string
	Will      []byte
	// Topics are subscribed to before Connect returns, so that no answer can
	// be missed.
	Topics []string
	// Also are topics that are listened to where the broker lets: an older one
	// may not.
	Also []string
	// Received is called with each message of those topics, one after the
	// other. While it blocks, nothing else is received or acknowledged.
	Received func(topic string, payload []byte)
	// Rate, where set, is asked once the connection is open for how many bytes
	// a second may be sent from this local address; 0 is no limit. At least
	// [LeastRate].
	Rate func(local net.Addr) int
}

// LeastRate is the slowest link, in bytes a second, that is worth its name: the
// largest payload still passes within the time a write may take.
const LeastRate = 1000

// ErrCut says that the broker took the client in and ended the connection at
// once, before it could listen.
var ErrCut = errors.New("the broker ended the connection as soon as it was made")

// ErrClosed says that the link was closed before a payload was acknowledged.
var ErrClosed = errors.New("the connection was closed")

// ErrForbidden says that the broker does not let this client listen to a topic.
var ErrForbidden = errors.New("the broker does not let this client listen to")

// The times within which a connection must answer.
const (
	connectTimeout = 30 * time.Second
	writeTimeout   = 15 * time.Second
	keepAlive      = 30 * time.Second
	pingTimeout    = 15 * time.Second
	closeWait      = 250 // milliseconds
)

// Connect makes a link with the library paho. The end of ctx breaks off
// connecting; it does not end the link.
func Connect(ctx context.Context, c Config) (Link, error) { return connectPaho(ctx, c) }
