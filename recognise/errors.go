package recognise

import "errors"

// Errors of this package.
var (
	// ErrImage says that an image has a depth, a number of channels or a size
	// that cannot be recognised. The next frame may be good.
	ErrImage = errors.New("the image is not an 8-bit picture of 1, 3 or 4 channels")
	// ErrNetwork says that a network's file is damaged or is not the network
	// that it should be.
	ErrNetwork = errors.New("the network cannot be used")
	// ErrEngine says that the configuration names a reader that does not exist.
	ErrEngine = errors.New("there is no such reader")
	// ErrRegion says that a region is not a part of a picture.
	ErrRegion = errors.New("a region is [left, top, right, bottom] in shares of the picture, 0 to 1")
	// ErrEvidence says that a picture could not be made to fit the profile's
	// caps.
	ErrEvidence = errors.New("the picture does not fit the profile's caps")
)
