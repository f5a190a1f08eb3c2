package collector

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzAnObjectIsReadOrItsFaultNamed(f *testing.F) {
	for _, text := range []string{`{"vrm":"AB12CDE","weed":"2027-01-31"}`, `{"weed":"2027-01-31T00:00:00Z"}`, `null`, `{"markers":[1]}`, `{"x":{}}`, "\"2027-01-31\""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var e ListedEntry
		if err := decodeObject(strings.NewReader(text), &e); err == nil {
			if !json.Valid([]byte(text)) {
				t.Errorf("%q is read as %+v", text, e)
			}
		} else if complain(err).Kind != kindInvalid {
			t.Errorf("%q: %v", text, err)
		}
	})
}
