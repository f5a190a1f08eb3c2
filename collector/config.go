package collector

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	_ "time/tzdata" // a machine without zone files knows the site's zone all the same

	"nrd"
	"nrd/internal/clock"
	"nrd/internal/config"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

// Sample is the commented configuration that a new site starts from.
//
//go:embed central.toml
var Sample []byte

// Config is central's configuration: the file central.toml. Relative paths in
// it are relative to its own folder.
type Config struct {
	// Data is the folder of the store; Key the file with the site's master key.
	Data string `toml:"data"`
	Key  string `toml:"key"`
	// Profile is the standard whose limits hold: a built-in name or a file.
	Profile string `toml:"profile"`
	// TimeZone is the zone in which the page shows times.
	TimeZone string        `toml:"time_zone"`
	Ingest   IngestConfig  `toml:"ingest"`
	Broker   BrokerConfig  `toml:"broker"`
	Fleet    FleetConfig   `toml:"fleet"`
	Publish  PublishConfig `toml:"publish"`
	Page     PageConfig    `toml:"page"`
	Session  SessionConfig `toml:"session"`
	Alarm    AlarmConfig   `toml:"alarm"`
	Lists    ListsConfig   `toml:"lists"`
	Metrics  MetricsConfig `toml:"metrics"`

	// Clock is the system's, unless a test sets another.
	Clock nrd.Clock `toml:"-"`

	file    string
	profile nrd.Profile
	zone    *time.Location
}

// IngestConfig is the way in for devices: MQTT over mutual TLS.
type IngestConfig struct {
	Listen      string `toml:"listen"`
	CA          string `toml:"ca"`
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
}

// FleetConfig is where devices get and renew their certificates, over HTTPS with
// the certificate of ingest, and the issuer that they get them from.
type FleetConfig struct {
	Listen      string `toml:"listen"`
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
}

// PageConfig is the way in for people: HTTPS.
type PageConfig struct {
	Listen      string `toml:"listen"`
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
}

// SessionConfig says when people are signed out: after Idle without use, and
// after Absolute in any case.
type SessionConfig struct {
	Idle     config.Duration `toml:"idle"`
	Absolute config.Duration `toml:"absolute"`
}

// AlarmConfig is what is let pass before an alarm about a device is raised: how
// long it may be silent, how old what waits on it may get, how far its clock may
// be off, and how much of its disk must be free.
type AlarmConfig struct {
	Silent   config.Duration `toml:"silent"`
	Backlog  config.Duration `toml:"backlog"`
	Clock    config.Duration `toml:"clock"`
	DiskFree config.Size     `toml:"disk_free"`
}

// ListsConfig is how lists come in and what is decided about them.
type ListsConfig struct {
	// Inbox is the folder that list files come to; empty: inbox in the data folder.
	Inbox string `toml:"inbox"`
	// Shrink is the share of a list that a file may take away before a person is
	// asked, from 0 to 1.
	Shrink float64 `toml:"shrink"`
	// Late is how long after its time a file may come.
	Late config.Duration `toml:"late"`
	// Retrospect is how far back stored records are searched when an entry is added.
	Retrospect config.Duration `toml:"retrospect"`
	// Expired is how long an entry of a local list is kept after its weed date.
	Expired config.Duration `toml:"expired"`
}

// MetricsConfig is where Prometheus is answered, over HTTP without a password;
// an empty Listen for nowhere.
type MetricsConfig struct {
	Listen string `toml:"listen"`
}

// LoadConfig reads, completes and checks a configuration file. The error is
// ErrConfiguration.
func LoadConfig(file string) (*Config, error) {
	c := &Config{
		Clock:    clock.System(),
		file:     file,
		Data:     "/var/lib/central",
		Profile:  nrd.DefaultProfile,
		TimeZone: "Europe/London",
		Ingest:   IngestConfig{Listen: ":8883"},
		Fleet:    FleetConfig{Listen: ":8444", Certificate: "issuer.pem", Key: "issuer.key"},
		Publish:  PublishConfig{Listen: ":8445", Trust: "trust"},
		Page:     PageConfig{Listen: ":8443"},
		Session:  SessionConfig{Idle: config.Duration(30 * time.Minute), Absolute: config.Duration(12 * time.Hour)},
		Alarm: AlarmConfig{
			Silent: config.Duration(5 * time.Minute), Backlog: config.Duration(30 * time.Minute), Clock: config.Duration(time.Second), DiskFree: 1e9,
		},
		Lists: ListsConfig{Shrink: 0.2, Late: config.Duration(time.Hour), Retrospect: config.Duration(30 * 24 * time.Hour), Expired: config.Duration(28 * 24 * time.Hour)},
	}
	err := config.Load(file, c)
	if err == nil {
		c.resolve()
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("%w:\n%w", ErrConfiguration, err)
	}
	return c, nil
}

// resolve makes paths absolute. A credential master.key of systemd takes the
// place of the key that the file names: that one is root's alone.
func (c *Config) resolve() {
	if credential := filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "master.key"); filepath.IsAbs(credential) {
		c.Key = credential
	}
	if strings.HasSuffix(c.Profile, ".json") {
		c.Profile = config.Path(c.file, c.Profile)
	}
	for _, p := range []*string{&c.Data, &c.Key, &c.Ingest.CA, &c.Ingest.Certificate, &c.Ingest.Key, &c.Fleet.Certificate, &c.Fleet.Key, &c.Publish.Trust, &c.Page.Certificate, &c.Page.Key} {
		*p = config.Path(c.file, *p)
	}
	c.Broker.resolve(c.file)
	c.Lists.Inbox = config.Path(c.file, cmp.Or(c.Lists.Inbox, filepath.Join(c.Data, "inbox")))
}

func (c *Config) check() error {
	var errs []error
	say := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s: %s", c.file, key, fmt.Sprintf(format, args...)))
	}
	for _, setting := range []struct{ key, value string }{
		{"data", c.Data}, {"key", c.Key},
		{"ingest.listen", c.Ingest.Listen}, {"ingest.ca", c.Ingest.CA}, {"ingest.certificate", c.Ingest.Certificate}, {"ingest.key", c.Ingest.Key},
		{"fleet.listen", c.Fleet.Listen}, {"fleet.certificate", c.Fleet.Certificate}, {"fleet.key", c.Fleet.Key},
		{"publish.listen", c.Publish.Listen}, {"publish.trust", c.Publish.Trust},
		{"page.listen", c.Page.Listen}, {"page.certificate", c.Page.Certificate}, {"page.key", c.Page.Key},
	} {
		if setting.value == "" {
			say(setting.key, "is missing")
		}
	}
	c.Broker.check(say)
	if err := config.CheckSocket(c.socket()); err != nil {
		say("data", "%v", err)
	}
	var err error
	if c.profile, err = nrd.LoadProfile(c.Profile); err != nil {
		say("profile", "%v", err)
	}
	if c.zone, err = time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "" || c.TimeZone == "Local" {
		say("time_zone", "%q is not a time zone such as Europe/London", c.TimeZone)
	}
	idle, absolute := time.Duration(c.Session.Idle), time.Duration(c.Session.Absolute)
	if idle < time.Minute || idle > 24*time.Hour {
		say("session.idle", "must be between 1m and 24h, is %s", idle)
	}
	if absolute < idle || absolute > 24*time.Hour {
		say("session.absolute", "must be between idle and 24h, is %s", absolute)
	}
	for _, limit := range []struct {
		key       string
		is, least config.Duration
	}{
		// A device reports once a minute.
		{"alarm.silent", c.Alarm.Silent, config.Duration(2 * time.Minute)},
		{"alarm.backlog", c.Alarm.Backlog, config.Duration(time.Minute)},
		{"alarm.clock", c.Alarm.Clock, config.Duration(time.Millisecond)},
	} {
		if limit.is < limit.least {
			say(limit.key, "must be at least %s, is %s", time.Duration(limit.least), time.Duration(limit.is))
		}
	}
	if c.Lists.Shrink < 0 || c.Lists.Shrink > 1 {
		say("lists.shrink", "must be a share from 0 to 1, is %v", c.Lists.Shrink)
	}
	return errors.Join(errs...)
}

// CheckFiles reads the keys and certificates that the configuration names. The
// error is ErrConfiguration.
func (c *Config) CheckFiles() error {
	var errs []error
	say := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", c.file, key, err))
		}
	}
	_, err := sealed.LoadKey(c.Key)
	say("key", err)
	_, err = identity.ServerTLS(c.Ingest.CA, c.Ingest.Certificate, c.Ingest.Key)
	say("ingest", err)
	_, err = c.Broker.client(c.Ingest.CA)
	say("broker", err)
	_, err = identity.OpenIssuer(c.Ingest.CA, c.Fleet.Certificate, c.Fleet.Key, c.Clock)
	say("fleet", err)
	_, err = identity.PageTLS(c.Page.Certificate, c.Page.Key)
	say("page", err)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w:\n%w", ErrConfiguration, err)
	}
	return nil
}

// store is the folder of the store, lists that of the lists' entries, socket the way
// in for the command line.
func (c *Config) store() string  { return filepath.Join(c.Data, "store") }
func (c *Config) lists() string  { return filepath.Join(c.Data, "lists") }
func (c *Config) socket() string { return filepath.Join(c.Data, "central.sock") }

// Day and Moment write a time in the site's zone for people; nil is "".
func (c *Config) Day(t *time.Time) string { return c.in(t, "2006-01-02") }

// Moment is Day with the time of day and the offset from UTC.
func (c *Config) Moment(t *time.Time) string { return c.in(t, "2006-01-02 15:04:05 -07:00") }

func (c *Config) in(t *time.Time, layout string) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.In(c.zone).Format(layout)
}
