package trust

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd/internal/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func vouch([]byte) ([]byte, error) { return []byte("vouched"), nil }

func TestARoleNameTellsNothingWithoutTheSalt(t *testing.T) {
	one := RoleName("salt", "car-1")
	if one == RoleName("salt", "car-2") || one == RoleName("other", "car-1") || len(one) != 32 || strings.Contains(one, "car") {
		t.Errorf("%q", one)
	}
}

func TestWhatOthersMaySeeIsSortedFromWhatADeviceMay(t *testing.T) {
	for file, want := range map[string]string{
		"timestamp.json": "", "1.root.json": "", "7.snapshot.json": "", "1.targets.json": "", "7.lists.json": "", "root.sig": "",
		"7.0123456789abcdef.json": "0123456789abcdef", "": "", "online.key": "key", "root-1.key": "key",
	} {
		common, role := Common(file)
		if file != "" && common != (want == "") || role != want {
			t.Errorf("%q: common %v, role %q, want %q", file, common, role, want)
		}
	}
}

func TestOfTheMetadataNothingIsServedThatIsAKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	must(t, Init(dir, 3, 2, vouch, noon))
	o, err := OpenOnline(dir)
	must(t, err)
	files, err := o.Sign(1, noon, map[string][]Target{"role": {{Name: "x", Length: 3, SHA256: sha256.Sum256([]byte("abc")), Custom: []byte(`{"list":"wanted"}`)}}})
	must(t, err)
	for name, text := range files {
		if strings.HasSuffix(name, ".key") || strings.Contains(string(text), "PRIVATE") {
			t.Errorf("%s is among what is served", name)
		}
		if strings.Contains(string(text), "wanted") != (name == "1.role.json") {
			t.Errorf("%s: the list's name", name)
		}
	}
	if len(files) != 7 {
		t.Errorf("%d files: %v", len(files), files)
	}
	for _, key := range []string{"online.key", "root-1.key", "root-2.key", "root-3.key"} {
		info, err := os.Stat(filepath.Join(dir, key))
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", key, info.Mode())
		}
	}
}

func TestAKeyThatTheRootDoesNotNameIsNotUsed(t *testing.T) {
	dir, other := filepath.Join(t.TempDir(), "trust"), filepath.Join(t.TempDir(), "trust")
	must(t, errors.Join(Init(dir, 1, 1, vouch, noon), Init(other, 1, 1, vouch, noon)))
	must(t, os.Rename(filepath.Join(other, onlineFile), filepath.Join(dir, onlineFile)))
	if _, err := OpenOnline(dir); !errors.Is(err, ErrUntrusted) {
		t.Errorf("%v", err)
	}
	for _, c := range []struct{ keys, threshold int }{{1, 2}, {0, 0}, {3, 0}} {
		if err := Init(filepath.Join(t.TempDir(), "trust"), c.keys, c.threshold, vouch, noon); !errors.Is(err, ErrKeys) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestAServerThatKnowsNoRangesGivesTheWholeAgain(t *testing.T) {
	whole := []byte("all of the file")
	for name, answer := range map[string]http.HandlerFunc{
		"none": func(w http.ResponseWriter, _ *http.Request) { w.Write(whole) }, //nolint:errcheck // the client tells
		"another's part": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(whole)-1, len(whole)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(whole) //nolint:errcheck // the client tells
		},
	} {
		server := httptest.NewServer(answer)
		c := &Client{Address: server.URL, Dir: t.TempDir(), web: newWeb(nil)}
		target := Target{Name: "x", Length: int64(len(whole)), SHA256: sha256.Sum256(whole)}
		must(t, os.WriteFile(c.part(target), []byte("all of"), 0o600))
		file, err := c.Download(t.Context(), Repository{role: "role"}, target)
		if name == "none" {
			must(t, err)
			if text, err := os.ReadFile(file); err != nil || string(text) != string(whole) {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		} else if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		c.web.close()
		server.Close()
	}
}

func TestFloorsOutliveTheirFileOnlyWhole(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "floors"), sealed.NewKey()
	open := func() (*floors, string) {
		t.Helper()
		f, aside, err := openFloors(path, key, noon)
		must(t, err)
		return f, aside
	}
	f, _ := open()
	must(t, f.raise(map[string]floor{"root": {Version: 3}, "timestamp": {Version: 7, Keys: []string{"a"}}}))
	f, _ = open()
	if err := f.check("timestamp", floor{6, []string{"a"}}); !errors.Is(err, ErrOlder) {
		t.Errorf("an older version: %v", err)
	}
	if err := errors.Join(f.check("timestamp", floor{7, []string{"a"}}), f.check("timestamp", floor{1, []string{"b"}}), f.check("lists", floor{1, nil})); err != nil {
		t.Errorf("the same version, one of other keys, and one of a new role: %v", err)
	}
	text, err := os.ReadFile(path)
	must(t, err)
	text[len(text)/2] ^= 1
	must(t, os.WriteFile(path, text, 0o600))
	if _, aside := open(); aside == "" {
		t.Error("a damaged file is not set aside")
	}
	if _, aside := open(); aside != "" {
		t.Error("it is still there")
	}
}

func TestWhatEveryDeviceSeesTellsNotHowManyListsAnotherHas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "trust")
	must(t, Init(dir, 1, 1, vouch, noon))
	o, err := OpenOnline(dir)
	must(t, err)
	targets := func(n int) (some []Target) {
		for i := range n {
			name := fmt.Sprintf("%d.snapshot", i)
			some = append(some, Target{Name: name, Length: int64(1000 + i), SHA256: sha256.Sum256([]byte(name)), Custom: []byte(`{}`)})
		}
		return some
	}
	none, err := o.Sign(7, noon, map[string][]Target{"one": targets(0), "other": targets(0)})
	must(t, err)
	five, err := o.Sign(7, noon, map[string][]Target{"one": targets(0), "other": targets(5)})
	must(t, err)
	for name, text := range five {
		switch common, role := Common(name); {
		case !common && (string(none[name]) == string(text)) != (role == "one"):
			t.Errorf("%s: the device's own metadata", name)
		case common && string(none[name]) != string(text):
			t.Errorf("%s differs where a device has five lists more:\n%s\n%s", name, none[name], text)
		}
	}
	var snapshot struct {
		Signed struct {
			Meta map[string]map[string]any
		}
	}
	must(t, json.Unmarshal(five["7.snapshot.json"], &snapshot))
	if n := len(snapshot.Signed.Meta); n != 4 {
		t.Errorf("the snapshot names %d files: %v", n, snapshot.Signed.Meta)
	}
	for name, meta := range snapshot.Signed.Meta {
		if len(meta) != 1 || meta["version"] != map[bool]float64{true: 1, false: 7}[name == "targets.json"] {
			t.Errorf("the snapshot says of %s: %v, where only one version for all may stand", name, meta)
		}
	}
}
