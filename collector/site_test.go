package collector

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nrd/internal/identity"
)

func newSite(t testing.TB) *Config {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	site := NewSite{Dir: dir, Hosts: []string{"127.0.0.1", "localhost"}, Ingest: "127.0.0.1:0", Page: "127.0.0.1:0"}
	if err := InitSite(site); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig(filepath.Join(dir, "central.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestANewSiteIsReadyToServe(t *testing.T) {
	c := newSite(t)
	if err := c.CheckFiles(); err != nil {
		t.Error(err)
	}
	dir := filepath.Dir(c.file)
	if c.Data != filepath.Join(dir, "data") || c.Ingest.Listen != "127.0.0.1:0" || c.Page.Listen != "127.0.0.1:0" {
		t.Errorf("configured as %+v", c)
	}
	for _, secret := range []string{"ca.key", "central.key", "issuer.key", "master.key"} {
		if info, err := os.Stat(filepath.Join(dir, secret)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", secret, info, err)
		}
	}
}

func TestASiteIsNeverMadeOverAnother(t *testing.T) {
	c := newSite(t)
	dir := filepath.Dir(c.file)
	before, err := os.ReadFile(filepath.Join(dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := InitSite(NewSite{Dir: dir, Hosts: []string{"localhost"}}); !errors.Is(err, identity.ErrSiteExists) {
		t.Errorf("got %v", err)
	}
	if after, err := os.ReadFile(filepath.Join(dir, "master.key")); err != nil || string(after) != string(before) {
		t.Errorf("the master key is another: %v", err)
	}
}

func TestASiteWithoutHostsIsNotMade(t *testing.T) {
	site := NewSite{Dir: filepath.Join(t.TempDir(), "site")}
	if err := InitSite(site); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(site.Dir); err == nil {
		t.Error("something was made")
	}
}

func TestANewServerCertificateAndANewIssuerComeFromTheSameCA(t *testing.T) {
	c := newSite(t)
	dir := filepath.Dir(c.file)
	if err := RenewServer(dir, []string{"central.example"}); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceIssuer(dir); err != nil {
		t.Fatal(err)
	}
	if err := c.CheckFiles(); err != nil {
		t.Error(err)
	}
}

func TestKeysAndCertificatesThatAreWrongAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config) error
		want   string
	}{
		"no master key":            {func(c *Config) error { return os.Remove(c.Key) }, "key: "},
		"a key that all can read":  {func(c *Config) error { return os.Chmod(c.Key, 0o644) }, "chmod it to 0600"},
		"no certificate":           {func(c *Config) error { return os.Remove(c.Page.Certificate) }, "page: "},
		"another site's authority": {func(c *Config) error { c.Ingest.CA = newSite(t).Ingest.CA; return nil }, "ingest: "},
	} {
		t.Run(name, func(t *testing.T) {
			config := newSite(t)
			if err := c.change(config); err != nil {
				t.Fatal(err)
			}
			err := config.CheckFiles()
			if !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}
