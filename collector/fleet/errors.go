package fleet

import "errors"

// ErrApproval says what is missing from a device's approval.
var ErrApproval = errors.New("the device cannot be approved like this")

// ErrRevoked says that a device was revoked. It can be enrolled again.
var ErrRevoked = errors.New("the device is revoked")

// ErrReplaced says that a certificate was given up by its device, for a newer one
// or a new enrolment: who comes with it may be a copy.
var ErrReplaced = errors.New("the certificate is not the device's present one; if this is the device, enrol it again")

// ErrToken says that a token is unknown, used or expired; which of it is not told.
var ErrToken = errors.New("the token is not known, was used, or is over; make a new one with: central device enrol")

// ErrUnapproved says that a device was not approved.
var ErrUnapproved = errors.New("the device is not approved")

// ErrOrder says that a device cannot be ordered to do this.
var ErrOrder = errors.New("the device cannot be ordered to do this")
