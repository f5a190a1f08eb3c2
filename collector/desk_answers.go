package collector

import (
	"context"
	"time"

	"nrd/collector/access"
	"nrd/collector/store"
)

// nothing is the question or answer of what has none.
type nothing struct{}

type named struct {
	Name string `json:"name"`
}

type withReason struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

type settings struct {
	Name string `json:"name"`
	TOML string `json:"toml"`
}

// NewUser is an account to be made.
type NewUser struct {
	Name       string `json:"name"`
	FullName   string `json:"full_name"`
	Role       string `json:"role"`
	Authoriser string `json:"authoriser"`
	Password   string `json:"password"`
}

// User is an account as the command line shows it.
type User struct {
	Name       string     `json:"name"`
	FullName   string     `json:"full_name"`
	Role       string     `json:"role"`
	Authoriser string     `json:"authoriser"`
	Created    time.Time  `json:"created"`
	Review     time.Time  `json:"review"`
	Removed    *time.Time `json:"removed,omitempty"`
}

func (d *deskServer) addUser(ctx context.Context, by access.By, u NewUser) (nothing, error) {
	account := store.Account{Name: u.Name, FullName: u.FullName, Role: u.Role, Authoriser: u.Authoriser}
	return nothing{}, d.access.AddAccount(ctx, by, account, u.Password)
}

func (d *deskServer) removeUser(ctx context.Context, by access.By, q named) (nothing, error) {
	return nothing{}, d.access.RemoveAccount(ctx, by, q.Name)
}

func (d *deskServer) listUsers(ctx context.Context, by access.By, _ nothing) ([]User, error) {
	_, err := d.access.Authorise(ctx, access.Request{Account: by.Account, From: by.From, Right: access.ManageAccounts, Action: "user list"})
	if err != nil {
		return nil, err
	}
	accounts, err := d.store.Accounts(ctx)
	users := make([]User, len(accounts))
	for i, a := range accounts {
		users[i] = User{
			Name: a.Name, FullName: a.FullName, Role: a.Role, Authoriser: a.Authoriser, Created: a.Created, Review: a.Review, Removed: known(a.Removed),
		}
	}
	return users, err
}

func (d *deskServer) search(ctx context.Context, by access.By, e Enquiry) ([]Found, error) {
	_, records, err := d.access.Search(ctx, by, e.Reason, store.Query{
		Pattern: e.VRM, From: e.From, To: e.To, Device: e.Device, Camera: e.Camera, HitsOnly: e.HitsOnly, Limit: e.Limit,
	})
	if err != nil {
		return nil, err
	}
	found := make([]Found, len(records))
	for i := range records {
		found[i] = foundOf(&records[i])
		if records[i].IsHit() {
			if found[i].Officers, err = d.officersOf(ctx, records[i].Key); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// known gives nil for a time that is not set, so that JSON leaves it out.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
