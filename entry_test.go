package nrd

import (
	"testing"
	"time"
)

func TestAPriorityIsReadFromItsWordOrLetterAndPrintsItsWord(t *testing.T) {
	for written, want := range map[string]Priority{
		"High": PriorityHigh, "h": PriorityHigh, " MEDIUM ": PriorityMedium, "M": PriorityMedium,
		"low": PriorityLow, "L": PriorityLow, "": PriorityNone, "none": PriorityNone,
	} {
		got, ok := ParsePriority(written)
		if !ok || got != want {
			t.Errorf("%q is %v (%v), want %v", written, got, ok, want)
		}
		if again, ok := ParsePriority(got.String()); !ok || again != got {
			t.Errorf("%v does not survive its own word %q", got, got.String())
		}
	}
	if p, ok := ParsePriority("urgent"); ok || p != PriorityNone {
		t.Errorf("urgent is taken for %v", p)
	}
}

func TestHighOutranksMediumOutranksLowOutranksNone(t *testing.T) {
	if PriorityHigh <= PriorityMedium || PriorityMedium <= PriorityLow || PriorityLow <= PriorityNone {
		t.Error("priorities do not compare")
	}
}

func TestAnEntryMatchesThroughItsWeedDateAndNoLonger(t *testing.T) {
	e := Entry{Weed: time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC)}
	for _, c := range []struct {
		now     time.Time
		expired bool
	}{
		{time.Date(2026, time.November, 22, 23, 59, 59, 0, time.UTC), false},
		{time.Date(2026, time.November, 23, 0, 0, 0, 0, time.UTC), false},
		{time.Date(2026, time.November, 23, 23, 59, 59, 999999999, time.UTC), false},
		{time.Date(2026, time.November, 24, 0, 0, 0, 0, time.UTC), true},
		{time.Date(2036, time.November, 24, 0, 0, 0, 0, time.UTC), true},
	} {
		if got := e.Expired(c.now); got != c.expired {
			t.Errorf("at %s: expired %v, want %v", c.now, got, c.expired)
		}
	}
	if (&Entry{}).Expired(november2026) {
		t.Error("an entry without a weed date expired")
	}
}

func TestTheAgeOfAListCountsFromItsIssue(t *testing.T) {
	v := ListVersion{Issued: november2026.Add(-9 * time.Hour), Loaded: november2026}
	if got := v.Age(november2026); got != 9*time.Hour {
		t.Errorf("the list is %v old, want 9 h", got)
	}
}
