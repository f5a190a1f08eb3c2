package collector

import (
	"fmt"
	"time"

	"nrd"
	"nrd/collector/store"
)

// Enquiry is a search by command line. To is exclusive; zero times and empty
// texts leave a term open.
type Enquiry struct {
	VRM      string    `json:"vrm"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
	Device   string    `json:"device"`
	Camera   string    `json:"camera"`
	HitsOnly bool      `json:"hits_only"`
	// Limit caps the answer; 0 means 100, at most 10,000.
	Limit  int    `json:"limit"`
	Reason string `json:"reason"`
}

// Found is a record as the command line shows it.
type Found struct {
	Key         string    `json:"key"`
	VRM         string    `json:"vrm"`
	Raw         string    `json:"raw"`
	Confidence  int       `json:"confidence"`
	Repaired    bool      `json:"repaired"`
	Syntax      string    `json:"syntax"`
	Captured    time.Time `json:"captured"`
	ClockProved bool      `json:"clock_proved"`
	// CorrectedBy is what Captured is known by where it is not the unit's own
	// time, which is UnitTime then.
	CorrectedBy string     `json:"corrected_by,omitempty"`
	UnitTime    *time.Time `json:"unit_time,omitempty"`
	Received    time.Time  `json:"received"`
	Device      string     `json:"device"`
	Camera      string     `json:"camera"`
	Direction   string     `json:"direction"`
	// Latitude and Longitude are left out where there was no position.
	Latitude  *float64 `json:"latitude,omitempty"`
	Longitude *float64 `json:"longitude,omitempty"`
	// Deployment is the incident-log reference under which a vehicle's unit was out.
	Deployment string     `json:"deployment,omitempty"`
	Hits       []FoundHit `json:"hits"`
	Patch      bool       `json:"patch"`
	Overview   bool       `json:"overview"`
	// Officers are what officers did about a hit, oldest first.
	Officers []OfficerEvent `json:"officers,omitempty"`
}

// FoundHit is a hit of a found record.
type FoundHit struct {
	List           string   `json:"list"`
	Priority       string   `json:"priority"`
	Markers        []string `json:"markers,omitempty"`
	Reason         string   `json:"reason"`
	Match          string   `json:"match"`
	ListAgeSeconds int64    `json:"list_age_s"`
}

func foundOf(r *store.StoredRecord) Found {
	f := Found{
		Key: r.Key.String(), VRM: string(r.Read.VRM), Raw: r.Read.Raw, Confidence: r.Read.Confidence, Repaired: r.Read.Repaired, Syntax: r.Read.Syntax,
		Captured: r.Time(), ClockProved: r.Captured.Proved, Received: r.Received, Device: r.Key.Device, Camera: r.Camera.Name,
		Direction: string(r.Direction), Deployment: r.Deployment, Hits: []FoundHit{}, Patch: r.HasPatch, Overview: r.HasOverview,
	}
	if r.Correction != nil {
		f.CorrectedBy, f.UnitTime = string(r.Correction.Source), &r.Captured.UTC
	}
	if r.Fix.Known() {
		f.Latitude, f.Longitude = &r.Fix.Latitude, &r.Fix.Longitude
	}
	for _, h := range r.AllHits() {
		f.Hits = append(f.Hits, foundHitOf(&h))
	}
	return f
}

func foundHitOf(h *nrd.Hit) FoundHit {
	return FoundHit{
		List: h.List.List, Priority: h.Entry.Priority.String(), Markers: h.Entry.Markers, Reason: h.Entry.Reason,
		Match: string(h.Match), ListAgeSeconds: int64(h.ListAge.Seconds()),
	}
}

// enquiryTimes are the forms in which a moment may be typed, in the site's time
// zone where they name none.
var enquiryTimes = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

// Time reads a moment as a person types it; an empty text is the zero time. The
// error is ErrInvalid.
func (c *Config) Time(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range enquiryTimes {
		if t, err := time.ParseInLocation(layout, text, c.zone); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: %q is not a time such as 2026-11-23, 2026-11-23T14:30 (in %s) or 2026-11-23T14:30:00Z", ErrInvalid, text, c.TimeZone)
}
