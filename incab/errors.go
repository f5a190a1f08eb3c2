package incab

import "errors"

var (
	// ErrRole says that a tablet was to be paired for neither of the two seats.
	ErrRole = errors.New("a tablet is paired as driver or observer")
	// ErrTablets says that no more tablets can be paired.
	ErrTablets = errors.New("as many tablets are paired as the unit takes: forget them first")
	// ErrState says that what the screen kept cannot be read.
	ErrState = errors.New("what the screen kept cannot be read")
)

// errNotKept is the answer where something cannot be made durable.
var errNotKept = refusal{503, "The unit could not keep this. Its disk needs attention; try again."}

// refusal is an answer to somebody at a tablet, in a sentence for them.
type refusal struct {
	status   int
	sentence string
}

func (r refusal) Error() string { return r.sentence }
