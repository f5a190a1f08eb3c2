package evaluate

import "errors"

// Errors of this package.
var (
	// ErrTruth says that a truth file is not in the form that [ReadTruth]
	// describes. The message names file, line and field.
	ErrTruth = errors.New("the truth file is wrong")
	// ErrSome says that there was something to measure, but not all of it:
	// footage that the truth names was not among the paths or could not be
	// read. The report is whole and names each.
	ErrSome = errors.New("not all of the footage was measured")
	// ErrNothing says that none of the footage that the truth names is among
	// the paths.
	ErrNothing = errors.New("none of the footage that the truth names was found")
)
