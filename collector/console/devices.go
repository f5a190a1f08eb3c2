package console

import (
	"net/http"
	"time"

	"nrd/collector/access"
	"nrd/collector/store"
)

// silentAfter is how long a device may say nothing: it reports once a minute.
const silentAfter = 3 * time.Minute

type devicesPage struct {
	Totals  store.Totals
	Devices []deviceRow
}

// deviceRow is a device and what is to be said of it.
type deviceRow struct {
	store.Device
	// State is one word, Class its colour.
	State, Class  string
	ReviewOverdue bool
}

func (c *Console) devices(w http.ResponseWriter, r *http.Request, who visitor) {
	if _, ok := c.authorise(w, r, who, access.Request{Right: access.ViewDevices, Action: "view devices"}); !ok {
		return
	}
	devices, err := c.Store.Devices(r.Context())
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	data := devicesPage{}
	if data.Totals, err = c.Store.Totals(r.Context()); err != nil {
		c.fail(w, r, &who, err)
		return
	}
	now := c.Clock.Now()
	for _, d := range devices {
		row := deviceRow{Device: d, ReviewOverdue: !d.Review.IsZero() && now.After(d.Review)}
		row.State, row.Class = deviceState(d, now)
		data.Devices = append(data.Devices, row)
	}
	c.show(w, http.StatusOK, "devices.html", page{Title: "Devices", Here: "/devices", Who: &who, Data: data})
}

func deviceState(d store.Device, now time.Time) (state, class string) {
	switch {
	case !d.Revoked.IsZero():
		return "revoked", "off"
	case d.Approved.IsZero():
		return "not approved", "warn"
	case d.LastSeen.IsZero():
		return "never seen", "warn"
	case now.Sub(d.LastSeen) > silentAfter:
		return "silent", "bad"
	case d.Status != nil && len(d.Status.Problems) > 0:
		return "problems", "warn"
	default:
		return "reporting", "good"
	}
}
