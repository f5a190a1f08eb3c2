package config

import (
	"strings"
	"testing"
)

func TestCentralMaySetWhatIsNamedAndNothingElse(t *testing.T) {
	for name, c := range map[string]struct{ text, says string }{
		"cameras, place and broker": {"profile = \"x\"\n[position]\nlatitude = 1.0\n[[camera]]\nname = \"a\"\n[central]\nbroker = \"tls://x:1\"", ""},
		"the device's name":         {`device = "car-8"`, "device cannot be set"},
		"the storage key":           {`key = "/tmp/key"`, "key cannot be set"},
		"the folder":                {`data = "/tmp"`, "data cannot be set"},
		"the CA":                    {"[central]\nca = \"/tmp/ca.pem\"", "central.ca cannot be set"},
		"the certificate, dotted":   {`central.certificate = "x"`, "central.certificate cannot be set"},
		"all of central":            {`central = "x"`, "central cannot be set"},
		"what nobody knows":         {`new_thing = 1`, "new_thing cannot be set"},
		"what is not TOML":          {"profile = \"x\"\n[central\n", "f:2"},
		"a key twice":               {"profile = \"x\"\nprofile = \"y\"", "f"},
		"nothing":                   {"# nothing", "no setting"},
	} {
		err := CheckPushed("f", []byte(c.text))
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

func FuzzCheckPushed(f *testing.F) {
	f.Add("profile = \"x\"")
	f.Add("[[camera]]\n[central]\nbroker = 1")
	f.Add("key = 1\n[a.b]\n")
	f.Fuzz(func(t *testing.T, text string) {
		if CheckPushed("f", []byte(text)) == nil && (Has([]byte(text), "key") || Has([]byte(text), "device") || Has([]byte(text), "data")) {
			t.Errorf("%q passes", text)
		}
	})
}
