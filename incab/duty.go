package incab

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"nrd"
)

var errSignOn = refusal{403, "Sign on first."}

// longest is how many bytes a person may write in one field.
const longest = 120

// signOn puts an officer on duty at a tablet until signOff.
func (s *Screen) signOn(t *tablet, o nrd.Officer) error {
	o.Collar, o.Authoriser, o.Reference = strings.TrimSpace(o.Collar), strings.TrimSpace(o.Authoriser), strings.TrimSpace(o.Reference)
	for _, f := range []struct{ name, text string }{
		{"your collar number", o.Collar}, {"who authorised the deployment", o.Authoriser}, {"the incident-log reference", o.Reference},
	} {
		if f.text == "" || len(f.text) > longest || !utf8.ValidString(f.text) {
			return refusal{422, "Say " + f.name + ", in at most " + "120 characters."}
		}
	}
	err := s.change(func() error {
		if t.Officer != nil {
			if o.Since = t.Officer.Since; o == *t.Officer {
				return nil // said again
			}
			return refusal{409, t.Officer.Collar + " is signed on here: sign off first."}
		}
		o.Since = s.Clock.Now()
		t.Officer = &o
		s.state.SignedOn++
		t.SignedOn = s.state.SignedOn
		s.confirm(t)
		s.later(t, nrd.OfficerEvent{Action: nrd.OfficerSignedOn}, nil)
		return nil
	})
	if err == nil {
		s.deliver()
	}
	return err
}

func (s *Screen) signOff(t *tablet) error {
	err := s.change(func() error {
		if t.Officer == nil {
			return errSignOn
		}
		s.later(t, nrd.OfficerEvent{Action: nrd.OfficerSignedOff}, nil)
		t.Officer = nil
		return nil
	})
	if err == nil {
		s.deliver()
	}
	return err
}

const (
	// longestShift is how long a sign-on holds before it must be confirmed, and
	// confirmGrace how long the unit then waits: a tablet that was left behind must
	// not say for days who is on duty.
	longestShift = 12 * time.Hour
	confirmGrace = 30 * time.Minute
)

// confirm notes that the officer is on duty now. The lock is held.
func (s *Screen) confirm(t *tablet) {
	now := s.Clock.Stamp()
	t.Confirmed, t.Boot = now.Monotonic, now.BootID
}

// unconfirmed is for how long an officer should have confirmed to be on duty; not
// above 0 while all is well. No wall clock is asked, which may jump by years; with
// a new start of the unit a confirmation is due at once. The lock is held.
func (s *Screen) unconfirmed(t *tablet) time.Duration {
	now := s.Clock.Stamp()
	if t.Boot != now.BootID {
		t.Boot, t.Confirmed = now.BootID, now.Monotonic-longestShift
	}
	return now.Monotonic - t.Confirmed - longestShift
}

// endShifts signs off who has not confirmed to be on duty. The lock is held.
func (s *Screen) endShifts() (ended bool) {
	for _, t := range s.state.Tablets {
		if t.Officer != nil && s.unconfirmed(t) > confirmGrace {
			s.later(t, nrd.OfficerEvent{Action: nrd.OfficerSignedOff, Reason: "the sign-on was not confirmed"}, nil)
			t.Officer = nil
			ended = true
		}
	}
	return ended
}

// stillOn confirms a sign-on for another shift.
func (s *Screen) stillOn(t *tablet) error {
	err := s.change(func() error {
		if t.Officer == nil {
			return errSignOn
		}
		s.confirm(t)
		s.later(t, nrd.OfficerEvent{Action: nrd.OfficerConfirmed}, nil)
		return nil
	})
	if err == nil {
		s.deliver()
	}
	return err
}

// onDuty gives the collar numbers that are signed on. The lock is held.
func (s *Screen) onDuty() []string {
	var collars []string
	for _, t := range s.state.Tablets {
		if t.Officer != nil {
			collars = append(collars, t.Officer.Collar)
		}
	}
	return collars
}

// Authority gives the incident-log reference that the unit is out under: that of
// who signed on last, "" while nobody is signed on.
func (s *Screen) Authority() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	reference, last := "", uint64(0)
	for _, t := range s.state.Tablets {
		if t.Officer != nil && t.SignedOn >= last {
			reference, last = t.Officer.Reference, t.SignedOn
		}
	}
	return reference
}

// checked is the answer to a check. Live says that a live gateway has answered.
type checked struct {
	VRM     string      `json:"vrm"`
	Entries []entryView `json:"entries"`
	Live    bool        `json:"live"`
}

// check looks a mark up that an officer typed in. That it was done, by whom and
// why is kept before the answer is given.
func (s *Screen) check(ctx context.Context, t *tablet, mark, reason string) (checked, error) {
	vrm, err := nrd.ParseVRM(mark)
	if err != nil {
		return checked{}, refusal{422, "This is no registration mark: letters and digits only, at most 15."}
	}
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > longest || !utf8.ValidString(reason) {
		return checked{}, refusal{422, "Say why you check this mark, in at most 120 characters."}
	}
	s.mu.Lock()
	officer := t.Officer
	s.mu.Unlock()
	if officer == nil {
		return checked{}, errSignOn
	}
	hits, live := s.Check(ctx, vrm, officer.Collar, reason)
	if err := s.change(func() error {
		if t.Officer == nil {
			return errSignOn
		}
		s.later(t, nrd.OfficerEvent{Action: nrd.OfficerChecked, VRM: vrm, Reason: reason, Hits: len(hits)}, nil)
		return nil
	}); err != nil {
		return checked{}, err
	}
	s.deliver()
	return checked{spaced(vrm), entryViews(vrm, hits), live}, nil
}
