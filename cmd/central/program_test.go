package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nrd/internal/commandline"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a site in a folder, and the program run on it as a person would.
type site struct {
	t      *testing.T
	dir    string
	config string
}

// outcome is what a person sees of a command.
type outcome struct {
	code     int
	out, err string
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: filepath.Join(t.TempDir(), "site")}
	s.config = filepath.Join(s.dir, "central.toml")
	made := run(t, "", "site", "init", s.dir, "--listen-devices", "127.0.0.1:0", "--listen-page", "127.0.0.1:0")
	if made.code != commandline.Done || !strings.Contains(made.out, "central serve -c "+s.config) {
		t.Fatalf("%+v", made)
	}
	return s
}

func run(t *testing.T, input string, args ...string) outcome {
	t.Helper()
	var out, err bytes.Buffer
	p := &program{Frame: commandline.Frame{In: strings.NewReader(input), Out: &out, Err: &err}}
	code := p.run(t.Context(), args)
	return outcome{code, out.String(), err.String()}
}

// do runs a command with the site's configuration, as jane.doe.
func (s *site) do(args ...string) outcome {
	s.t.Helper()
	return run(s.t, "", append(args, "-c", s.config, "--account", "jane.doe")...)
}

// must is do for what has to succeed.
func (s *site) must(args ...string) string {
	s.t.Helper()
	o := s.do(args...)
	if o.code != commandline.Done {
		s.t.Fatalf("central %s: %+v", strings.Join(args, " "), o)
	}
	return o.out
}

// staff makes jane.doe's account and gives her password.
func (s *site) staff() string {
	s.t.Helper()
	var made struct{ Password string }
	text := s.must("user", "add", "jane.doe", "--full-name", "Jane Doe", "--role", "anpr-manager", "--authoriser", "Supt Gray", "--generate", "--json")
	if err := json.Unmarshal([]byte(text), &made); err != nil || len(made.Password) < 20 {
		s.t.Fatalf("%q: %v", text, err)
	}
	return made.Password
}

// serve runs the server until the test is over, or until the function it gives
// is called; that gives the exit code.
func (s *site) serve() (page, devices net.Addr, stop func() int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	type addresses struct{ page, devices net.Addr }
	up, ended := make(chan addresses, 1), make(chan int, 1)
	var log locked
	p := &program{Frame: commandline.Frame{In: strings.NewReader(""), Out: &log, Err: &log}, ready: func(page, devices net.Addr) { up <- addresses{page, devices} }}
	go func() { ended <- p.run(ctx, []string{"serve", "-c", s.config, "-v"}) }()
	stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	s.t.Cleanup(func() {
		stop()
		if s.t.Failed() {
			s.t.Logf("the server's log:\n%s", log.String())
		}
	})
	select {
	case a := <-up:
		return a.page, a.devices, stop
	case code := <-ended:
		ended <- code
		s.t.Fatalf("serve ended with %d:\n%s", code, log.String())
	case <-time.After(time.Minute):
		s.t.Fatalf("serve is not ready:\n%s", log.String())
	}
	return nil, nil, nil
}

// locked is a buffer for several goroutines.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTheExitCodeAndTheErrorSayWhatWasWrong(t *testing.T) {
	s := newSite(t)
	s.staff()
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"an unknown command":         {[]string{"sreve"}, commandline.WrongUsage, `unknown command "sreve"`},
		"an unknown flag":            {[]string{"version", "--x"}, commandline.WrongUsage, "unknown flag"},
		"an argument too many":       {[]string{"user", "list", "all", "-c", s.config}, commandline.WrongUsage, "unknown command"},
		"no configuration":           {[]string{"serve", "-c", s.dir + "/none.toml"}, commandline.WrongConfiguration, "none.toml"},
		"a search without a reason":  {[]string{"search", "--vrm", "AB*", "-c", s.config, "--account", "jane.doe"}, exitRefused, "a reason is needed"},
		"an account that is not":     {[]string{"search", "--reason", "incident 7", "-c", s.config, "--account", "who"}, exitRefused, `no account "who"`},
		"a time that is none":        {[]string{"search", "--from", "noon", "--reason", "x1", "-c", s.config, "--account", "jane.doe"}, commandline.WrongUsage, `"noon" is not a time`},
		"a pattern that is none":     {[]string{"search", "--vrm", "A%", "--reason", "x1", "-c", s.config, "--account", "jane.doe"}, commandline.WrongUsage, "pattern"},
		"a device nobody knows":      {[]string{"device", "revoke", "car-9", "--reason", "lost", "-c", s.config, "--account", "jane.doe"}, exitNotFound, "car-9"},
		"an approval by nobody":      {[]string{"device", "approve", "car-9", "-c", s.config, "--account", "jane.doe"}, commandline.WrongUsage, "is missing"},
		"a second site":              {[]string{"site", "init", s.dir}, commandline.Failed, "already"},
		"a backup that is not there": {[]string{"restore", s.dir + "/none", "-c", s.config}, commandline.Failed, "none"},
	} {
		t.Run(name, func(t *testing.T) {
			o := run(t, "", c.args...)
			if o.code != c.code || !strings.Contains(o.err, c.want) || o.out != "" {
				t.Errorf("%+v, want code %d and %q", o, c.code, c.want)
			}
			o = run(t, "", append(c.args, "--json")...)
			var said struct {
				Error string
				Code  int
			}
			if err := json.Unmarshal([]byte(o.err), &said); err != nil || said.Code != c.code || !strings.Contains(said.Error, c.want) {
				t.Errorf("as JSON: %+v, %v", o, err)
			}
		})
	}
}

func TestHelpSaysTheExitCodesAndCompletionIsThere(t *testing.T) {
	o := run(t, "", "--help")
	for _, want := range []string{"Exit codes: 0 done", "serve", "search", "backup", "site"} {
		if !strings.Contains(o.out, want) {
			t.Errorf("the help does not say %q", want)
		}
	}
	if o := run(t, "", "completion", "bash"); o.code != commandline.Done || !strings.Contains(o.out, "central") {
		t.Errorf("completion: %+v", o)
	}
	if o := run(t, "", "version", "--json"); o.code != commandline.Done || !strings.Contains(o.out, `"version":"development"`) {
		t.Errorf("version: %+v", o)
	}
}

func TestTheConfigurationIsCheckedAndTheSamplePrinted(t *testing.T) {
	s := newSite(t)
	if o := run(t, "", "config", "check", "-c", s.config); o.code != commandline.Done || !strings.Contains(o.out, "is right") {
		t.Errorf("%+v", o)
	}
	if err := os.Remove(filepath.Join(s.dir, "central.pem")); err != nil {
		t.Fatal(err)
	}
	if o := run(t, "", "config", "check", "-c", s.config); o.code != commandline.WrongConfiguration || !strings.Contains(o.err, "central.pem") {
		t.Errorf("without its certificate: %+v", o)
	}
	if o := run(t, "", "config", "sample"); o.code != commandline.Done || !strings.Contains(o.out, "# Configuration of central") {
		t.Errorf("%+v", o)
	}
}

func TestAccountsAndDevicesAreKeptFromTheCommandLine(t *testing.T) {
	s := newSite(t)
	s.staff()
	o := run(t, "a long enough phrase\n", "user", "add", "sam.hill", "--full-name", "Sam Hill", "--role", "officer", "--authoriser", "Supt Gray", "-c", s.config, "--account", "jane.doe")
	if o.code != commandline.Done || strings.Contains(o.out, "phrase") {
		t.Errorf("%+v", o)
	}
	if o := run(t, "short\n", "user", "add", "li.wu", "--full-name", "Li Wu", "--role", "officer", "--authoriser", "Supt Gray", "-c", s.config, "--account", "jane.doe"); o.code != commandline.WrongUsage {
		t.Errorf("a short password: %+v", o)
	}
	s.must("user", "remove", "sam.hill")
	list := s.must("user", "list")
	if lines := strings.Split(strings.TrimSpace(list), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "NAME") || !strings.Contains(lines[2], "sam.hill") {
		t.Errorf("the list is\n%s", list)
	}
	s.must("device", "approve", "roadside-0001", "--by", "ACC Stone", "--reference", "DPIA 7")
	var device struct {
		Name       string
		ApprovedBy string `json:"approved_by"`
	}
	if err := json.Unmarshal([]byte(s.must("device", "list", "--json")), &device); err != nil || device.Name != "roadside-0001" || device.ApprovedBy != "ACC Stone" {
		t.Errorf("%+v, %v", device, err)
	}
	s.must("device", "revoke", "roadside-0001", "--reason", "lost")
}

func TestABackupTellsHowFarItIsAndIsRestored(t *testing.T) {
	s := newSite(t)
	s.staff()
	dir := filepath.Join(t.TempDir(), "backup")
	o := s.do("backup", dir, "--json")
	if lines := strings.Split(strings.TrimSpace(o.err), "\n"); o.code != commandline.Done || !strings.Contains(lines[len(lines)-1], `"done"`) {
		t.Fatalf("%+v", o)
	}
	if err := os.RemoveAll(filepath.Join(s.dir, "data", "store")); err != nil {
		t.Fatal(err)
	}
	if o := run(t, "", "restore", dir, "-c", s.config); o.code != commandline.Done || !strings.Contains(o.err, "100 %") {
		t.Fatalf("%+v", o)
	}
	if list := s.must("user", "list"); !strings.Contains(list, "Jane Doe") {
		t.Errorf("the list is\n%s", list)
	}
}
