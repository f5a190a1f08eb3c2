package agent

import (
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"nrd"
	"nrd/capture"
	"nrd/hotlist"
	"nrd/hotlist/match"
	"nrd/internal/config"
	"nrd/internal/identity"
	"nrd/internal/machinekey"
	"nrd/internal/sealed"
	"nrd/recognise"
)

// Sample is the commented configuration that a new unit starts from.
//
//go:embed nrd-agent.toml
var Sample []byte

// Config is a unit's configuration: the file nrd-agent.toml. Relative paths in
// it are relative to its own folder.
type Config struct {
	// Device is the name in the unit's certificate.
	Device string `toml:"device"`
	// Profile is the standard whose limits hold: a built-in name or a file.
	Profile string `toml:"profile"`
	// Controller is the force that owns the unit; Deployment the incident-log
	// reference under whose authority a vehicle-mounted unit is out.
	Controller string `toml:"controller"`
	Deployment string `toml:"deployment"`
	// Data is the folder of the buffer and the lists; Key the file with the
	// unit's storage key. A systemd credential storage.key takes its place.
	Data string `toml:"data"`
	Key  string `toml:"key"`

	Cameras   []CameraConfig  `toml:"camera"`
	Position  PositionConfig  `toml:"position"`
	Recognise RecogniseConfig `toml:"recognise"`
	Lists     []ListConfig    `toml:"list"`
	Published PublishedConfig `toml:"lists"`
	Match     MatchConfig     `toml:"match"`
	Central   CentralConfig   `toml:"central"`
	Links     []LinkConfig    `toml:"link"`
	Buffer    BufferConfig    `toml:"buffer"`
	Metrics   MetricsConfig   `toml:"metrics"`
	Incab     IncabConfig     `toml:"incab"`
	Live      LiveConfig      `toml:"live"`

	file    string
	profile nrd.Profile
}

// CameraConfig is one camera.
type CameraConfig struct {
	// Footage is a V4L2 device, an RTSP address, a video file, a photograph
	// or a folder of photographs.
	Footage string `toml:"footage"`
	Name    string `toml:"name"`
	// Feed, Source and Camera are the back office's three identifiers.
	Feed   uint16 `toml:"feed"`
	Source uint16 `toml:"source"`
	Camera uint16 `toml:"camera"`
	// Stall is how long a live camera may give no frame before it is opened
	// anew.
	Stall config.Duration `toml:"stall"`
	// Pace plays a video file at its own speed.
	Pace bool `toml:"pace"`
	// Region is the part of the picture that is looked at.
	Region recognise.Region `toml:"region"`
}

// PositionConfig is where the unit is: fixed, or from a receiver.
type PositionConfig struct {
	Latitude  *float64 `toml:"latitude"`
	Longitude *float64 `toml:"longitude"`
	// GPS is a serial device, a file of NMEA sentences to play, or
	// gpsd://host:port.
	GPS  string `toml:"gps"`
	Baud int    `toml:"baud"`
}

// RecogniseConfig chooses the reader.
type RecogniseConfig struct {
	// Engine is "networks" or "tesseract".
	Engine string `toml:"engine"`
	// MinimumConfidence leaves out reads that are less sure, 0-100.
	MinimumConfidence int `toml:"minimum_confidence"`
}

// ListConfig is one list of vehicles of interest, kept as a file on the unit.
type ListConfig struct {
	Name string `toml:"name"`
	File string `toml:"file"`
	// Near matches look-alikes too. Status keeps tens of millions of entries that
	// come in few kinds.
	Near   bool `toml:"near"`
	Status bool `toml:"status"`
}

// MatchConfig says how lists are matched and hits are told.
type MatchConfig struct {
	// NearLimit is how many entries a list that is matched nearly may have.
	NearLimit int `toml:"near_limit"`
	// A vehicle that stays is one alert. It is told again where it is further
	// away than AgainMetres from where it was told last, or AgainAfter later.
	AgainAfter  config.Duration `toml:"again_after"`
	AgainMetres float64         `toml:"again_metres"`
}

// CentralConfig is the way to central.
type CentralConfig struct {
	Broker string `toml:"broker"`
	// HTTPS is where the unit renews its certificate.
	HTTPS string `toml:"https"`
	// CA, Certificate and Key are the unit's identity. Key may be left out where
	// the certificate's file holds it, as an enrolment makes it.
	CA          string `toml:"ca"`
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
}

// BufferConfig bounds what is kept without a link.
type BufferConfig struct {
	MaxBytes config.Size     `toml:"max_bytes"`
	MaxAge   config.Duration `toml:"max_age"`
}

// MetricsConfig is where Prometheus is answered: an address of the loopback, or
// nothing for nowhere.
type MetricsConfig struct {
	Listen string `toml:"listen"`
}

// defaults is what holds where a configuration file says nothing.
func defaults() *Config {
	return &Config{
		Profile:   nrd.DefaultProfile,
		Data:      "/var/lib/nrd-agent",
		Recognise: RecogniseConfig{Engine: "networks"},
		Match:     MatchConfig{NearLimit: hotlist.DefaultNearLimit, AgainAfter: config.Duration(5 * time.Minute), AgainMetres: 500},
		Buffer:    BufferConfig{MaxBytes: 8e9, MaxAge: config.Duration(30 * 24 * time.Hour)},
		Live:      LiveConfig{Timeout: config.Duration(time.Second)},
		Incab:     IncabConfig{StandingSpeed: fastestStanding, Pictures: true},
	}
}

// LoadConfig reads, completes and checks a configuration file.
func LoadConfig(file string) (*Config, error) {
	c := defaults()
	c.file = file
	if err := config.Load(file, c); err != nil {
		return nil, err
	}
	c.resolve()
	return c, c.check()
}

// resolve makes paths absolute and fills what a camera leaves open.
func (c *Config) resolve() {
	if credential := filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "storage.key"); filepath.IsAbs(credential) {
		c.Key = credential
	}
	if strings.HasSuffix(c.Profile, ".json") {
		c.Profile = config.Path(c.file, c.Profile)
	}
	for _, p := range []*string{&c.Data, &c.Key, &c.Central.CA, &c.Central.Certificate, &c.Central.Key, &c.Incab.Certificate, &c.Incab.Key, &c.Live.CA, &c.Live.Certificate, &c.Live.Key} {
		*p = config.Path(c.file, *p)
	}
	if c.Position.GPS != "" && !strings.Contains(c.Position.GPS, "://") {
		c.Position.GPS = config.Path(c.file, c.Position.GPS)
	}
	for i := range c.Lists {
		c.Lists[i].File = config.Path(c.file, c.Lists[i].File)
	}
	for i := range c.Cameras {
		cam := &c.Cameras[i]
		if !capture.IsLive(cam.Footage) {
			cam.Footage = config.Path(c.file, cam.Footage)
		}
		if cam.Stall == 0 {
			cam.Stall = config.Duration(10 * time.Second)
		}
		if cam.Name == "" {
			cam.Name = fmt.Sprintf("camera %d", i+1)
		}
	}
}

func (c *Config) check() error {
	var errs []error
	say := func(key, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s: %s: %s", c.file, key, fmt.Sprintf(format, args...)))
	}
	if err := identity.ValidDevice(c.Device); err != nil {
		say("device", "%v", err)
	}
	if err := config.CheckSocket(c.socket()); err != nil {
		say("data", "%v", err)
	}
	var err error
	if c.profile, err = nrd.LoadProfile(c.Profile); err != nil {
		say("profile", "%v", err)
	}
	for _, needed := range []struct{ key, value string }{
		{"controller", c.Controller}, {"key", c.Key}, {"central.broker", c.Central.Broker},
		{"central.ca", c.Central.CA}, {"central.certificate", c.Central.Certificate},
	} {
		if needed.value == "" {
			say(needed.key, "is missing")
		}
	}
	if len(c.Cameras) == 0 {
		say("camera", "at least one [[camera]] is needed")
	}
	c.checkParts(say)
	c.checkLinks(say)
	return errors.Join(errs...)
}

func (c *Config) checkParts(say func(key, format string, args ...any)) {
	names := map[string]bool{}
	for i, cam := range c.Cameras {
		key := fmt.Sprintf("camera[%d]", i)
		if cam.Footage == "" {
			say(key+".footage", "is missing")
		}
		if names[cam.Name] {
			say(key+".name", "%q is used twice", cam.Name)
		}
		names[cam.Name] = true
		if err := cam.Region.Check(); err != nil {
			say(key+".region", "%v", err)
		}
	}
	p := c.Position
	if (p.Latitude == nil) != (p.Longitude == nil) {
		say("position", "latitude and longitude go together")
	}
	if p.Latitude != nil && p.Longitude != nil && !(nrd.Fix{Latitude: *p.Latitude, Longitude: *p.Longitude}).Valid() {
		say("position", "%g, %g is not on the Earth", *p.Latitude, *p.Longitude)
	}
	if e := c.Recognise.Engine; e != "networks" && e != "tesseract" {
		say("recognise.engine", "%q is not an engine: networks or tesseract", e)
	}
	if m := c.Recognise.MinimumConfidence; m < 0 || m > 100 {
		say("recognise.minimum_confidence", "must be 0 to 100, is %d", m)
	}
	if err := loopback(c.Metrics.Listen); err != nil {
		say("metrics.listen", "%v", err)
	}
	c.Incab.check(say)
	c.Live.check(say)
	c.Published.check(say)
	if c.Buffer.MaxBytes < 10e6 {
		say("buffer.max_bytes", "must be at least 10MB")
	}
	if time.Duration(c.Buffer.MaxAge) < time.Hour {
		say("buffer.max_age", "must be at least 1h")
	}
	c.checkLists(say)
}

func (c *Config) checkLists(say func(key, format string, args ...any)) {
	if c.Match.NearLimit < 1 {
		say("match.near_limit", "must be at least 1, is %d", c.Match.NearLimit)
	}
	if time.Duration(c.Match.AgainAfter) < time.Second {
		say("match.again_after", "must be at least 1s")
	}
	if !(c.Match.AgainMetres >= 10) { // not a number is neither
		say("match.again_metres", "must be at least 10, the error of a position, is %g", c.Match.AgainMetres)
	}
	lists := map[string]bool{}
	for i, l := range c.Lists {
		key := fmt.Sprintf("list[%d]", i)
		if l.Name == "" || l.File == "" {
			say(key, "needs a name and a file")
		}
		if lists[l.Name] {
			say(key+".name", "%q is used twice", l.Name)
		}
		lists[l.Name] = true
		switch {
		case l.Near && l.Status:
			say(key+".near", "a list of statuses is too large to be matched nearly")
		case l.Near && match.NewLookAlikes(c.profile).None():
			say(key+".near", "the profile %s has no look-alikes", c.profile.Name)
		}
	}
}

// cache is where the lists are and how they are matched.
func (c *Config) cache(key *sealed.Key, clock nrd.Clock, log *slog.Logger) hotlist.CacheConfig {
	rules := map[string]hotlist.Rule{}
	for _, l := range c.Lists {
		rules[l.Name] = hotlist.Rule{Near: l.Near, Status: l.Status}
	}
	return hotlist.CacheConfig{
		Path: filepath.Join(c.Data, "lists"), Key: key, Clock: clock, Log: log, Profile: c.profile, Rules: rules, NearLimit: c.Match.NearLimit,
	}
}

// storageKey reads the key that everything on the unit is sealed with.
func (c *Config) storageKey() (*sealed.Key, error) {
	key, err := machinekey.Load(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: key: %w", c.file, err)
	}
	return key, nil
}

// loopback says whether an address is one that only the unit itself reaches;
// none is fine.
func loopback(address string) error {
	if address == "" {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q is not an address of the loopback such as 127.0.0.1:9463", address)
	}
	return nil
}
