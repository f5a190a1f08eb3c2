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
	// gone waits for every connection's goroutine to have let go of it.
	gone sync.WaitGroup
}

// conn is a connection whose handshake is done by its first reader.
type conn struct {
	*tls.Conn
	guard  *guard
	shaken bool
	once   sync.Once
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
	if err := c.SetDeadline(time.Now().Add(handshakeTime)); err != nil { // the network's deadlines are real time
		return err
	}
	g.open[c] = true
	g.gone.Add(1)
	return nil
}

func (g *guard) refused(c net.Conn, err error) {
	g.in.counts.refused.Add(1)
	g.in.Log.Warn("a connection was refused", "from", c.RemoteAddr().String(), "reason", identity.Explain(err))
}

// Close ends the listener and every connection, and waits until the broker has
// let go of them: one that is only just beginning must not outlive the broker.
func (g *guard) Close() error {
	err := g.Listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	g.mu.Lock()
	for c := range g.open {
		c.NetConn().Close() //nolint:errcheck // there is nobody to tell
	}
	g.open = nil
	g.mu.Unlock()
	g.gone.Wait()
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
	err := c.Conn.Close()
	c.once.Do(c.guard.gone.Done)
	return err
}
