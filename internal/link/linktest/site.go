// Package linktest holds every way to central to the same contract, and starts
// the brokers for it: mosquitto and RabbitMQ, real ones, from Debian's packages,
// as processes of the test. They are set up as packaging/mosquitto and
// packaging/rabbitmq say.
package linktest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"nrd/internal/clock"
	"nrd/internal/identity"
)

// Site is a site's certificates in a folder.
type Site struct {
	Dir string
	t   testing.TB
}

// NewSite makes a site with certificates of central, of a broker, of central at
// that broker, and of devices.
func NewSite(t testing.TB, devices ...string) *Site {
	t.Helper()
	s := &Site{Dir: t.TempDir(), t: t}
	// Certificates are checked against real time.
	site, err := identity.NewSite(s.Dir, clock.System())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"central", "broker"} {
		if err := site.IssueServer(s.Dir, server, []string{"127.0.0.1"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := site.IssueCentral(s.Dir); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(filepath.Join(s.Dir, identity.RevokedFile))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.Dir, "revoked.crl"), string(list))
	for _, device := range devices {
		if err := site.IssueDevice(s.Dir, device); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// Files gives what identity.ClientTLS and identity.ServerTLS ask for.
func (s *Site) Files(name string) (ca, certificate, key string) {
	return filepath.Join(s.Dir, "ca.pem"), filepath.Join(s.Dir, name+".pem"), filepath.Join(s.Dir, name+".key")
}

// Client is the configuration of a device or of central at a broker.
func (s *Site) Client(name string) *tls.Config {
	s.t.Helper()
	config, err := identity.ClientTLS(s.Files(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return config
}

// Expired is the configuration of a device whose certificate has ended.
func (s *Site) Expired(device string) *tls.Config {
	s.t.Helper()
	site, err := identity.OpenSite(s.Dir, clock.NewManual(time.Now().AddDate(-2, 0, 0)))
	if err != nil {
		s.t.Fatal(err)
	}
	old := Site{Dir: s.t.TempDir(), t: s.t}
	if err := errors.Join(site.IssueDevice(old.Dir, device), os.Symlink(filepath.Join(s.Dir, "ca.pem"), filepath.Join(old.Dir, "ca.pem"))); err != nil {
		s.t.Fatal(err)
	}
	return old.Client(device)
}

// Server is central's configuration of its own broker.
func (s *Site) Server() *tls.Config {
	s.t.Helper()
	config, err := identity.ServerTLS(s.Files("central"))
	if err != nil {
		s.t.Fatal(err)
	}
	return config
}

// Proxy passes connections on and can cut them.
type Proxy struct {
	Address string

	mu     sync.Mutex
	target string
	conns  map[net.Conn]bool
	refuse bool
}

// NewProxy listens until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Address: l.Addr().String(), target: target, conns: map[net.Conn]bool{}}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { p.pass(conn) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		p.Cut()
		work.Wait()
	})
	return p
}

func (p *Proxy) pass(down net.Conn) {
	defer down.Close()
	p.mu.Lock()
	target, refused := p.target, p.refuse
	p.mu.Unlock()
	up, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer up.Close()
	p.mu.Lock()
	p.conns[down], p.conns[up] = true, true
	p.mu.Unlock()
	if refused {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(up, down); up.Close() })
	both.Go(func() { _, _ = io.Copy(down, up); down.Close() })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, down)
	delete(p.conns, up)
	p.mu.Unlock()
}

// Cut ends every connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		conn.Close()
	}
}

// Block refuses new connections, or not any more.
func (p *Proxy) Block(refuse bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = refuse
}

// Aim passes later connections on to another address.
func (p *Proxy) Aim(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Eventually looks again and again, for what nobody signals.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// freePort is one that nobody uses at the moment.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
