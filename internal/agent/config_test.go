package agent

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd/internal/config"
)

// write puts a configuration file into a folder of its own.
func write(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nrd-agent.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheSampleIsARightConfiguration(t *testing.T) {
	c, err := LoadConfig(write(t, string(Sample)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Device != "roadside-0001" || len(c.Cameras) != 1 || time.Duration(c.Cameras[0].Stall) != 10*time.Second || c.Buffer.MaxBytes != 8e9 {
		t.Fatalf("the sample was read as %+v", c)
	}
}

func TestACommentedSettingOfTheSampleIsKnown(t *testing.T) {
	text := string(Sample)
	for _, setting := range []string{"deployment", "pace", "region", "gps", "baud", "[[list]]", "name = \"local\"", "file", "listen", "names"} {
		if !strings.Contains(text, "\n#"+setting) {
			t.Fatalf("the sample does not show %s", setting)
		}
		text = strings.Replace(text, "\n#"+setting, "\n"+setting, 1)
	}
	if _, err := LoadConfig(write(t, text)); err != nil {
		t.Fatal(err)
	}
}

func TestAWrongConfigurationSaysWhere(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown key":                {`device =`, "devise = 1\ndevice =", ":5: devise is not a setting"},
		"a device name with a space":    {`"roadside-0001"`, `"road side"`, "device: "},
		"too deep a folder":             {`"/var/lib/nrd-agent"`, `"/var/lib/` + strings.Repeat("nrd-agent/", 10) + `"`, "data: the path of its socket"},
		"an unknown profile":            {`"nasple-2.4"`, `"nasple-9"`, "profile: no profile"},
		"no controller":                 {`controller = "Example Constabulary"`, ``, "controller: is missing"},
		"no camera":                     {string(Sample[bytes.Index(Sample, []byte("[[camera]]")):bytes.Index(Sample, []byte("[position]"))]), "", "at least one [[camera]] is needed"},
		"metrics for everybody":         {`#listen = "127.0.0.1:9463"`, `listen = "0.0.0.0:9463"`, "metrics.listen: "},
		"a camera without footage":      {`footage = "/dev/video0"`, ``, "camera[0].footage: is missing"},
		"a region outside":              {`#region = [0.0,`, `region = [-0.1,`, "camera[0].region: "},
		"a region turned round":         {`#region = [0.0,`, `region = [1.0,`, "camera[0].region: "},
		"a region of two numbers":       {`#region = [0.0, 0.25, 1.0, 1.0]`, `region = [0.0, 0.25]`, "camera[0].region: "},
		"a latitude alone":              {"longitude = -0.1246\n", "", "latitude and longitude go together"},
		"a place off the Earth":         {"51.5007", "151.5007", "not on the Earth"},
		"an unknown engine":             {`engine = "networks"`, `engine = "magic"`, `"magic" is not an engine`},
		"a confidence of 140":           {"= 40", "= 140", "must be 0 to 100"},
		"a buffer too small for a day":  {`"8GB"`, `"8MB"`, "buffer.max_bytes"},
		"a buffer that forgets at once": {`"30d"`, `"30s"`, "buffer.max_age"},
		"a screen without a name":       {`#names = ["192.168.8.1",`, `names = ["car 7",`, "incab.names[0]: "},
		"a broker that is missing":      {`broker = "tls://central.example.police.uk:8883"`, ``, "central.broker: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(string(Sample), c.old) {
				t.Fatalf("the sample has no %q to replace", c.old)
			}
			file := write(t, strings.Replace(string(Sample), c.old, c.new, 1))
			_, err := LoadConfig(file)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
				t.Fatalf("got %v, want %q and the file in it", err, c.want)
			}
		})
	}
}

func TestACredentialOfTheServiceManagerIsTheKey(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/nrd-agent.service")
	c, err := LoadConfig(write(t, string(Sample)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Key != "/run/credentials/nrd-agent.service/storage.key" {
		t.Fatalf("the key is %s", c.Key)
	}
}

func TestTabletsComeUnderTheNamesThatAreConfiguredOrTheMachinesOwn(t *testing.T) {
	everywhere, here := &net.TCPAddr{IP: net.IPv4zero, Port: 8443}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8443}
	configured := IncabConfig{Names: []string{"car-7.example.police.uk"}}
	for _, a := range []net.Addr{everywhere, here} {
		if got := configured.names(a); !slices.Equal(got, configured.Names) {
			t.Errorf("configured: %q", got)
		}
	}
	if got := (IncabConfig{}).names(here); len(got) != 0 {
		t.Errorf("a listener with an address of its own needs no other: %q", got)
	}
	own := (IncabConfig{}).names(everywhere)
	for i, name := range own {
		if ip := net.ParseIP(name); ip != nil && !ip.IsPrivate() || ip == nil && (i < len(own)-1 || !hostname.MatchString(name)) {
			t.Errorf("the machine's own: %q", own)
		}
	}
	if len(own) == 0 {
		t.Error("this machine has neither an address nor a name")
	}
}

// A name that no setting has would be a permission for nothing, and a typing
// error for something.
func TestWhatCentralMaySetAreSettings(t *testing.T) {
	names := func(of reflect.Type) map[string]reflect.Type {
		known := map[string]reflect.Type{}
		for i := range of.NumField() {
			known[of.Field(i).Tag.Get("toml")] = of.Field(i).Type
		}
		return known
	}
	known := names(reflect.TypeFor[Config]())
	for _, setting := range config.Pushable {
		table, inner, nested := strings.Cut(setting, ".")
		of, ok := known[table]
		if ok && nested {
			_, ok = names(of)[inner]
		}
		if !ok {
			t.Errorf("%s is no setting", setting)
		}
	}
}
