package agent

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"nrd"
	"nrd/incab"
	"nrd/internal/sealed"
)

// IncabConfig is the officer's screen of a unit in a vehicle.
type IncabConfig struct {
	// Listen is the page's address; without one there is no screen.
	Listen string `toml:"listen"`
	// Names are the names and addresses under which tablets reach the page, the one
	// to be shown first; without any, this machine's own.
	Names []string `toml:"names"`
	// Certificate and Key are PEM files of a certificate that the tablets
	// trust; without them the unit makes its own.
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
	// StandingSpeed is the speed in metres a second up to which the driver may
	// be shown more than symbols.
	StandingSpeed float64 `toml:"standing_speed"`
	// Pictures shows a hit's plate and overview.
	Pictures bool `toml:"pictures"`
}

// fastestStanding is walking pace: nothing faster can be called standing.
const fastestStanding = 1.5

func (c IncabConfig) check(say func(key, format string, args ...any)) {
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			say("incab.listen", "%v", err)
		}
	}
	for i, name := range c.Names {
		if net.ParseIP(name) == nil && !hostname.MatchString(name) {
			say(fmt.Sprintf("incab.names[%d]", i), "%q is neither a name such as car-7.example.police.uk nor an address", name)
		}
	}
	if (c.Certificate == "") != (c.Key == "") {
		say("incab", "certificate and key go together")
	}
	if !(c.StandingSpeed >= 0 && c.StandingSpeed <= fastestStanding) {
		say("incab.standing_speed", "must be 0 to %g m/s, is %g", fastestStanding, c.StandingSpeed)
	}
}

var hostname = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// names gives those under which tablets reach the page: as configured, or this
// machine's addresses in private networks and its name. A listener with an address
// of its own needs no other.
func (c IncabConfig) names(listening net.Addr) []string {
	if a, ok := listening.(*net.TCPAddr); len(c.Names) > 0 || ok && !a.IP.IsUnspecified() {
		return c.Names
	}
	var names []string
	addresses, _ := net.InterfaceAddrs() // none is as good as an error
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsPrivate() {
			names = append(names, n.IP.String())
		}
	}
	if name, err := os.Hostname(); err == nil && hostname.MatchString(strings.ToLower(name)) {
		names = append(names, strings.ToLower(name))
	}
	return names
}

const purposeIncab = "officer's screen"

// incabFile keeps what the screen needs after a start: alerts, pairings and its key.
func (c *Config) incabFile() string { return filepath.Join(c.Data, "incab") }

// openScreen makes the officer's screen where one is configured.
func (a *Agent) openScreen(ctx context.Context) error {
	c := a.Config.Incab
	if c.Listen == "" {
		return nil
	}
	key, err := a.Config.storageKey()
	if err != nil {
		return err
	}
	s := &incab.Screen{
		Profile: a.Config.profile, StandingSpeed: c.StandingSpeed, Pictures: c.Pictures, Clock: a.Clock, Log: a.Log,
		Fix:    func() nrd.Fix { return a.position.Fix(a.Clock.Stamp()) },
		Status: a.screenStatus, Check: a.check, Tell: a.buffer.Tell, Good: func() time.Time { return a.credential.Reference() },
	}
	if c.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
		if err != nil {
			return fmt.Errorf("%s: incab.certificate: %w", a.Config.file, err)
		}
		s.Certificate = &pair
	}
	file, box := a.Config.incabFile(), key.Derive(purposeIncab)
	s.Load = func() ([]byte, error) {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		opened, err := box.Open(text, nil)
		if err != nil {
			// The hits are at central too, and tablets can be paired again.
			a.Log.Error("what the officer's screen kept does not open; it begins anew", "file", file, "error", err)
			return nil, fs.ErrNotExist
		}
		return opened, nil
	}
	s.Save = func(text []byte) error { return sealed.WriteFile(file, box.Seal(text, nil), 0o600) }
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%s: incab.listen: %w", a.Config.file, err)
	}
	s.Listener = listener
	s.Names = func() []string { return c.names(listener.Addr()) }
	if err := s.Initialize(); err != nil {
		return errors.Join(fmt.Errorf("the officer's screen: %w", err), s.Listener.Close())
	}
	a.Log.Info("the officer's screen is served", "address", s.Listener.Addr().String())
	a.screen = s
	return nil
}

// frameWithin is how long a camera may give no frame before the screen says so.
const frameWithin = 10 * time.Second

func (a *Agent) screenStatus() incab.Status {
	s := a.status()
	st := incab.Status{
		GPS: s.Fix.Known(), Link: a.met.Load() && len(a.client.Problems()) == 0, Clock: s.Clock.Proved,
		Lists: s.Lists, Missing: a.missing(s.Lists), Behind: a.behind(),
		Waiting: s.Waiting, Losing: a.tally.has("buffer", "records"),
	}
	for _, c := range a.Config.Cameras {
		st.Cameras = append(st.Cameras, incab.Camera{Name: c.Name, Sees: a.tally.sees(c.Name)})
	}
	return st
}

// handleScreen lets the commands on the unit itself pair and forget tablets.
func (a *Agent) handleScreen(mux *http.ServeMux) {
	if a.screen == nil {
		return
	}
	answer := func(w http.ResponseWriter, value any, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(value); err != nil {
			a.Log.Debug("an answer could not be written", "error", err)
		}
	}
	mux.HandleFunc("POST /incab/pair", func(w http.ResponseWriter, r *http.Request) {
		invitation, err := a.screen.Pair(r.PostFormValue("role"))
		answer(w, invitation, err)
	})
	mux.HandleFunc("POST /incab/forget", func(w http.ResponseWriter, _ *http.Request) {
		n, err := a.screen.Forget()
		answer(w, n, err)
	})
}

// ErrNoScreen says that the unit has no officer's screen.
var ErrNoScreen = errors.New("this unit has no officer's screen: set listen under [incab] in its configuration")

// PairTablet asks the running agent for a code that pairs one tablet.
func PairTablet(ctx context.Context, c *Config, role string) (incab.Invitation, error) {
	var i incab.Invitation
	return i, askLocal(ctx, c, "/incab/pair", url.Values{"role": {role}}, &i)
}

// ForgetTablets ends every pairing and gives how many there were.
func ForgetTablets(ctx context.Context, c *Config) (int, error) {
	var n int
	return n, askLocal(ctx, c, "/incab/forget", nil, &n)
}

// askLocal has the running agent do something.
func askLocal(ctx context.Context, c *Config, path string, fields url.Values, into any) error {
	if c.Incab.Listen == "" {
		return ErrNoScreen
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://unit"+path, strings.NewReader(fields.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := c.local().Do(request)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w (%s)", ErrNotRunning, c.socket())
	}
	if err != nil {
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return errors.New(strings.TrimSpace(string(text)))
	}
	return json.Unmarshal(text, into)
}
