package uplink

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"nrd"
	"nrd/internal/identity"
	"nrd/uplink/wire"
)

// mosquitto starts the broker with mutual TLS; a device may use its own topics,
// central all of them.
func mosquitto(t *testing.T, site string) (address string) {
	t.Helper()
	program, err := exec.LookPath("mosquitto")
	if err != nil {
		program = "/usr/sbin/mosquitto"
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// As root it would change to a user who cannot read the test's files.
	config := fmt.Sprintf(`listener %[1]s 127.0.0.1
user root
cafile %[2]s/ca.pem
certfile %[2]s/central.pem
keyfile %[2]s/central.key
require_certificate true
use_identity_as_username true
acl_file %[3]s/acl
`, port, site, dir)
	acl := "user central-ingest\ntopic readwrite nrd/1/#\npattern readwrite nrd/1/device/%u/#\n"
	for name, text := range map[string]string{"conf": config, "acl": acl} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-c", filepath.Join(dir, "conf"))
	if err := cmd.Start(); err != nil {
		t.Fatalf("mosquitto is needed for this test (Debian's package of that name): %v", err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	})
	eventually(t, "mosquitto listens", func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
	return address
}

func TestRecordsReachACentralBehindMosquitto(t *testing.T) {
	conf := config(t)
	b, site := open(t, conf), newSite(t)
	ca, err := identity.OpenSite(site, realTime{})
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.IssueDevice(site, "central-ingest"); err != nil {
		t.Fatal(err)
	}
	address := mosquitto(t, site)

	// A central of our own, as a client of the broker.
	config, err := identity.ClientTLS(pem(site, "central-ingest"))
	if err != nil {
		t.Fatal(err)
	}
	statuses := make(chan *wire.Status, 100)
	ingest := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tls://" + address).SetClientID("central").SetTLSConfig(config).SetOrderMatters(false))
	if token := ingest.Connect(); token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}
	defer ingest.Disconnect(closeWait)
	reader := &central{t: t}
	token := ingest.Subscribe("nrd/1/device/+/#", 1, func(_ mqtt.Client, m mqtt.Message) {
		device, kind, err := wire.ParseTopic(m.Topic())
		switch {
		case err != nil:
			t.Error(err)
		case kind == "status":
			var s wire.Status
			if err := wire.Unmarshal(m.Payload(), &s); err != nil {
				t.Error(err)
			}
			statuses <- &s
		case kind == "record" || kind == "image":
			a := reader.read(kind, m.Payload())
			item := wire.FromReceipt(a.key, a.kind, a.digest, wire.Receipt_STORED, "")
			ingest.Publish(wire.TopicReceipt(device), 1, false, marshal(t, &wire.Receipt{Items: []*wire.Receipt_Item{item}}))
		}
	})
	if token.Wait() && token.Error() != nil {
		t.Fatal(token.Error())
	}

	device, err := identity.ClientTLS(pem(site, "car-7"))
	if err != nil {
		t.Fatal(err)
	}
	client := (&central{t: t, site: site, proxy: &proxy{address: address}}).client(b)
	client.TLS = device
	stop := start(t, client)
	addMany(t, b, 100, func() *nrd.Record { return read(conf.Clock, "AB12CDE") })
	eventually(t, "all is stored", func() bool { return waiting(t, b) == 0 })
	if s := <-statuses; s.GetDevice() != "car-7" || s.GetOffline() {
		t.Errorf("the first status is %v", s)
	}
	stop()
	eventually(t, "the last status says that it is gone", func() bool { return (<-statuses).GetOffline() })
}
