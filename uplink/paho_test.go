package uplink

import (
	"context"
	"slices"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"nrd/internal/identity"
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
func newDeaf(t *testing.T, site string) (*deaf, *proxy) {
	t.Helper()
	config, err := identity.ServerTLS(pem(site, "central"))
	if err != nil {
		t.Fatal(err)
	}
	d := &deaf{heard: make(chan string, 100)}
	server := mochi.New(&mochi.Options{Logger: discard()})
	listener := listeners.NewTCP(listeners.Config{ID: "tls", Address: "127.0.0.1:0", TLSConfig: config})
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
	return d, newProxy(t, listener.Address())
}

// TestPahosReconnectLies is why pahoLink leaves paho's reconnecting off. When it
// fails, paho has changed for the better, and that can be thought over.
func TestPahosReconnectLies(t *testing.T) {
	site := newSite(t)
	d, p := newDeaf(t, site)
	config, err := identity.ClientTLS(pem(site, "car-7"))
	if err != nil {
		t.Fatal(err)
	}
	client := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tls://" + p.address).SetClientID("car-7").SetTLSConfig(config).
		SetCleanSession(true).SetAutoReconnect(true).SetMaxReconnectInterval(50 * time.Millisecond))
	if token := client.Connect(); !token.WaitTimeout(10*time.Second) || token.Error() != nil {
		t.Fatal("no connection", token.Error())
	}
	defer client.Disconnect(closeWait)
	token := client.Publish(wire.TopicRecord("car-7"), 1, false, "a read")
	<-d.heard
	p.cut()
	if !token.WaitTimeout(20 * time.Second) {
		t.Fatal("the token stays open after a broken connection: paho has changed")
	}
	if token.Error() != nil {
		t.Fatalf("the token says %v after a broken connection: paho has changed", token.Error())
	}
}

func TestALinkNeverSaysThatSomethingWasAcknowledgedThatWasNot(t *testing.T) {
	site := newSite(t)
	d, p := newDeaf(t, site)
	config, err := identity.ClientTLS(pem(site, "car-7"))
	if err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func(link){
		"a broken connection": func(link) { p.cut() },
		"closing":             func(l link) { l.close() },
	} {
		t.Run(name, func(t *testing.T) {
			l, err := connectPaho(context.Background(), linkConfig{
				broker: "tls://" + p.address, tls: config, device: "car-7", received: func(string, []byte) {},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			acked := make(chan error, 1)
			l.publish(wire.TopicRecord("car-7"), false, []byte("a read"), func(err error) { acked <- err })
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
	site := newSite(t)
	_, p := newDeaf(t, site)
	config, err := identity.ClientTLS(pem(site, "car-7"))
	if err != nil {
		t.Fatal(err)
	}
	// A broker that takes the connection and never says a word.
	silent := newSilent(t, site)
	for name, address := range map[string]string{"a silent broker": silent, "one that is there": p.address} {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if name == "one that is there" {
			cancel()
		}
		begun := make(chan struct{})
		go func() {
			defer close(begun)
			_, err := connectPaho(ctx, linkConfig{broker: "tls://" + address, tls: config, device: "car-7", received: func(string, []byte) {}})
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
