package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Pushable names what central may set on a unit: a whole setting, or a setting
// within a table. What is not named is the unit's own, above all its identity and
// its keys.
var Pushable = []string{
	"profile", "controller", "deployment", "camera", "position", "recognise", "list", "lists", "buffer", "central.broker", "central.https",
}

// CheckPushed reads settings that central is to set on a unit. The error names
// what is not TOML, by line, and what may not be set.
func CheckPushed(file string, data []byte) error {
	settings, err := parseAny(file, data)
	if err != nil {
		return err
	}
	if len(settings) == 0 {
		return fmt.Errorf("%s: there is no setting in it", file)
	}
	var errs []error
	for key, value := range settings {
		table, isTable := value.(map[string]any)
		if pushable(key) {
			continue
		}
		if !isTable || !slices.ContainsFunc(Pushable, func(p string) bool { return strings.HasPrefix(p, key+".") }) {
			errs = append(errs, fmt.Errorf("%s: %s cannot be set from central", file, key))
			continue
		}
		for inner := range table {
			if !pushable(key + "." + inner) {
				errs = append(errs, fmt.Errorf("%s: %s.%s cannot be set from central", file, key, inner))
			}
		}
	}
	return errors.Join(errs...)
}

func pushable(key string) bool { return slices.Contains(Pushable, key) }

// Has reports whether a setting stands in a configuration file's text.
func Has(data []byte, key string) bool {
	settings, err := parseAny("", data)
	_, found := settings[key]
	return err == nil && found
}

func parseAny(file string, data []byte) (map[string]any, error) {
	settings := map[string]any{}
	if err := toml.NewDecoder(bytes.NewReader(data)).Decode(&settings); err != nil {
		return nil, explain(file, err)
	}
	return settings, nil
}
