package store

import (
	"time"

	"nrd"
)

// Device is a unit that may send records.
type Device struct {
	Name string
	// Approved is when and ApprovedBy who confirmed the unit; Reference is the
	// privacy impact assessment. An unapproved device's reads are refused.
	Approved   time.Time
	ApprovedBy string
	Reference  string
	// Review is the date of the next yearly review of its location.
	Review time.Time
	// Revoked is when the device was cut off and RevokedFor why.
	Revoked    time.Time
	RevokedFor string

	// Token is the enrolment that waits for the device; Enrolment the number
	// of the last one that was used, which stands in its certificates.
	Token     Token
	Enrolment string
	// Certificate is the one that the device uses, Renewed one that was issued
	// to it and not seen yet. Where there is none, any of the site's CA in the
	// device's name is good. Ended are earlier ones that would still be valid.
	Certificate, Renewed Certificate
	Ended                []Certificate
	// Copied is when somebody last came with a certificate that the device has
	// given up, fought for its connection, or sent records of another buffer in
	// turns with its own: there may be two of it.
	Copied time.Time

	// Orders counts the orders to the device. Wipe and Configure are the last
	// of their kind.
	Orders          uint64
	Wipe, Configure Order

	// Status is the newest status seen, LastSeen when.
	Status   *nrd.Status
	LastSeen time.Time
}

// Token is a one-time token for enrolment, of which only the digest is kept.
type Token struct {
	Digest  [32]byte
	Expires time.Time
}

// Certificate is one that was issued to a device.
type Certificate struct {
	// Serial is its number and Fingerprint its SHA-256, both hexadecimal.
	Serial, Fingerprint string
	NotAfter            time.Time
}

// Order is something that a device was told to do. Signed is its wire form
// (wire.Signed), as it is sent until the device has obeyed; Text is what it is
// about: a reason, or a configuration.
type Order struct {
	Number uint64
	At     time.Time
	By     string
	Reason string
	Text   string
	Signed []byte
}

// Wiped says that the device has destroyed its keys as it was told.
func (d Device) Wiped() bool {
	return d.Wipe.Number != 0 && d.Status != nil && d.Status.Wiped == d.Wipe.Number
}

// Due lists the orders, in wire form, that the device has not obeyed yet. One
// that is to be wiped gets no other.
func (d Device) Due() [][]byte {
	if d.Wipe.Number != 0 {
		if d.Wiped() {
			return nil
		}
		return [][]byte{d.Wipe.Signed}
	}
	if d.Configure.Number == 0 || !d.Revoked.IsZero() || d.Settled() {
		return nil
	}
	return [][]byte{d.Configure.Signed}
}

// Settled says that the device has said what became of the last configuration
// that was sent to it. One on trial is not: hearing of it again is what shows
// the device that it can reach central.
func (d Device) Settled() bool {
	return d.Status != nil && d.Status.Configuration.Order == d.Configure.Number && d.Status.Configuration.State != nrd.ConfigurationTrial
}
