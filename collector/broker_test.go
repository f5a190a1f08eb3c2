package collector

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nrd/internal/identity"
)

func TestABrokerOfAnotherMakeIsConfiguredAndItsCertificatesIssued(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	if err := InitSite(NewSite{Dir: dir, Hosts: []string{"127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}
	if err := IssueBroker(dir, []string{"broker.example"}); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "broker")
	if _, err := identity.ServerTLS(filepath.Join(folder, "ca.pem"), filepath.Join(folder, "broker.pem"), filepath.Join(folder, "broker.key")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "central.toml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	set := func(lines string) error {
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), "[broker]\n", "[broker]\n"+lines, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(file)
		if err != nil {
			return err
		}
		if err := c.CheckFiles(); err != nil {
			return err
		}
		b, err := c.Broker.client(c.Ingest.CA)
		if err != nil || b == nil || b.Address != "tls://broker.example:8883" || len(b.TLS.Certificates) != 1 {
			t.Errorf("the broker is %+v, %v", b, err)
		}
		return nil
	}
	const files = "certificate = \"nrd_central.pem\"\nkey = \"nrd_central.key\"\n"
	if err := set("external = \"tls://broker.example:8883\"\n" + files); err != nil {
		t.Error(err)
	}
	for want, lines := range map[string]string{
		"broker.external":           "external = \"mqtt://broker.example\"\n" + files,
		"broker: needs certificate": "external = \"tls://broker.example:8883\"\n",
		"broker.group":              "external = \"tls://broker.example:8883\"\ngroup = \"a/b\"\n" + files,
		"missing.pem":               "external = \"tls://broker.example:8883\"\ncertificate = \"missing.pem\"\nkey = \"nrd_central.key\"\n",
	} {
		if err := set(lines); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", lines, err)
		}
	}
}
