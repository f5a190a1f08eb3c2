// Package config reads the programs' configuration files: TOML, strictly. A key
// that no one knows is an error, because a misspelt limit that is silently
// ignored protects nobody. Every error names the file, the line and the key.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Load reads the file into settings, a pointer to a struct with toml tags.
func Load(file string, settings any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return Parse(file, data, settings)
}

// Parse reads data into settings; file is used in errors only.
func Parse(file string, data []byte, settings any) error {
	d := toml.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	err := d.Decode(settings)
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var errs []error
		for _, e := range unknown.Errors {
			line, _ := e.Position()
			errs = append(errs, fmt.Errorf("%s:%d: %s is not a setting", file, line, strings.Join(e.Key(), ".")))
		}
		return errors.Join(errs...)
	}
	if err != nil {
		return explain(file, err)
	}
	return nil
}

// explain names the file, the line and the key of what is wrong in it.
func explain(file string, err error) error {
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		line, column := wrong.Position()
		key := strings.Join(wrong.Key(), ".")
		if key != "" {
			key += ": "
		}
		return fmt.Errorf("%s:%d:%d: %s%s", file, line, column, key, strings.TrimPrefix(wrong.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", file, err)
}

// Path gives a path of the configuration as it is meant: relative paths are
// relative to the folder of the configuration file.
func Path(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// socketMost is how long the path of a socket may be (unix(7)).
const socketMost = 107

// CheckSocket says what is wrong with a data folder whose socket has this path.
func CheckSocket(path string) error {
	if len(path) > socketMost {
		return fmt.Errorf("the path of its socket, %s, has %d bytes, and the system takes %d at most", path, len(path), socketMost)
	}
	return nil
}

// Duration is a length of time written as 90s, 15m, 8h or 30d.
type Duration time.Duration

// UnmarshalText reads a duration; a day is 24 hours.
func (d *Duration) UnmarshalText(text []byte) error {
	s := string(text)
	if days, found := strings.CutSuffix(s, "d"); found {
		n, err := strconv.Atoi(days)
		if err != nil || n < 0 || n > 36500 {
			return fmt.Errorf("%q is not a number of days such as 30d", s)
		}
		*d = Duration(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a length of time such as 90s, 15m, 8h or 30d", s)
	}
	*d = Duration(v)
	return nil
}

// Size is a number of bytes written as 500MB or 8GB (powers of ten).
type Size int64

// UnmarshalText reads a size.
func (z *Size) UnmarshalText(text []byte) error {
	s := strings.ToUpper(strings.ReplaceAll(string(text), " ", ""))
	unit := int64(1)
	for _, u := range []struct {
		suffix string
		bytes  int64
	}{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}} {
		if number, found := strings.CutSuffix(s, u.suffix); found {
			s, unit = number, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return fmt.Errorf("%q is not a size such as 500MB or 8GB", text)
	}
	*z = Size(n * unit)
	return nil
}
