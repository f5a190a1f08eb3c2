package lists

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nrd/collector/alarm"
	"nrd/collector/store"
)

// publishPatience is how long the units may be without what is in force before an
// alarm.
const publishPatience = 10 * time.Minute

// AboutSigning is what alarms about the signing of lists are about; no device can be
// called so.
const AboutSigning = "signing of lists"

// Signing is how it stands with what signs the lists for the units; each text is a
// sentence about what is wrong, "" for nothing.
type Signing struct {
	// Late is about metadata that is not signed anew in time, Keys about keys that
	// are missing or end soon.
	Late, Keys string
}

// lookAtPublishing raises and clears the alarms about what the units are given.
func (l *Lists) lookAtPublishing(ctx context.Context) error {
	all, err := l.Store.Lists(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for i := range all {
		errs = append(errs, l.say(ctx, about(all[i].Name), alarm.Publish, l.late(&all[i])))
	}
	if l.Signing != nil {
		s := l.Signing()
		errs = append(errs, l.say(ctx, AboutSigning, alarm.Publish, s.Late), l.say(ctx, AboutSigning, alarm.Keys, s.Keys))
	}
	return errors.Join(errs...)
}

// late says for how long the units were not given what is in force of a list, or
// that it was withdrawn; "" while that may be. It counts from when it saw so first.
// Where nothing is published at all, the alarm about the keys says so.
func (l *Lists) late(list *store.List) string {
	if l.Publisher == nil || !behind(list) {
		delete(l.behindSince, list.Name)
		return ""
	}
	now := l.Clock.Now()
	since, known := l.behindSince[list.Name]
	if !known {
		l.behindSince[list.Name], since = now, now
	}
	switch waits := now.Sub(since); {
	case waits < publishPatience:
		return ""
	case !list.Withdrawn.IsZero():
		return fmt.Sprintf("it was withdrawn, and for %s the units could not be told", inHours(waits))
	case list.Published == 0:
		return fmt.Sprintf("for %s it could not be published: no unit has it; central's log says why", inHours(waits))
	default:
		return fmt.Sprintf("for %s it could not be published: the units have version %d, not %d; central's log says why", inHours(waits), list.Published, list.InForce.Version)
	}
}

// behind says that the units are not given a list as it is at central.
func behind(list *store.List) bool {
	if !list.Withdrawn.IsZero() {
		return list.Published != 0
	}
	return list.File != "" && list.Published != list.InForce.Version
}
