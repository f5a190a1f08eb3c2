package incab

import (
	"strings"
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
			return refusal{409, t.Officer.Collar + " is signed on here: sign off first."}
		}
		o.Since = s.Clock.Now()
		t.Officer = &o
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
	var last nrd.Officer
	for _, t := range s.state.Tablets {
		if t.Officer != nil && !t.Officer.Since.Before(last.Since) {
			last = *t.Officer
		}
	}
	return last.Reference
}

// check looks a mark up that an officer typed in. That it was done, by whom and
// why is kept before the answer is given.
func (s *Screen) check(t *tablet, mark, reason string) (nrd.VRM, []nrd.Hit, error) {
	vrm, err := nrd.ParseVRM(mark)
	if err != nil {
		return "", nil, refusal{422, "This is no registration mark: letters and digits only, at most 15."}
	}
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > longest || !utf8.ValidString(reason) {
		return "", nil, refusal{422, "Say why you check this mark, in at most 120 characters."}
	}
	hits := s.Match(vrm)
	if err := s.change(func() error {
		if t.Officer == nil {
			return errSignOn
		}
		s.later(t, nrd.OfficerEvent{Action: nrd.OfficerChecked, VRM: vrm, Reason: reason, Hits: len(hits)}, nil)
		return nil
	}); err != nil {
		return "", nil, err
	}
	s.deliver()
	return vrm, hits, nil
}
