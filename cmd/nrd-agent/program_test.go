package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nrd/internal/agent"
	"nrd/internal/commandline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const photographs = "../../testdata/photographs"

// call runs the program as the command line does.
func call(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = (&program{Frame: commandline.Frame{Out: &o, Err: &e}}).run(context.Background(), args)
	return code, o.String(), e.String()
}

// sample writes the sample configuration with one change.
func sample(t *testing.T, from, to string) string {
	t.Helper()
	if !bytes.Contains(agent.Sample, []byte(from)) {
		t.Fatalf("the sample has no %q", from)
	}
	file := filepath.Join(t.TempDir(), "nrd-agent.toml")
	if err := os.WriteFile(file, bytes.Replace(agent.Sample, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEachKindOfFailureHasItsExitCode(t *testing.T) {
	rubbish := filepath.Join(t.TempDir(), "rubbish.jpg")
	if err := os.WriteFile(rubbish, []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"an unknown command":              {[]string{"fly"}, commandline.WrongUsage, `unknown command "fly"`},
		"an unknown flag":                 {[]string{"read", "--fast", "x"}, commandline.WrongUsage, "--fast"},
		"read without a path":             {[]string{"read"}, commandline.WrongUsage, "requires at least 1 arg"},
		"a configuration that is missing": {[]string{"config", "check", "-c", "/nonexistent.toml"}, commandline.WrongConfiguration, "/nonexistent.toml"},
		"an unknown profile":              {[]string{"read", "--profile", "nasple-9", rubbish}, commandline.WrongConfiguration, "nasple-9"},
		"a photograph that is none":       {[]string{"read", rubbish}, exitUnreadable, rubbish},
		"a key that exists already":       {[]string{"key", "create", rubbish}, commandline.Failed, rubbish},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := call(t, c.args...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Fatalf("exit code %d, want %d; said %q, want %q in it", code, c.code, errs, c.says)
			}
		})
	}
}

func TestConfigCheckNamesFileLineAndKey(t *testing.T) {
	file := sample(t, "controller =", "controler =")
	code, _, errs := call(t, "config", "check", "-c", file)
	if code != commandline.WrongConfiguration || !strings.Contains(errs, file+":12: controler is not a setting") {
		t.Fatalf("exit code %d, said %q", code, errs)
	}
	code, out, _ := call(t, "config", "check", "-c", sample(t, "x", "x"))
	if code != commandline.Done || !strings.Contains(out, "is right: device roadside-0001") {
		t.Fatalf("exit code %d, said %q", code, out)
	}
}

func TestErrorsAreJSONWhereAskedFor(t *testing.T) {
	_, _, errs := call(t, "--json", "config", "check", "-c", "/nonexistent.toml")
	var line struct {
		Error string
		Code  int
	}
	if err := json.Unmarshal([]byte(errs), &line); err != nil || line.Code != commandline.WrongConfiguration || line.Error == "" {
		t.Fatalf("said %q: %v", errs, err)
	}
}

func TestAPhotographIsReadAsALineOfJSON(t *testing.T) {
	code, out, errs := call(t, "read", "--json", filepath.Join(photographs, "rear-near.jpg"))
	if code != commandline.Done {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	var line struct {
		File  string
		Reads []struct {
			Plate, Raw, Syntax string
			Confidence         float64
			Box                [4]int
			Repaired           *bool
			Alternatives       [][2]any
		}
		MS    *float64 `json:"ms"`
		CPUMS *float64 `json:"cpu_ms"`
	}
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&line); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if line.MS == nil || line.CPUMS == nil || len(line.Reads) == 0 || line.Reads[0].Repaired == nil {
		t.Fatalf("fields are missing in %s", out)
	}
	r := line.Reads[0]
	if r.Plate != "EK09SYJ" || r.Syntax != "current" || r.Confidence < 50 || r.Box[2] < 100 {
		t.Fatalf("read as %+v", r)
	}
}

func TestWhoFollowsAUnitSeesThatAReadWasRepaired(t *testing.T) {
	var out bytes.Buffer
	p := &program{Frame: commandline.Frame{Out: &out}}
	repaired := agent.Happening{What: "provisional", Plate: "SL18CLO", ReadAs: "SLIBCLO", Camera: "front"}
	p.happening(repaired) // no hit: it is told when it is stored
	repaired.Hit = "HIGH (national)"
	p.happening(repaired)
	repaired.What, repaired.Hit = "stored", ""
	p.happening(repaired)
	p.happening(agent.Happening{What: "stored", Plate: "AB12CDE", Camera: "front"})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasSuffix(lines[0], "  repaired, read as SLIBCLO  HIT HIGH (national)") ||
		!strings.HasSuffix(lines[1], "  repaired, read as SLIBCLO") || strings.Contains(lines[2], "repaired") {
		t.Errorf("it says\n%s", out.String())
	}
}

func TestAStorageKeyIsMadeForItsOwnerAlone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "storage.key")
	if code, _, errs := call(t, "key", "create", file); code != commandline.Done {
		t.Fatal(errs)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info.Mode(), err)
	}
}

func TestTheHelpTellsTheExitCodesAndShellsAreCompleted(t *testing.T) {
	if _, out, _ := call(t, "--help"); !strings.Contains(out, "5 the doctor or the status found something") {
		t.Fatalf("the help says %q", out)
	}
	if code, out, _ := call(t, "completion", "bash"); code != commandline.Done || !strings.Contains(out, "nrd-agent") {
		t.Fatalf("exit code %d", code)
	}
	if code, out, _ := call(t, "version"); code != commandline.Done || !strings.HasPrefix(out, "nrd-agent ") {
		t.Fatalf("exit code %d, %q", code, out)
	}
}

func TestTheDoctorsExitCodeTellsThatAPartIsIll(t *testing.T) {
	code, out, _ := call(t, "doctor", "--patience", "1s", "-c", sample(t, "/dev/video0", "/dev/video77"))
	if code != exitUnhealthy || !strings.Contains(out, "BAD  camera A1 northbound lane 1") || !strings.Contains(out, "→") {
		t.Fatalf("exit code %d, said\n%s", code, out)
	}
}
