package trust

import "errors"

// ErrUntrusted says that metadata is not signed by who may sign it, or is not what
// other signed metadata says it is.
var ErrUntrusted = errors.New("the signed metadata is not genuine")

// ErrFrozen says that metadata is genuine and out of date: central has not signed
// for too long, or somebody holds back what is new.
var ErrFrozen = errors.New("the signed metadata has expired: central is behind, or something on the way is held back")

// ErrOlder says that metadata is genuine and older than what was seen before:
// somebody plays old metadata again.
var ErrOlder = errors.New("the signed metadata is older than what was seen before")

// ErrRefused says that central answered with something else than what was asked
// for; its reason follows.
var ErrRefused = errors.New("central refuses")

// ErrTooLong says that an answer went on beyond what it may have.
var ErrTooLong = errors.New("the answer is longer than it may be")

// ErrExists says that there are trust's keys already, which are not overwritten:
// every unit trusts them.
var ErrExists = errors.New("the keys of the signed repository are there already and are not overwritten")

// ErrKeys says that too few of the root's keys are at hand.
var ErrKeys = errors.New("too few keys of the root are in the folder")

// errNotFound is central's answer where there is nothing under an address.
var errNotFound = errors.New("there is nothing under this address")
