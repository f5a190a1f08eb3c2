package nrd

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

//go:embed profiles/*.json
var profiles embed.FS

// Profile is one version of a standard's limits as data, so that a force can
// change a number without a new build. The built-in ones are named in
// [ProfileNames]; a file in the same form can be given instead.
type Profile struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	// Unverified names the fields whose value was not seen in a primary
	// source; the product shows them as such.
	Unverified []string `json:"unverified"`

	// VRMMaxLength is the longest mark accepted, foreign marks included.
	VRMMaxLength int `json:"vrm_max_length"`
	// Caps of the two images: bytes of JPEG and pixels.
	PatchMaxBytes    int `json:"patch_max_bytes"`
	PatchWidth       int `json:"patch_width"`
	PatchHeight      int `json:"patch_height"`
	OverviewMaxBytes int `json:"overview_max_bytes"`
	OverviewWidth    int `json:"overview_width"`
	// RetentionDays is how long a read is kept before it is weeded.
	RetentionDays  int `json:"retention_days"`
	HoldReviewDays int `json:"hold_review_days"`
	// A list is amber after AmberAfterHours and red, "verify before stop",
	// after StaleAfterHours.
	ListSyncsPerDay int `json:"list_syncs_per_day"`
	AmberAfterHours int `json:"amber_after_hours"`
	StaleAfterHours int `json:"stale_after_hours"`
	// LookAlikes are classes of characters that are taken for each other; one
	// may be in several. A near match differs from the read in 1 to
	// NearDifferences characters, each replaced by one that shares a class with
	// it. Without them nothing matches nearly.
	LookAlikes      []string `json:"look_alikes"`
	NearDifferences int      `json:"near_differences"`
	// What a unit must reach, as shares from 0 to 1.
	CaptureRateStatic  float64 `json:"capture_rate_static"`
	CaptureRateVehicle float64 `json:"capture_rate_vehicle"`
	ReadAccuracy       float64 `json:"read_accuracy"`
	// AlarmSeconds is the time from camera to alarm.
	AlarmSeconds int `json:"alarm_seconds"`
	// DeviceReviewDays is how often a device's location is reviewed.
	DeviceReviewDays int `json:"device_review_days"`
	// A capture time before EarliestCapture, or further in the future than
	// FutureToleranceSeconds, cannot be: the record is quarantined.
	EarliestCapture        time.Time `json:"earliest_capture"`
	FutureToleranceSeconds int       `json:"future_tolerance_seconds"`
}

// DefaultProfile is the profile in force where none is configured.
const DefaultProfile = "nasple-2.4"

// ProfileNames lists the built-in profiles.
func ProfileNames() []string {
	files, err := fs.Glob(profiles, "profiles/*.json")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".json")
	}
	return names
}

// LoadProfile gives a built-in profile by name or, where the name holds a path
// separator or ends in .json, reads the file of that name.
func LoadProfile(name string) (Profile, error) {
	var data []byte
	var err error
	if strings.ContainsRune(name, os.PathSeparator) || strings.HasSuffix(name, ".json") {
		data, err = os.ReadFile(name)
	} else {
		data, err = profiles.ReadFile("profiles/" + name + ".json")
		if err != nil {
			err = fmt.Errorf("no profile %q: the built-in ones are %s", name, strings.Join(ProfileNames(), ", "))
		}
	}
	if err != nil {
		return Profile{}, err
	}
	return ParseProfile(name, data)
}

// ParseProfile reads a profile's JSON; name is used in errors only. An unknown
// field is an error, and so is a limit that would switch a protection off.
func ParseProfile(name string, data []byte) (Profile, error) {
	var p Profile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Profile{}, fmt.Errorf("profile %s, line %d: %w", name, jsonErrorLine(data, d, err), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Profile{}, fmt.Errorf("profile %s: something follows the closing brace", name)
	}
	if err := p.validate(); err != nil {
		return Profile{}, fmt.Errorf("profile %s: %w", name, err)
	}
	return p, nil
}

// jsonErrorLine gives the line of data at which decoding stopped.
func jsonErrorLine(data []byte, d *json.Decoder, err error) int {
	offset := d.InputOffset()
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	}
	return 1 + bytes.Count(data[:min(max(offset, 0), int64(len(data)))], []byte{'\n'})
}

func (p Profile) validate() error {
	var errs []error
	if p.Name == "" {
		errs = append(errs, errors.New("name is missing"))
	}
	for _, f := range []struct {
		field              string
		value, least, most int
	}{
		// Foreign marks need 10.
		{"vrm_max_length", p.VRMMaxLength, 10, MaxVRM},
		{"patch_max_bytes", p.PatchMaxBytes, 1, 1 << 20},
		{"patch_width", p.PatchWidth, 1, 4096},
		{"patch_height", p.PatchHeight, 1, 4096},
		{"overview_max_bytes", p.OverviewMaxBytes, 1, 8 << 20},
		{"overview_width", p.OverviewWidth, 1, 8192},
		// Never beyond two years, a leap day included.
		{"retention_days", p.RetentionDays, 1, 731},
		{"hold_review_days", p.HoldReviewDays, 1, 731},
		{"list_syncs_per_day", p.ListSyncsPerDay, 1, 1440},
		{"amber_after_hours", p.AmberAfterHours, 1, 24 * 365},
		{"stale_after_hours", p.StaleAfterHours, p.AmberAfterHours, 24 * 365},
		{"alarm_seconds", p.AlarmSeconds, 1, 3600},
		{"device_review_days", p.DeviceReviewDays, 1, 731},
		{"future_tolerance_seconds", p.FutureToleranceSeconds, 1, 86400},
		// Matching practice: one, never more than two.
		{"near_differences", p.NearDifferences, 0, 2},
	} {
		if f.value < f.least || f.value > f.most {
			errs = append(errs, fmt.Errorf("%s must be %d to %d, is %d", f.field, f.least, f.most, f.value))
		}
	}
	for _, f := range []struct {
		field string
		share float64
	}{
		{"capture_rate_static", p.CaptureRateStatic},
		{"capture_rate_vehicle", p.CaptureRateVehicle},
		{"read_accuracy", p.ReadAccuracy},
	} {
		if f.share <= 0 || f.share > 1 {
			errs = append(errs, fmt.Errorf("%s must be a share above 0 and at most 1, is %v", f.field, f.share))
		}
	}
	for i, class := range p.LookAlikes {
		if v, err := ParseVRM(class); err != nil || string(v) != class || len(class) < 2 {
			errs = append(errs, fmt.Errorf("look_alikes[%d] must be 2 to %d capitals and digits, is %q", i, MaxVRM, class))
		}
	}
	if p.EarliestCapture.IsZero() {
		errs = append(errs, errors.New("earliest_capture is missing"))
	}
	return errors.Join(errs...)
}

// Plausible says why a capture time cannot be, or nil. A stamp of an unproved
// clock is judged by the same bounds.
func (p Profile) Plausible(captured, now time.Time) error {
	if captured.Before(p.EarliestCapture) {
		return fmt.Errorf("captured %s, before %s", captured.Format(time.RFC3339), p.EarliestCapture.Format(time.RFC3339))
	}
	if limit := now.Add(time.Duration(p.FutureToleranceSeconds) * time.Second); captured.After(limit) {
		return fmt.Errorf("captured %s, in the future at %s", captured.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	return nil
}

// Freshness is how far a list can be trusted by its age.
type Freshness string

// A fresh list sounds; an amber one is late; a stale one must be verified
// before a stop.
const (
	Fresh Freshness = "fresh"
	Amber Freshness = "amber"
	Stale Freshness = "stale"
)

// Freshness judges a list's age. A list from the future, but for the tolerance,
// is stale: its time or the clock is wrong, and nothing vouches for it.
func (p Profile) Freshness(age time.Duration) Freshness {
	switch {
	case age < -time.Duration(p.FutureToleranceSeconds)*time.Second:
		return Stale
	case age > time.Duration(p.StaleAfterHours)*time.Hour:
		return Stale
	case age > time.Duration(p.AmberAfterHours)*time.Hour:
		return Amber
	default:
		return Fresh
	}
}

// ListFreshness judges a list by the clock of a unit. A clock that nothing proves
// never makes a list fresh, and neither is one that has expired: the most that
// either can be is amber.
func (p Profile) ListFreshness(l ListVersion, now Stamp) Freshness {
	f := p.Freshness(l.Age(now.True()))
	expired := !l.Expires.IsZero() && now.True().After(l.Expires)
	if f == Fresh && (!now.Proved || expired) {
		return Amber
	}
	return f
}
