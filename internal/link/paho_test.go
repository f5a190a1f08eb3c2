package link_test

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"nrd/internal/link"
	"nrd/internal/link/linktest"
	"nrd/uplink/wire"
)

// deaf is a broker that acknowledges no publish.
type deaf struct {
	mochi.HookBase
	heard chan string
}

func (d *deaf) ID() string { return "deaf" }
func (d *deaf) Provides(b byte) bool {
	return slices.Contains([]byte{mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnPublish}, b)
}
func (d *deaf) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }
func (d *deaf) OnACLCheck(*mochi.Client, string, bool) bool              { return true }
func (d *deaf) OnPublish(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if len(pk.Payload) > 0 && pk.TopicName == wire.TopicRecord("car-7") {
		d.heard <- string(pk.Payload)
	}
	return pk, packets.ErrRejectPacket
}

// newDeaf starts one behind a proxy.
func newDeaf(t *testing.T, site *linktest.Site) (*deaf, *linktest.Proxy) {
	t.Helper()
	d := &deaf{heard: make(chan string, 100)}
	server := mochi.New(&mochi.Options{Logger: slog.New(slog.DiscardHandler)})
	listener := listeners.NewTCP(listeners.Config{ID: "tls", Address: "127.0.0.1:0", TLSConfig: site.Server()})
	if err := server.AddHook(d, nil); err != nil {
		t.Fatal(err)
	}
	if err := server.AddListener(listener); err != nil {
		t.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, linktest.NewProxy(t, listener.Address())
}

// TestPahosReconnectLies is why pahoLink leaves paho's reconnecting off. When it
// fails, paho has changed for the better, and that can be thought over.
func TestPahosReconnectLies(t *testing.T) {
	site := linktest.NewSite(t, "car-7")
	d, p := newDeaf(t, site)
	config := site.Client("car-7")
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tls://" + p.Address).SetClientID("car-7").SetTLSConfig(config).
		SetCleanSession(true).SetAutoReconnect(true).SetMaxReconnectInterval(50 * time.Millisecond))
	if token := client.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal("no connection", token.Error())
	}
	defer client.Disconnect(250)
	token := client.Publish(wire.TopicRecord("car-7"), 1, false, "a read")
	<-d.heard
	p.Cut()
	if !token.WaitTimeout(20 * time.Second) {
		t.Fatal("the token stays open after a broken connection: paho has changed")
	}
	if token.Error() != nil {
		t.Fatalf("the token says %v after a broken connection: paho has changed", token.Error())
	}
}

func TestALinkNeverSaysThatSomethingWasAcknowledgedThatWasNot(t *testing.T) {
	site := linktest.NewSite(t, "car-7")
	d, p := newDeaf(t, site)
	config := site.Client("car-7")
	for name, end := range map[string]func(link.Link){
		"a broken connection": func(link.Link) { p.Cut() },
		"closing":             func(l link.Link) { l.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := link.Connect(context.Background(), link.Config{
				Broker: "tls://" + p.Address, TLS: config, Client: "car-7", Topics: []string{wire.TopicReceipt("car-7")}, Received: func(string, []byte) {},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			acked := make(chan error, 1)
			l.Publish(wire.TopicRecord("car-7"), false, []byte("a read"), func(err error) { acked <- err })
			<-d.heard
			end(l)
			select {
			case err := <-acked:
				if err == nil {
					t.Error("it says that the broker has it")
				}
			case <-time.After(20 * time.Second):
				t.Error("nobody is told that the connection is over")
			}
		})
	}
}

func TestConnectingCanBeBrokenOff(t *testing.T) {
	site := linktest.NewSite(t, "car-7")
	_, p := newDeaf(t, site)
	config := site.Client("car-7")
	// A broker that takes the connection and never says a word.
	silent := newSilent(t, site)
	for name, address := range map[string]string{"a silent broker": silent, "one that is there": p.Address} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if name == "one that is there" {
			cancel()
		}
		begun := make(chan struct{})
		go func() {
			defer close(begun)
			_, err := link.Connect(ctx, link.Config{Broker: "tls://" + address, TLS: config, Client: "car-7", Topics: []string{wire.TopicReceipt("car-7")}, Received: func(string, []byte) {}})
			if err == nil {
				t.Errorf("%s: connected", name)
			}
		}()
		select {
		case <-begun:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s: connecting goes on after its end", name)
		}
		cancel()
	}
}

// newSilent listens with TLS and says nothing.
func newSilent(t *testing.T, site *linktest.Site) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", site.Server())
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn)
			})
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		work.Wait()
	})
	return l.Addr().String()
}
