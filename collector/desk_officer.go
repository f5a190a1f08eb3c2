package collector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// OfficerEnquiry asks what officers did at units' screens. To is exclusive; zero
// times and empty texts leave a term open.
type OfficerEnquiry struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Device string    `json:"device"`
	Collar string    `json:"collar"`
	VRM    string    `json:"vrm"`
	Action string    `json:"action"`
	// Limit caps the answer; 0 means 100, at most 10,000.
	Limit  int    `json:"limit"`
	Reason string `json:"reason"`
}

// OfficerEvent is what an officer did, as the command line shows it.
type OfficerEvent struct {
	At          time.Time  `json:"at"`
	Device      string     `json:"device"`
	Role        string     `json:"role"`
	Collar      string     `json:"collar,omitempty"`
	Authoriser  string     `json:"authoriser,omitempty"`
	Reference   string     `json:"incident_log,omitempty"`
	Since       *time.Time `json:"signed_on,omitempty"`
	Action      string     `json:"action"`
	Disposition string     `json:"disposition,omitempty"`
	VRM         string     `json:"vrm,omitempty"`
	Record      string     `json:"record,omitempty"`
	Lists       []string   `json:"lists,omitempty"`
	Reason      string     `json:"reason,omitempty"`
	// Hits is how many entries a checked mark matched.
	Hits     int       `json:"hits,omitempty"`
	Received time.Time `json:"received"`
}

func officerEventOf(e *store.OfficerEvent) OfficerEvent {
	o := OfficerEvent{
		At: e.Filed, Device: e.Key.Device, Role: e.Role, Collar: e.Officer.Collar, Authoriser: e.Officer.Authoriser, Reference: e.Officer.Reference,
		Since: known(e.Officer.Since), Action: string(e.Action), Disposition: string(e.Disposition), VRM: string(e.VRM), Lists: e.Lists,
		Reason: e.Reason, Hits: e.Hits, Received: e.Received,
	}
	if e.Record != (nrd.Key{}) {
		o.Record = e.Record.String()
	}
	return o
}

// officersOf gives what officers did about a record.
func (d *deskServer) officersOf(ctx context.Context, record nrd.Key) ([]OfficerEvent, error) {
	events, err := d.store.OfficersOf(ctx, record)
	return officerEvents(events), err
}

func officerEvents(events []store.OfficerEvent) []OfficerEvent {
	told := make([]OfficerEvent, len(events))
	for i := range events {
		told[i] = officerEventOf(&events[i])
	}
	return told
}

func (d *deskServer) officers(ctx context.Context, by access.By, e OfficerEnquiry) ([]OfficerEvent, error) {
	q := store.OfficerQuery{From: e.From, To: e.To, Device: e.Device, Collar: e.Collar, Action: nrd.OfficerAction(e.Action), Limit: e.Limit}
	if e.VRM != "" {
		var err error
		if q.VRM, err = nrd.ParseVRM(e.VRM); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: the mark is %q", store.ErrQuery, e.VRM), err)
		}
	}
	events, err := d.access.Officers(ctx, by, e.Reason, q)
	return officerEvents(events), err
}

// Officers looks for what officers did at units' screens, newest first.
func (d *Desk) Officers(ctx context.Context, e OfficerEnquiry) (events []OfficerEvent, err error) {
	return events, d.ask(ctx, "/officer/list", e, &events)
}
