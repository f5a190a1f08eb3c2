package aim

import "errors"

// Errors of this package.
var (
	// ErrAddress says that the page would be open to others without a code:
	// give TLS and a code for an address that is not this machine's own.
	ErrAddress = errors.New("the page is served to this machine alone, or with a code")
	// ErrSave says that a region could not be kept. The message has the line
	// to paste into the configuration.
	ErrSave = errors.New("the region could not be saved")
)
