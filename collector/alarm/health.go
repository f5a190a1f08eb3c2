package alarm

import (
	"time"

	"nrd"
	"nrd/collector/store"
)

// Health is how a device is, for a person who looks at the whole fleet.
type Health struct {
	store.Device
	// State is one word (well, alarm, silent, never heard, not in use), Class
	// how much it matters: good, bad or off.
	State, Class string
	// Alarms are those that stand.
	Alarms []store.Alarm
	// ListAge is the age of the oldest list on it.
	ListAge time.Duration
	// Backlog is how long the oldest record has waited, by the unit's clock.
	Backlog time.Duration
}

// Fleet gives the health of all devices, those with alarms first.
func Fleet(devices []store.Device, standing []store.Alarm, now time.Time) []Health {
	alarms := map[string][]store.Alarm{}
	for _, a := range standing {
		alarms[a.Device] = append(alarms[a.Device], a)
	}
	var ill, others []Health
	for _, d := range devices {
		h := Health{Device: d, Alarms: alarms[d.Name]}
		h.State, h.Class = state(&d, h.Alarms)
		if s := d.Status; s != nil {
			h.ListAge, h.Backlog = oldestList(s.Lists, now), backlog(s)
		}
		if len(h.Alarms) > 0 {
			ill = append(ill, h)
		} else {
			others = append(others, h)
		}
	}
	return append(ill, others...)
}

func state(d *store.Device, alarms []store.Alarm) (word, class string) {
	for _, a := range alarms {
		if a.Kind == Silent {
			return Silent, "bad"
		}
	}
	switch {
	case len(alarms) > 0:
		return "alarm", "bad"
	case !inUse(d):
		return "not in use", "off"
	case d.LastSeen.IsZero():
		return "never heard", "off"
	default:
		return "well", "good"
	}
}

func oldestList(lists []nrd.ListVersion, now time.Time) (oldest time.Duration) {
	for _, l := range lists {
		oldest = max(oldest, l.Age(now))
	}
	return oldest
}

// backlog measures by the unit's own clock on both sides, so that one that is
// off changes nothing.
func backlog(s *nrd.Status) time.Duration {
	if s.Waiting == 0 || s.OldestWaiting.IsZero() {
		return 0
	}
	return max(0, s.At.Sub(s.OldestWaiting))
}
