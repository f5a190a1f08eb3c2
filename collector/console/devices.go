package console

import (
	"errors"
	"net/http"
	"net/url"

	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/store"
)

type devicesPage struct {
	Totals  store.Totals
	Devices []deviceRow
}

// deviceRow is a device and what is to be said of it.
type deviceRow struct {
	store.Device
	State fleet.State
	// Concerns are what a person should do, Configuration which one from central
	// it holds.
	Concerns             []string
	Configuration        string
	ReviewOverdue, InUse bool
	MayRevoke, ToBeWiped bool
}

func (c *Console) devices(w http.ResponseWriter, r *http.Request, who visitor) {
	if _, ok := c.authorise(w, r, who, access.Request{Right: access.ViewDevices, Action: "view devices"}); !ok {
		return
	}
	c.showDevices(w, r, who, http.StatusOK, "")
}

func (c *Console) showDevices(w http.ResponseWriter, r *http.Request, who visitor, status int, problem string) {
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
		data.Devices = append(data.Devices, deviceRow{
			Device: d, State: fleet.StateOf(d, now), Concerns: fleet.Concerns(d, now), Configuration: fleet.ConfigurationOf(d),
			ReviewOverdue: fleet.ReviewOverdue(d, now), InUse: d.Revoked.IsZero(), MayRevoke: who.May(access.RevokeDevices),
			ToBeWiped: d.Wipe.Number != 0,
		})
	}
	c.show(w, status, "devices.html", page{Title: "Devices", Here: "/devices", Who: &who, Problem: problem, Data: data})
}

// errSure says that nobody has confirmed what cannot be taken back.
var errSure = errors.New("a wipe cannot be taken back; tick the box to confirm it")

func (c *Console) revokeDevice(w http.ResponseWriter, r *http.Request, who visitor) {
	c.changeDevice(w, r, who, c.Fleet.Revoke(r.Context(), who.by(), r.PathValue("device"), r.PostFormValue("reason")))
}

func (c *Console) wipeDevice(w http.ResponseWriter, r *http.Request, who visitor) {
	err := errSure
	if r.PostFormValue("sure") != "" {
		err = c.Fleet.Wipe(r.Context(), who.by(), r.PathValue("device"), r.PostFormValue("reason"))
	}
	c.changeDevice(w, r, who, err)
}

// changeDevice shows the devices after a change, or why there was none.
func (c *Console) changeDevice(w http.ResponseWriter, r *http.Request, who visitor, err error) {
	switch {
	case err == nil:
		http.Redirect(w, r, "/devices#"+url.PathEscape(r.PathValue("device")), http.StatusSeeOther)
	case errors.Is(err, errSure), errors.Is(err, fleet.ErrOrder):
		c.showDevices(w, r, who, http.StatusUnprocessableEntity, sentenceCase(err.Error()))
	case errors.Is(err, access.ErrReason):
		status, sentence := c.sentence(r, err)
		c.showDevices(w, r, who, status, sentence)
	default:
		c.fail(w, r, &who, err)
	}
}
