package fleet

import (
	"fmt"
	"time"

	"nrd"
	"nrd/collector/store"
)

// silentAfter is how long a device may say nothing: it reports once a minute.
const silentAfter = 3 * time.Minute

// The times around which a person should look at a device.
const (
	expiresSoon = 30 * 24 * time.Hour
	copiedFor   = 7 * 24 * time.Hour
)

// State is how a device stands in one word, and how bad that is: good, warn, bad,
// or off for one that is not meant to work.
type State struct{ Word, Class string }

// StateOf judges a device.
func StateOf(d store.Device, now time.Time) State {
	switch {
	case d.Wiped():
		return State{"wiped", "off"}
	case d.Wipe.Number != 0:
		return State{"to be wiped", "bad"}
	case !d.Revoked.IsZero():
		return State{"revoked", "off"}
	case d.Approved.IsZero():
		return State{"not approved", "warn"}
	case !d.Token.Expires.IsZero() && d.Certificate == (store.Certificate{}) && d.LastSeen.IsZero():
		return State{"to be enrolled", "warn"}
	case d.LastSeen.IsZero():
		return State{"never seen", "warn"}
	case now.Sub(d.LastSeen) > silentAfter:
		return State{"silent", "bad"}
	case d.Status != nil && len(d.Status.Problems) > 0 || len(Concerns(d, now)) > 0:
		return State{"problems", "warn"}
	default:
		return State{"reporting", "good"}
	}
}

// ReviewOverdue says that the yearly review of a device's location is late.
func ReviewOverdue(d store.Device, now time.Time) bool {
	return d.Revoked.IsZero() && !d.Review.IsZero() && now.After(d.Review)
}

// Copied says that there may be two of a device.
func Copied(d store.Device, now time.Time) bool {
	return d.Revoked.IsZero() && !d.Copied.IsZero() && now.Sub(d.Copied) < copiedFor
}

// Expiring says that a device's certificate ends soon: it should have been renewed
// long ago.
func Expiring(d store.Device, now time.Time) bool {
	end := d.Certificate.NotAfter
	return d.Revoked.IsZero() && !end.IsZero() && end.Sub(now) < expiresSoon
}

// Concerns are sentences about what a person should do for a device, beside what
// the device says itself.
func Concerns(d store.Device, now time.Time) []string {
	var sentences []string
	if Copied(d, now) {
		sentences = append(sentences, "Two units may use this identity: find both, and enrol the right one again.")
	}
	if ReviewOverdue(d, now) {
		sentences = append(sentences, "The review of its location is overdue: approve it again once it was looked at.")
	}
	if Expiring(d, now) {
		sentences = append(sentences, fmt.Sprintf("Its certificate ends on %s and was not renewed.", d.Certificate.NotAfter.UTC().Format(time.DateOnly)))
	}
	if c := d.Status; c != nil && d.Configure.Number != 0 && c.Configuration.Order == d.Configure.Number {
		switch c.Configuration.State {
		case nrd.ConfigurationRolledBack, nrd.ConfigurationRefused:
			sentences = append(sentences, fmt.Sprintf("It has %s the configuration: %s.", c.Configuration.State, c.Configuration.Reason))
		}
	}
	return sentences
}

// ConfigurationOf says which configuration a device holds: "" where central sent
// none.
func ConfigurationOf(d store.Device) string {
	if d.Configure.Number == 0 {
		return ""
	}
	if d.Status == nil || d.Status.Configuration.Order != d.Configure.Number {
		return fmt.Sprintf("%d: sent", d.Configure.Number)
	}
	return fmt.Sprintf("%d: %s", d.Configure.Number, d.Status.Configuration.State)
}
