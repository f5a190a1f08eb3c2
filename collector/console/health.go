package console

import (
	"net/http"

	"nrd/collector/access"
	"nrd/collector/alarm"
	"nrd/collector/store"
)

// clearedOnPage is how many alarms that are over are shown.
const clearedOnPage = 50

type healthPage struct {
	Standing, Cleared []store.Alarm
	Fleet             []alarm.Health
}

// health shows how every device is, and the alarms.
func (c *Console) health(w http.ResponseWriter, r *http.Request, who visitor) {
	if _, ok := c.authorise(w, r, who, access.Request{Right: access.ViewDevices, Action: "view health"}); !ok {
		return
	}
	var data healthPage
	devices, err := c.Store.Devices(r.Context())
	if err == nil {
		data.Standing, err = c.Store.StandingAlarms(r.Context())
	}
	if err == nil {
		data.Cleared, err = c.Store.ClearedAlarms(r.Context(), clearedOnPage)
	}
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	data.Fleet = alarm.Fleet(devices, data.Standing, c.Clock.Now())
	c.show(w, http.StatusOK, "health.html", page{Title: "Health", Here: "/health", Who: &who, Data: data})
}
