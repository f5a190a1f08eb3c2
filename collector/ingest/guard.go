package ingest

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"nrd/internal/identity"
)

// handshakeTime is how long a connection may take to say who it is.
const handshakeTime = 10 * time.Second

// guard is the listener: it bounds how many connections there are and how long
// they stay nameless, and closes them all when it is closed.
type guard struct {
	net.Listener
	in *Ingest

	mu   sync.Mutex
	open map[*conn]bool // nil: closed
}

// conn is a connection whose handshake is done by its first reader.
type conn struct {
	*tls.Conn
	guard  *guard
	shaken bool
}

func newGuard(in *Ingest, tcp net.Listener) *guard {
	return &guard{Listener: tcp, in: in, open: map[*conn]bool{}}
}

// Accept gives the next connection.
func (g *guard) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: tls.Server(raw, g.in.TLS), guard: g}
		if err := g.admit(c); err != nil {
			g.refused(raw, err)
			raw.Close() //nolint:errcheck // it was never used
			continue
		}
		return c, nil
	}
}

func (g *guard) admit(c *conn) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.open == nil:
		return net.ErrClosed
	case len(g.open) >= maxConnections:
		return errors.New("there are too many connections")
	}
	g.open[c] = true
	return c.SetDeadline(time.Now().Add(handshakeTime)) // the network's deadlines are real time
}

func (g *guard) refused(c net.Conn, err error) {
	g.in.counts.refused.Add(1)
	g.in.Log.Warn("a connection was refused", "from", c.RemoteAddr().String(), "reason", identity.Explain(err))
}

// Close ends the listener and every connection.
func (g *guard) Close() error {
	err := g.Listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	g.mu.Lock()
	open := g.open
	g.open = nil
	g.mu.Unlock()
	for c := range open {
		c.NetConn().Close() //nolint:errcheck // there is nobody to tell
	}
	return err
}

// Read shakes hands first.
func (c *conn) Read(p []byte) (int, error) {
	if !c.shaken {
		c.shaken = true
		if err := c.HandshakeContext(context.Background()); err != nil { // admit has set a deadline
			c.guard.refused(c, err)
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// Close forgets the connection.
func (c *conn) Close() error {
	c.guard.mu.Lock()
	delete(c.guard.open, c)
	c.guard.mu.Unlock()
	return c.Conn.Close()
}
