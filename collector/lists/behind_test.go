package lists

import (
	"errors"
	"strings"
	"testing"
	"time"

	"nrd/collector/alarm"
)

// alarmAbout gives the text of the alarm of a kind that stands, "" for none.
func (s *site) alarmAbout(what, kind string) string {
	s.t.Helper()
	standing, err := s.store.StandingAlarms(s.t.Context())
	s.must(err)
	for _, a := range standing {
		if a.Device == what && a.Kind == kind {
			return a.Text
		}
	}
	return ""
}

func TestAListThatCannotBePublishedForTenMinutesIsAnAlarm(t *testing.T) {
	s := newSite(t)
	printer := newPrinter()
	s.Publisher = printer
	s.localList("burglars")
	look := func(passes time.Duration, says string) {
		t.Helper()
		s.clock.Advance(passes)
		if err := s.publish(t.Context()); err != nil && !errors.Is(err, printer.broken) {
			t.Fatal(err)
		}
		s.must(s.lookAtPublishing(t.Context()))
		switch text := s.alarmAbout("list burglars", alarm.Publish); {
		case says == "" && text != "":
			t.Errorf("the alarm %q stands", text)
		case !strings.Contains(text, says):
			t.Errorf("the alarm says %q, not %q", text, says)
		}
	}
	printer.broken = errors.New("the disk is full")
	look(0, "")
	look(9*time.Minute, "")
	look(time.Minute, "for 10 min it could not be published: no unit has it")
	if all, err := s.All(t.Context(), jane); err != nil || !strings.Contains(all[0].Problem, "no unit has it") {
		t.Errorf("the list's page shows %+v, %v", all, err)
	}
	printer.broken = nil
	look(time.Minute, "")
	printer.broken = errors.New("the disk is full")
	s.put("burglars", entry("AB12CDE", ""))
	look(time.Hour, "")
	look(11*time.Minute, "the units have version 1, not 2")
	s.must(s.Withdraw(t.Context(), jane, "burglars", "no longer needed"))
	s.Publisher = nil
	look(0, "")
}

func TestAWithdrawalThatTheUnitsAreNotToldOfIsAnAlarm(t *testing.T) {
	s := newSite(t)
	s.Publisher = newPrinter()
	s.localList("burglars")
	s.must(s.publish(t.Context()))
	s.must(s.Withdraw(t.Context(), jane, "burglars", "no longer needed"))
	s.must(s.lookAtPublishing(t.Context()))
	s.clock.Advance(publishPatience)
	s.must(s.lookAtPublishing(t.Context()))
	if text := s.alarmAbout("list burglars", alarm.Publish); !strings.Contains(text, "it was withdrawn") {
		t.Errorf("the alarm says %q", text)
	}
	s.must(s.publish(t.Context()))
	s.must(s.lookAtPublishing(t.Context()))
	if text := s.alarmAbout("list burglars", alarm.Publish); text != "" {
		t.Errorf("the alarm %q stands", text)
	}
}

func TestWhatIsWrongWithTheKeysIsAnAlarmUntilItIsMended(t *testing.T) {
	s := newSite(t)
	said := Signing{Late: "signed long ago", Keys: "the root ends soon"}
	s.Signing = func() Signing { return said }
	s.must(s.lookAtPublishing(t.Context()))
	if late, keys := s.alarmAbout(AboutSigning, alarm.Publish), s.alarmAbout(AboutSigning, alarm.Keys); late != said.Late || keys != said.Keys {
		t.Errorf("the alarms say %q and %q", late, keys)
	}
	said = Signing{}
	s.must(s.lookAtPublishing(t.Context()))
	if late, keys := s.alarmAbout(AboutSigning, alarm.Publish), s.alarmAbout(AboutSigning, alarm.Keys); late != "" || keys != "" {
		t.Errorf("the alarms %q and %q stand", late, keys)
	}
}
