package link

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"golang.org/x/time/rate"
)

// conn is what paho writes to. It tells when a publish has been written, so that
// the next is offered then and not before, see pahoLink.send.
type conn struct {
	*tls.Conn
	wrote chan struct{}
}

// publishPacket is the first half of the first byte of MQTT's PUBLISH. Paho
// writes each packet in one piece.
const publishPacket = 3

// Write writes one packet.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if len(p) > 0 && p[0]>>4 == publishPacket {
		select {
		case c.wrote <- struct{}{}:
		default:
		}
	}
	return n, err
}

// SetWriteDeadline does nothing: throttled gives each piece its own.
func (*conn) SetWriteDeadline(time.Time) error { return nil }

// throttled is the network below TLS. It gives every piece writeTimeout to be
// written in and keeps to a rate.
type throttled struct {
	net.Conn
	limit  *rate.Limiter // nil: none
	ctx    context.Context
	cancel context.CancelFunc
}

// throttle limits a connection to bytes a second, 0 for no limit. Less than a
// quarter of a second's worth goes out in one piece.
func throttle(c net.Conn, bytes int) *throttled {
	t := &throttled{Conn: c}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	if bytes > 0 {
		bytes = max(bytes, LeastRate)
		t.limit = rate.NewLimiter(rate.Limit(bytes), min(max(bytes/4, 256), 16<<10))
	}
	return t
}

// Write writes all of p, piece by piece.
func (t *throttled) Write(p []byte) (written int, err error) {
	for len(p) > 0 {
		piece := p
		if t.limit != nil {
			piece = p[:min(len(p), t.limit.Burst())]
			if err := t.limit.WaitN(t.ctx, len(piece)); err != nil {
				return written, net.ErrClosed
			}
		}
		// A deadline of the network, which no setting of the unit's clock moves.
		if err := t.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			return written, err
		}
		n, err := t.Conn.Write(piece)
		written += n
		if err != nil {
			return written, err
		}
		p = p[n:]
	}
	return written, nil
}

// SetWriteDeadline does nothing, see Write.
func (*throttled) SetWriteDeadline(time.Time) error { return nil }

// Close ends a write that waits.
func (t *throttled) Close() error {
	t.cancel()
	return t.Conn.Close()
}

// dial opens the connection; the end of ctx breaks it off.
func dial(ctx context.Context, host string, c Config) (*conn, error) {
	tcp, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	bytes := 0
	if c.Rate != nil {
		bytes = c.Rate(tcp.LocalAddr())
	}
	config := c.TLS.Clone()
	if config.ServerName == "" {
		if config.ServerName, _, err = net.SplitHostPort(host); err != nil {
			return nil, err
		}
	}
	secured := tls.Client(throttle(tcp, bytes), config)
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		secured.Close() //nolint:errcheck // it is given up
		return nil, err
	}
	return &conn{Conn: secured, wrote: make(chan struct{}, 1)}, nil
}
