package publish

import "errors"

// ErrList says that a list cannot be published as it is described.
var ErrList = errors.New("the list cannot be published like this")

// ErrOlder says that a list's version is not above the one that is published.
var ErrOlder = errors.New("the list's version is not above the one that is published")

// ErrOrder says that entries did not come in the order of their VRMs.
var ErrOrder = errors.New("the entries are not in the order of their VRMs")

// errBefore says that the version which is published cannot be read.
var errBefore = errors.New("the version before cannot be read")

// ErrNoList says that no list of this name is published.
var ErrNoList = errors.New("no list of this name is published")
