// Package limit bounds how many connections a listener has open.
package limit

import (
	"net"
	"sync"
)

// Listener gives a listener that has at most so many connections open, and with them
// the memory that strangers can take; the next wait to be accepted.
func Listener(l net.Listener, most int) net.Listener {
	return &limited{Listener: l, room: make(chan struct{}, most), closed: make(chan struct{})}
}

type limited struct {
	net.Listener
	room   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.room <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &leaving{Conn: c, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type leaving struct {
	net.Conn
	leave func()
}

func (c *leaving) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
