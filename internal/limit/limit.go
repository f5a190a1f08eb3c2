// Package limit bounds how many connections an HTTPS server has open, so that
// strangers who only connect keep out neither devices nor people.
package limit

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// Anyone takes everybody who sends a request for known: a page's visitors have no
// certificates.
func Anyone(tls.ConnectionState) bool { return true }

// Certified says that a connection has shown a device's certificate.
func Certified(s tls.ConnectionState) bool { return len(s.VerifiedChains) > 0 }

// Listener bounds how many connections an HTTPS server has on its listener, and with
// them the memory that strangers can take. When there is one too many, the oldest
// is ended of those that have sent no whole request, have been answered, or are
// not known for who they are: strangers who only connect take each other's places.
// Where all are known and busy, the next waits to be accepted.
func Listener(server *http.Server, l net.Listener, most int, known func(tls.ConnectionState) bool) net.Listener {
	limited := &limited{
		Listener: l, known: known, room: make(chan struct{}, most), idle: make(chan struct{}, 1), closed: make(chan struct{}), nameless: list.New(),
	}
	server.ConnState = limited.became
	return limited
}

type limited struct {
	net.Listener
	known func(tls.ConnectionState) bool
	// room has a token for each connection; idle says that there is one more
	// among the nameless.
	room   chan struct{}
	idle   chan struct{}
	closed chan struct{}
	once   sync.Once

	mu sync.Mutex
	// nameless are those that may be ended, oldest first.
	nameless *list.List
}

// guest is a connection; waiting is its place among the nameless, nil for none.
type guest struct {
	net.Conn
	l       *limited
	waiting *list.Element
	leave   func()
}

// Accept gives the next connection.
func (l *limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	for full := true; full; {
		select {
		case l.room <- struct{}{}:
			full = false
		default:
			if l.evict() {
				continue
			}
			select {
			case l.room <- struct{}{}:
				full = false
			case <-l.idle:
			case <-l.closed:
				c.Close() //nolint:errcheck // it was never used
				return nil, net.ErrClosed
			}
		}
	}
	g := &guest{Conn: c, l: l, leave: sync.OnceFunc(func() { <-l.room })}
	l.wait(g)
	return g, nil
}

// became notes what a connection does now.
func (l *limited) became(c net.Conn, state http.ConnState) {
	secure, ok := c.(*tls.Conn)
	if !ok {
		return
	}
	g, ok := secure.NetConn().(*guest)
	if !ok {
		return
	}
	switch state {
	case http.StateActive:
		if l.known(secure.ConnectionState()) {
			l.forget(g)
		}
	case http.StateIdle:
		l.wait(g)
	default:
	}
}

// wait puts a connection among the nameless, as the newest.
func (l *limited) wait(g *guest) {
	l.mu.Lock()
	if g.waiting == nil {
		g.waiting = l.nameless.PushBack(g)
	}
	l.mu.Unlock()
	select {
	case l.idle <- struct{}{}:
	default:
	}
}

func (l *limited) forget(g *guest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if g.waiting != nil {
		l.nameless.Remove(g.waiting)
		g.waiting = nil
	}
}

// evict ends the oldest nameless connection, if there is one.
func (l *limited) evict() bool {
	l.mu.Lock()
	first := l.nameless.Front()
	l.mu.Unlock()
	if first == nil {
		return false
	}
	if g, ok := first.Value.(*guest); ok {
		g.Close() //nolint:errcheck // there is nobody to tell
	}
	return true
}

// Close ends the listener, also where it waits for room.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// Close gives the connection's room to another.
func (g *guest) Close() error {
	g.l.forget(g)
	defer g.leave()
	return g.Conn.Close()
}
