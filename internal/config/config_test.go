package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

type settings struct {
	Name string   `toml:"name"`
	Keep Duration `toml:"keep"`
	Room Size     `toml:"room"`
	Part struct {
		Port int `toml:"port"`
	} `toml:"part"`
}

func TestAFileIsReadWithItsUnits(t *testing.T) {
	var s settings
	if err := Parse("a.toml", []byte("name = 'x'\nkeep = '30d'\nroom = '8 GB'\n[part]\nport = 3\n"), &s); err != nil {
		t.Fatal(err)
	}
	if s.Name != "x" || time.Duration(s.Keep) != 720*time.Hour || s.Room != 8e9 || s.Part.Port != 3 {
		t.Fatalf("read as %+v", s)
	}
}

func TestEveryErrorNamesFileLineAndKey(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key":           {"name = 'x'\nnmae = 'y'\n", "a.toml:2: nmae is not a setting"},
		"an unknown nested key":    {"[part]\nport = 1\nprot = 2\n", "a.toml:3: part.prot is not a setting"},
		"a number for a text":      {"name = 1\n", "a.toml:1"},
		"a duration without unit":  {"name='x'\nkeep = '30'\n", "a.toml:2"},
		"a negative duration":      {"keep = '-3s'\n", "length of time"},
		"a size with a wrong unit": {"room = '3 apples'\n", "is not a size"},
		"a size beyond bounds":     {"room = '9999999999TB'\n", "is not a size"},
		"broken syntax":            {"name = 'x'\nkeep = \n", "a.toml:2"},
	} {
		t.Run(name, func(t *testing.T) {
			var s settings
			err := Parse("a.toml", []byte(c.text), &s)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAMissingFileIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "no.toml")
	if err := Load(file, &settings{}); err == nil || !strings.Contains(err.Error(), file) || !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("name = 'x'\nkeep = '30d'\nroom = '8GB'\n"))
	f.Add([]byte("[part]\nport = 1\nprot = 2"))
	f.Add([]byte("keep = '99999999999999h'"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s settings
		err := Parse("a.toml", data, &s)
		if err == nil && (s.Keep < 0 || s.Room < 0) {
			t.Fatalf("%q was read as %+v", data, s)
		}
	})
}
