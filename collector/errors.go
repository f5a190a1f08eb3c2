package collector

import "errors"

// ErrConfiguration says that the configuration is wrong; the error that wraps
// it names file, line and key.
var ErrConfiguration = errors.New("the configuration is wrong")

// ErrRefused says that the account has no right to this, or gave no reason for
// it. The refusal is in the access log.
var ErrRefused = errors.New("refused")

// ErrInvalid says that what was asked for cannot be, such as an account without
// a name.
var ErrInvalid = errors.New("this cannot be done as asked")

// ErrNotFound says that what was named is not known.
var ErrNotFound = errors.New("not found")

// ErrOwner says that the data folder belongs to another system user. Files made
// in it now could not be read by central later.
var ErrOwner = errors.New("the data folder belongs to another system user; run the command as that user")

// ErrRunning says that central is running on this data folder, and must not be.
var ErrRunning = errors.New("central is running; stop it first")
