package lists

import "errors"

// ErrDamaged says that what a list's entries are kept in is not what was written.
// A local list is built anew; another one must be imported again.
var ErrDamaged = errors.New("the list's entries are damaged")

// ErrInvalid says that a list, an entry or a decision cannot be as it was asked;
// the error that wraps it says why.
var ErrInvalid = errors.New("this cannot be done as asked")

// ErrNational says that a local list was to go to a national recipient.
var ErrNational = errors.New("a local list never goes to a national recipient")

// ErrOlder says that a file was made before the version in force: an old list is
// being played again, or files came in the wrong order.
var ErrOlder = errors.New("the file is older than the list that is in force")

// ErrPublished answers Publish where units were given a higher version before: the
// store comes from a backup that is older than what was published.
var ErrPublished = errors.New("a higher version of the list was published before")

// ErrShrinks says that an import would take more from a local list than is let
// pass without a word, or brings less than there was in the file.
var ErrShrinks = errors.New("the list would lose more than is let pass without saying so")
