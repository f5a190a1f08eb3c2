package ingest

import (
	"container/list"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"nrd/internal/identity"
)

// handshakeTime is how long a connection may take to say who it is.
const handshakeTime = 10 * time.Second

// maxNameless is how many connections may be about to say who they are. One more
// and the oldest of them is ended: strangers who only connect take each other's
// places, while a device's handshake takes milliseconds.
const maxNameless = 512

// guard is the listener: it bounds how many connections there are and how long
// they stay nameless, and closes them all when it is closed.
type guard struct {
	net.Listener
	in *Ingest

	mu   sync.Mutex
	open map[*conn]bool // nil: closed
	// nameless are those of open that have not said who they are, oldest first.
	nameless *list.List
	// told is when a refusal was logged last, untold how many have come since.
	told   time.Time
	untold int
	// gone waits for every connection's goroutine to have let go of it.
	gone sync.WaitGroup
}

// conn is a connection whose handshake is done by its first reader.
type conn struct {
	*tls.Conn
	guard  *guard
	shaken bool
	once   sync.Once
	// waiting is the place among the nameless, nil once it has a name; evicted
	// says that it lost that place. guard.mu guards both.
	waiting *list.Element
	evicted bool
}

func newGuard(in *Ingest, tcp net.Listener) *guard {
	return &guard{Listener: tcp, in: in, open: map[*conn]bool{}, nameless: list.New()}
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
	c.waiting = g.nameless.PushBack(c)
	g.gone.Add(1)
	if oldest, ok := g.nameless.Front().Value.(*conn); ok && g.nameless.Len() > maxNameless {
		g.forget(oldest)
		oldest.evicted = true
		oldest.NetConn().Close() //nolint:errcheck // there is nobody to tell
		g.in.counts.refused.Add(1)
	}
	return nil
}

// forget takes a connection from among the nameless; mu is held.
func (g *guard) forget(c *conn) {
	if c.waiting != nil {
		g.nameless.Remove(c.waiting)
		c.waiting = nil
	}
}

// named notes how a handshake ended.
func (g *guard) named(c *conn, err error) {
	g.mu.Lock()
	g.forget(c)
	evicted := c.evicted
	g.mu.Unlock()
	if err != nil && !evicted {
		g.refused(c, err)
	}
}

// tellEvery is how often a refusal is a warning: strangers come by the thousand.
const tellEvery = 10 * time.Second

func (g *guard) refused(c net.Conn, err error) {
	g.in.counts.refused.Add(1)
	level, now := slog.LevelWarn, g.in.Clock.Now()
	g.mu.Lock()
	others := g.untold
	if now.Sub(g.told).Abs() < tellEvery {
		level = slog.LevelDebug
		g.untold++
	} else {
		g.told, g.untold = now, 0
	}
	g.mu.Unlock()
	g.in.Log.Log(context.Background(), level, "a connection was refused", "from", c.RemoteAddr().String(), "reason", identity.Explain(err), "others before", others)
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
		err := c.HandshakeContext(context.Background()) // admit has set a deadline
		c.guard.named(c, err)
		if err != nil {
			return 0, err
		}
	}
	return c.Conn.Read(p)
}

// Close forgets the connection.
func (c *conn) Close() error {
	c.guard.mu.Lock()
	delete(c.guard.open, c)
	c.guard.forget(c)
	c.guard.mu.Unlock()
	err := c.Conn.Close()
	c.once.Do(c.guard.gone.Done)
	return err
}
