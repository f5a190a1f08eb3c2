package lists

import (
	"fmt"
	"time"

	"nrd/collector/store"
)

// A time that was noted while central's clock was wrong tells nothing, and stands in
// the store long after the clock is right again: a list issued in 2099 would be newer
// than every file to come.

// ahead says that a time is in the future, as far as central's clock knows.
func (l *Lists) ahead(t time.Time) bool {
	return t.After(l.Clock.Now().Add(time.Duration(l.Profile.FutureToleranceSeconds) * time.Second))
}

// told says that a time can be one that was noted while the clock was right.
func (l *Lists) told(t time.Time) bool { return !t.Before(l.Profile.EarliestCapture) && !l.ahead(t) }

// older answers ErrOlder for a file made before the version in force, as far as it
// is known when that was made.
func (l *Lists) older(i *store.ListImport, list *store.List) error {
	if !i.Issued.Before(list.InForce.Issued) || l.ahead(list.InForce.Issued) {
		return nil
	}
	return fmt.Errorf("%w: it is of %s, the list of %s", ErrOlder, i.Issued.Format(time.RFC3339), list.InForce.Issued.Format(time.RFC3339))
}
