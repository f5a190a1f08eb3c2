package nrd

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEveryBuiltInProfileLoadsAndCarriesItsOwnName(t *testing.T) {
	names := ProfileNames()
	if !slices.Contains(names, DefaultProfile) {
		t.Fatalf("%s is not among %v", DefaultProfile, names)
	}
	for _, name := range names {
		p, err := LoadProfile(name)
		if err != nil {
			t.Error(err)
		} else if p.Name != name {
			t.Errorf("profile %s calls itself %s", name, p.Name)
		}
	}
}

func TestUnverifiedNamesFieldsOfTheProfile(t *testing.T) {
	for _, name := range ProfileNames() {
		p, err := LoadProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		for _, field := range p.Unverified {
			if _, ok := fields[field]; !ok {
				t.Errorf("%s marks %q as unverified, which is no field", name, field)
			}
		}
	}
}

func TestAForceCanGiveItsOwnProfileAsAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ours.json")
	if err := os.WriteFile(file, changed(t, "retention_days", 30), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadProfile(file)
	if err != nil || p.RetentionDays != 30 {
		t.Errorf("retention %d days, %v", p.RetentionDays, err)
	}
}

func TestAProfileThatSwitchesAProtectionOffIsRefusedByField(t *testing.T) {
	for _, c := range []struct {
		field string
		value any
	}{
		{"name", ""},
		{"vrm_max_length", 9},
		{"vrm_max_length", 16},
		{"patch_max_bytes", 0},
		{"retention_days", 0},
		{"retention_days", 732},
		{"retention_days", -1},
		{"stale_after_hours", 1}, // below amber
		{"stale_after_hours", 1 << 30},
		{"read_accuracy", 0},
		{"read_accuracy", 95}, // a percentage where a share is meant
		{"alarm_seconds", 0},
		{"future_tolerance_seconds", 0},
		{"earliest_capture", "0001-01-01T00:00:00Z"},
	} {
		_, err := ParseProfile("ours", changed(t, c.field, c.value))
		if err == nil || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%s = %v: %v", c.field, c.value, err)
		}
	}
}

func TestAProfileThatCannotBeReadNamesFileAndLine(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"{\n\"name\": \"x\",\n\"retention\": 5}", `profile ours, line 3: json: unknown field "retention"`},
		{"{\n\n\"retention_days\": \"long\"}", "profile ours, line 3: "},
		{"{\n\"name\": }", "profile ours, line 2: "},
		{"", "profile ours, line 1: "},
		{string(changed(t, "name", "x")) + "{}", "follows the closing brace"},
	} {
		if _, err := ParseProfile("ours", []byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.data, err, c.want)
		}
	}
	if _, err := LoadProfile("nasple-9"); err == nil || !strings.Contains(err.Error(), DefaultProfile) {
		t.Errorf("an unknown name does not list the known ones: %v", err)
	}
	if _, err := LoadProfile(filepath.Join(t.TempDir(), "none.json")); err == nil || !strings.Contains(err.Error(), "none.json") {
		t.Errorf("a missing file is not named: %v", err)
	}
}

// changed gives the default profile's JSON with one field set to value.
func changed(t *testing.T, field string, value any) []byte {
	t.Helper()
	data, err := profiles.ReadFile("profiles/" + DefaultProfile + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	if _, ok := fields[field]; !ok {
		t.Fatalf("%s is no field of the profile", field)
	}
	fields[field] = value
	if data, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return data
}

func TestACaptureTimeFrom1970Or2099CannotBe(t *testing.T) {
	p, err := LoadProfile(DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		captured  time.Time
		plausible bool
	}{
		{time.Unix(0, 0), false},
		{time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{p.EarliestCapture.Add(-time.Nanosecond), false},
		{p.EarliestCapture, true},
		{november2026, true},
		{november2026.Add(5 * time.Minute), true},
		{november2026.Add(5*time.Minute + time.Nanosecond), false},
	} {
		if err := p.Plausible(c.captured, november2026); (err == nil) != c.plausible {
			t.Errorf("%s: %v, want plausible %v", c.captured, err, c.plausible)
		}
	}
}

func TestAListAgesFromFreshToAmberToStale(t *testing.T) {
	p := Profile{AmberAfterHours: 9, StaleAfterHours: 24, FutureToleranceSeconds: 300}
	for age, want := range map[time.Duration]Freshness{
		-time.Hour: Stale, -5 * time.Minute: Fresh, 0: Fresh, 9 * time.Hour: Fresh, 9*time.Hour + 1: Amber,
		24 * time.Hour: Amber, 24*time.Hour + 1: Stale, 1000 * time.Hour: Stale,
	} {
		if got := p.Freshness(age); got != want {
			t.Errorf("after %v: %s, want %s", age, got, want)
		}
	}
}

func FuzzParseProfile(f *testing.F) {
	for _, name := range ProfileNames() {
		data, err := profiles.ReadFile("profiles/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"name":"x","retention_days":1e99}`))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := ParseProfile("fuzz", data)
		if err != nil {
			return
		}
		if p.RetentionDays < 1 || p.RetentionDays > 731 || p.StaleAfterHours < p.AmberAfterHours || p.VRMMaxLength > MaxVRM {
			t.Errorf("accepted %+v", p)
		}
	})
}

func TestAListPastItsExpiryIsAmberHoweverYoung(t *testing.T) {
	p, err := LoadProfile(DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := ListVersion{Issued: now.Add(-time.Minute), Expires: now}
	for name, c := range map[string]struct {
		stamp Stamp
		want  Freshness
	}{
		"until then":                   {Stamp{UTC: now, Proved: true}, Fresh},
		"past it":                      {Stamp{UTC: now.Add(time.Second), Proved: true}, Amber},
		"stale counts for more":        {Stamp{UTC: now.AddDate(1, 0, 0), Proved: true}, Stale},
		"nobody vouches for the clock": {Stamp{UTC: now}, Amber},
	} {
		if got := p.ListFreshness(l, c.stamp); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
