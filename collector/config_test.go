package collector

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "central.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheSampleIsAConfiguration(t *testing.T) {
	file := write(t, string(Sample))
	c, err := LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	if c.Data != "/var/lib/central" || c.Key != filepath.Join(dir, "master.key") || c.Ingest.CA != filepath.Join(dir, "ca.pem") || c.zone.String() != "Europe/London" || c.profile.Name != "nasple-2.4" {
		t.Errorf("read as %+v", c)
	}
	// The sample shows every setting with the value it has when it is left out.
	bare, err := LoadConfig(write(t, "key='k'\n[ingest]\nca='a'\ncertificate='b'\nkey='c'\n[page]\ncertificate='d'\nkey='e'\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != bare.Data || c.Ingest.Listen != bare.Ingest.Listen || c.Page.Listen != bare.Page.Listen || c.Session != bare.Session || c.Profile != bare.Profile || c.TimeZone != bare.TimeZone || c.Lists != bare.Lists {
		t.Errorf("the sample has %+v, the program %+v", c, bare)
	}
}

func TestAWrongConfigurationNamesFileAndKey(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"an unknown key":      {`idle = "30m"`, `idel = "30m"`, "central.toml:51: session.idel is not a setting"},
		"a missing key":       {`key = "master.key"`, ``, "key: is missing"},
		"no place to listen":  {`listen = ":8443"`, `listen = ""`, "page.listen: is missing"},
		"a wrong profile":     {`"nasple-2.4"`, `"nasple-9"`, "profile: no profile"},
		"a wrong zone":        {`"Europe/London"`, `"Europe/Londn"`, "time_zone: "},
		"a zone of nowhere":   {`"Europe/London"`, `"Local"`, "time_zone: "},
		"endless sessions":    {`absolute = "12h"`, `absolute = "30d"`, "session.absolute: must be between"},
		"sessions of nothing": {`idle = "30m"`, `idle = "0s"`, "session.idle: must be between"},
		"too deep a folder":   {`"/var/lib/central"`, `"/var/lib/` + strings.Repeat("central/", 12) + `"`, "data: the path of its socket"},
		"a number for a text": {`data = "/var/lib/central"`, `data = 7`, "central.toml:"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(string(Sample), c.from) {
				t.Fatalf("the sample has no %s", c.from)
			}
			_, err := LoadConfig(write(t, strings.Replace(string(Sample), c.from, c.to, 1)))
			if !errors.Is(err, ErrConfiguration) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "central.toml") {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestACredentialOfTheServiceManagerIsTheKey(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/central")
	c, err := LoadConfig(write(t, string(Sample)))
	if err != nil || c.Key != "/run/credentials/central/master.key" {
		t.Errorf("the key is %v, %v", c, err)
	}
}

func TestAMomentIsReadInTheSitesZone(t *testing.T) {
	c, err := LoadConfig(write(t, string(Sample)))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"2026-07-01T12:00":          "2026-07-01T11:00:00Z",
		"2026-11-23 14:30:05":       "2026-11-23T14:30:05Z",
		"2026-07-01":                "2026-06-30T23:00:00Z",
		"2026-07-01T12:00:00Z":      "2026-07-01T12:00:00Z",
		"2026-07-01T12:00:00+02:00": "2026-07-01T10:00:00Z",
	} {
		if got, err := c.Time(text); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%s is read as %s, %v, want %s", text, got, err, want)
		}
	}
	if got, err := c.Time(""); err != nil || !got.IsZero() {
		t.Errorf("nothing is read as %s, %v", got, err)
	}
	if _, err := c.Time("yesterday"); !errors.Is(err, ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add(Sample)
	f.Add([]byte("data = 1"))
	f.Add([]byte("[session]\nidle = '99999h'"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), "central.toml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadConfig(file)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v, %v", c, err)
		}
		if err == nil && (c.zone == nil || c.Session.Idle < 0 || c.Session.Absolute < c.Session.Idle || c.Key == "") {
			t.Fatalf("%q was taken as %+v", text, c)
		}
		if err != nil && !errors.Is(err, ErrConfiguration) {
			t.Fatal(err)
		}
	})
}
