// Package fleet looks after the devices of a site: who they are, who approved
// them, when they are reviewed, and what they are ordered to do.
//
// A device is enrolled with a one-time token ([Fleet.Enrol]), which is also its
// approval; it gets its certificate over HTTPS ([Service]) and renews it there by
// itself. [Fleet.Admit] is asked at the door whether a certificate still counts: a
// device has one, and after a renewal the old one only until the new one was
// seen. So a copy of a device shows itself: one of the two comes with what the
// other has given up.
//
// What a device is told to do (to wipe itself, to use other settings) is an order,
// signed by the site's issuer, kept with the device and sent at each contact until
// the device's status says that it was obeyed. Everything a person does here is
// judged and logged by package access first.
package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/internal/identity"
)

// MaxConnections is how many devices may be connected to one of central's HTTPS
// ports at once.
const MaxConnections = 200

// TokenLife is how long an enrolment token is good for.
const TokenLife = time.Hour

// Fleet is the site's devices. Fill the fields.
type Fleet struct {
	Store  store.Store
	Access *access.Service
	Issuer *identity.Issuer
	// RevokedIssuers is the site's list of issuers that were taken back
	// (identity.RevokedFile), which devices ask for.
	RevokedIssuers []byte
	// ReviewDays is how long after its approval a device is to be looked at
	// again.
	ReviewDays int
	Clock      nrd.Clock
	Log        *slog.Logger
}

// Approval says who confirmed a device, and under which privacy impact
// assessment.
type Approval struct{ Device, By, Reference string }

func (a Approval) check() error {
	for what, text := range map[string]string{"who approved it": a.By, "the reference of the assessment": a.Reference} {
		if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return fmt.Errorf("%w: %s is missing", ErrApproval, what)
		}
	}
	if err := identity.ValidDevice(a.Device); err != nil {
		return fmt.Errorf("%w: %w", ErrApproval, err)
	}
	if National(a.Device) {
		return fmt.Errorf("%w: %s is the name of a national service, and such a one gets no list of the force's own", ErrApproval, a.Device)
	}
	return nil
}

func (a Approval) subject() string {
	return fmt.Sprintf("%s, approved by %s, reference %s", a.Device, a.By, a.Reference)
}

// approve notes the approval; the next review is due ReviewDays from now.
func (f *Fleet) approve(d *store.Device, a Approval) {
	now := f.Clock.Now()
	d.Approved, d.ApprovedBy, d.Reference, d.Review = now, a.By, a.Reference, now.AddDate(0, 0, f.ReviewDays)
}

// Approve lets a device's reads in; for one that is approved already it is the
// review of its location. A revoked device has to be enrolled instead. The error
// is ErrApproval where something is missing, or ErrRevoked.
func (f *Fleet) Approve(ctx context.Context, by access.By, a Approval) error {
	if err := a.check(); err != nil {
		return err
	}
	if err := f.authorise(ctx, by, access.ManageDevices, "device approve", a.subject(), ""); err != nil {
		return err
	}
	return f.Store.ChangeDevice(ctx, a.Device, func(d *store.Device) error {
		if !d.Revoked.IsZero() {
			return fmt.Errorf("%s: %w; enrol it again", a.Device, ErrRevoked)
		}
		f.approve(d, a)
		return nil
	})
}

// Enrol approves a device and gives the token with which it gets its
// certificate, once and until TokenLife is over. An earlier token is good no
// more; an earlier certificate stays good until the token is used, and with that
// a revocation ends. The error is ErrApproval where something is missing.
func (f *Fleet) Enrol(ctx context.Context, by access.By, a Approval) (identity.Token, error) {
	if err := a.check(); err != nil {
		return identity.Token{}, err
	}
	if err := f.authorise(ctx, by, access.ManageDevices, "device enrol", a.subject(), ""); err != nil {
		return identity.Token{}, err
	}
	token := identity.NewToken(a.Device, f.Issuer.CA())
	err := f.Store.ChangeDevice(ctx, a.Device, func(d *store.Device) error {
		f.approve(d, a)
		d.Token = store.Token{Digest: token.Digest(), Expires: f.Clock.Now().Add(TokenLife)}
		return nil
	})
	return token, err
}

// Revoke refuses a device from now on: its connection is ended, its reads are not
// taken, its certificate is not renewed. A name that is not known is
// store.ErrNotFound.
func (f *Fleet) Revoke(ctx context.Context, by access.By, device, reason string) error {
	if err := f.authorise(ctx, by, access.RevokeDevices, "device revoke", device, reason); err != nil {
		return err
	}
	return f.change(ctx, device, func(d *store.Device) error {
		f.revoke(d, reason)
		return nil
	})
}

func (f *Fleet) revoke(d *store.Device, reason string) {
	if d.Revoked.IsZero() {
		d.Revoked, d.RevokedFor = f.Clock.Now(), reason
	}
	d.Token = store.Token{}
}

// change is ChangeDevice for a device that is known.
func (f *Fleet) change(ctx context.Context, device string, change func(*store.Device) error) error {
	if _, err := f.Store.Device(ctx, device); err != nil {
		return fmt.Errorf("device %s: %w", device, err)
	}
	return f.Store.ChangeDevice(ctx, device, change)
}

func (f *Fleet) authorise(ctx context.Context, by access.By, right access.Right, action, subject, reason string) error {
	_, err := f.Access.Authorise(ctx, access.Request{
		Account: by.Account, From: by.From, Right: right, Action: action, Subject: subject, Reason: reason,
	})
	return err
}

// Admit says whether a device may connect with the certificate of this
// fingerprint, which the site's CA vouches for. The error is ErrRevoked or ErrReplaced. Where the store cannot be
// asked the device may connect: what it sends is judged again before it is stored.
func (f *Fleet) Admit(ctx context.Context, device, fingerprint string) error {
	d, err := f.Store.Device(ctx, device)
	if err != nil {
		if !errors.Is(err, store.ErrNotFound) {
			f.Log.Error("a device could not be looked up", "device", device, "error", err)
		}
		return nil
	}
	switch {
	case !d.Revoked.IsZero() && len(d.Due()) == 0:
		return ErrRevoked
	case d.Certificate.Fingerprint == "" && d.Renewed.Fingerprint == "", d.Certificate.Fingerprint == fingerprint:
		return nil
	case d.Renewed.Fingerprint == fingerprint:
		return f.Store.ChangeDevice(ctx, device, func(d *store.Device) error {
			if d.Renewed.Fingerprint == fingerprint {
				f.giveUp(d, d.Certificate)
				d.Certificate, d.Renewed = d.Renewed, store.Certificate{}
			}
			return nil
		})
	}
	err = f.Store.ChangeDevice(ctx, device, func(d *store.Device) error {
		d.Copied = f.Clock.Now()
		return nil
	})
	return errors.Join(ErrReplaced, err)
}

// enrolled gives a device its first certificate of an enrolment. The error is
// ErrToken.
func (f *Fleet) enrolled(ctx context.Context, token identity.Token, request []byte) (issued identity.Issued, err error) {
	err = f.change(ctx, token.Device, func(d *store.Device) error {
		if d.Token.Digest != token.Digest() || !f.Clock.Now().Before(d.Token.Expires) {
			return ErrToken
		}
		number := rand.Text()
		if issued, err = f.Issuer.Issue(request, token.Device, number); err != nil {
			return err
		}
		f.giveUp(d, d.Certificate, d.Renewed)
		// The device starts anew: orders to it as it was do not hold any more.
		*d = store.Device{
			Name: d.Name, Approved: d.Approved, ApprovedBy: d.ApprovedBy, Reference: d.Reference, Review: d.Review,
			Enrolment: number, Certificate: certificateOf(issued), Ended: d.Ended, LastSeen: d.LastSeen,
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		err = ErrToken
	}
	return issued, err
}

func certificateOf(i identity.Issued) store.Certificate {
	return store.Certificate{Serial: i.Serial, Fingerprint: i.Fingerprint, NotAfter: i.NotAfter}
}

// renewed gives a device its next certificate.
func (f *Fleet) renewed(ctx context.Context, device, fingerprint string, request []byte) (issued identity.Issued, err error) {
	if err := f.Admit(ctx, device, fingerprint); err != nil {
		return issued, err
	}
	err = f.change(ctx, device, func(d *store.Device) error {
		switch {
		case !d.Revoked.IsZero():
			return ErrRevoked
		case d.Approved.IsZero():
			return ErrUnapproved
		}
		if issued, err = f.Issuer.Issue(request, device, d.Enrolment); err != nil {
			return err
		}
		f.giveUp(d, d.Renewed)
		d.Renewed = certificateOf(issued)
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		err = ErrUnapproved
	}
	return issued, err
}
