package collector

import (
	"context"
	"time"

	"nrd/collector/access"
	"nrd/collector/fleet"
)

// Approval lets a device's reads in.
type Approval struct {
	Device    string `json:"device"`
	By        string `json:"by"`
	Reference string `json:"reference"`
}

// Enrolment is what a unit gets its certificate with, until it is over.
type Enrolment struct {
	Device  string    `json:"device"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// DeviceState is a device as the command line shows it.
type DeviceState struct {
	Name          string     `json:"name"`
	State         string     `json:"state"`
	Approved      *time.Time `json:"approved,omitempty"`
	ApprovedBy    string     `json:"approved_by,omitempty"`
	Reference     string     `json:"reference,omitempty"`
	Review        *time.Time `json:"review,omitempty"`
	Certificate   *time.Time `json:"certificate_until,omitempty"`
	Revoked       *time.Time `json:"revoked,omitempty"`
	RevokedFor    string     `json:"revoked_for,omitempty"`
	Wiped         bool       `json:"wiped,omitempty"`
	Configuration string     `json:"configuration,omitempty"`
	LastSeen      *time.Time `json:"last_seen,omitempty"`
	Waiting       int        `json:"waiting"`
	Problems      []string   `json:"problems,omitempty"`
	// Lists are those in force on the device when it was last heard.
	Lists []HeldList `json:"lists,omitempty"`
}

// HeldList is a list as a device holds it.
type HeldList struct {
	List       string  `json:"list"`
	Version    uint64  `json:"version"`
	Entries    int     `json:"entries"`
	AgeSeconds float64 `json:"age_s"`
}

func (d *deskServer) approveDevice(ctx context.Context, by access.By, a Approval) (nothing, error) {
	return nothing{}, d.fleet.Approve(ctx, by, fleet.Approval(a))
}

func (d *deskServer) enrolDevice(ctx context.Context, by access.By, a Approval) (Enrolment, error) {
	token, err := d.fleet.Enrol(ctx, by, fleet.Approval(a))
	if err != nil {
		return Enrolment{}, err
	}
	return Enrolment{Device: token.Device, Token: token.Text(), Expires: d.config.Clock.Now().Add(fleet.TokenLife)}, nil
}

func (d *deskServer) revokeDevice(ctx context.Context, by access.By, q withReason) (nothing, error) {
	return nothing{}, d.fleet.Revoke(ctx, by, q.Name, q.Reason)
}

func (d *deskServer) wipeDevice(ctx context.Context, by access.By, q withReason) (nothing, error) {
	return nothing{}, d.fleet.Wipe(ctx, by, q.Name, q.Reason)
}

func (d *deskServer) configureDevice(ctx context.Context, by access.By, q settings) (nothing, error) {
	return nothing{}, d.fleet.Configure(ctx, by, q.Name, q.TOML)
}

func (d *deskServer) listDevices(ctx context.Context, by access.By, _ nothing) ([]DeviceState, error) {
	_, err := d.access.Authorise(ctx, access.Request{Account: by.Account, From: by.From, Right: access.ViewDevices, Action: "view devices"})
	if err != nil {
		return nil, err
	}
	devices, err := d.store.Devices(ctx)
	states := make([]DeviceState, len(devices))
	now := d.config.Clock.Now()
	for i, v := range devices {
		states[i] = DeviceState{
			Name: v.Name, State: fleet.StateOf(v, now).Word, Approved: known(v.Approved), ApprovedBy: v.ApprovedBy, Reference: v.Reference,
			Review: known(v.Review), Certificate: known(v.Certificate.NotAfter), Revoked: known(v.Revoked), RevokedFor: v.RevokedFor, Wiped: v.Wiped(),
			Configuration: fleet.ConfigurationOf(v), LastSeen: known(v.LastSeen), Problems: fleet.Concerns(v, now),
		}
		if v.Status != nil {
			states[i].Waiting = v.Status.Waiting
			for _, l := range v.Status.Lists {
				states[i].Lists = append(states[i].Lists, HeldList{l.List, l.Version, l.Entries, l.Age(now).Seconds()})
			}
			states[i].Problems = append(states[i].Problems, v.Status.Problems...)
		}
	}
	return states, err
}
