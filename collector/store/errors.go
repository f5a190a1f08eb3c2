package store

import "errors"

// ErrNotFound answers a question about something that is not held.
var ErrNotFound = errors.New("there is no such thing in the store")

// ErrFull answers Insert when the disk is full. Nothing of the batch is held;
// devices keep what they have and send it again.
var ErrFull = errors.New("the store's disk is full")

// ErrQuery answers a search that cannot be run; the error that wraps it says
// what is wrong.
var ErrQuery = errors.New("the search is not valid")

// ErrChain answers CheckAccessLog when a line was changed or taken out; the
// error that wraps it names the first line that does not fit.
var ErrChain = errors.New("the access log has been altered")

// ErrExists says that a list has an entry with this mark and reference already.
var ErrExists = errors.New("the list has an entry with this mark and reference already")
