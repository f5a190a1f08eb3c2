package incab

import (
	"net/http"
	"testing"
	"time"

	"nrd"
)

// acknowledged is a hit that the officer at a tablet has acknowledged, as number 1.
func (c *cab) acknowledged(b *http.Client, p nrd.Priority) {
	c.t.Helper()
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", p)))
	if status, text := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK {
		c.t.Fatalf("%d %s", status, text)
	}
	if a := c.alerts()[0]; !a.Seen || a.Sound != "" || a.Sounds != 1 {
		c.t.Fatalf("acknowledged: %+v", a)
	}
}

func TestAnAcknowledgedVehicleThatComesBackSounds(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	c.acknowledged(b, nrd.PriorityHigh)
	c.hand.Advance(20 * time.Minute)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)), Telling{Times: 1, Now: true})
	if a := c.alerts(); len(a) != 1 || a[0].Seen || a[0].Sound != "high" || a[0].Sounds != 2 {
		t.Fatalf("back after twenty minutes: %+v", a)
	}
	if status, _ := c.post(b, "/acknowledge", "number", "1"); status != http.StatusOK || c.alerts()[0].Sound != "" {
		t.Errorf("it cannot be acknowledged again: %d, %+v", status, c.alerts())
	}
}

func TestAnAcknowledgedVehicleThatStaysIsSilentForHalfAnHour(t *testing.T) {
	c := newCab(t)
	c.acknowledged(c.onDutyAt("observer", "1234"), nrd.PriorityHigh)
	for _, row := range []struct {
		what   string
		after  time.Duration
		as     Telling
		sounds int
	}{
		{"followed to another place", 10 * time.Minute, Telling{Times: 2, Now: true}, 1},
		{"half an hour, to the second", 20 * time.Minute, Telling{Times: 3, Now: true}, 1},
		{"read again, which is not to be told", time.Minute, Telling{Times: 4}, 1},
		{"told again after more than half an hour", time.Minute, Telling{Times: 5, Now: true}, 2},
	} {
		c.hand.Advance(row.after)
		c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)), row.as)
		if a := c.alerts(); len(a) != 1 || a[0].Sounds != row.sounds || a[0].Seen != (row.sounds == 1) {
			t.Errorf("%s: %+v", row.what, a)
		}
	}
}

func TestAnAcknowledgementEndsWithItsOfficersDuty(t *testing.T) {
	ends := map[string]func(c *cab, b *http.Client){
		"signed off":        func(c *cab, b *http.Client) { c.post(b, "/sign-off") },
		"not confirmed":     func(c *cab, _ *http.Client) { c.hand.Advance(longestShift + confirmGrace + time.Second) },
		"tablets forgotten": func(c *cab, _ *http.Client) { _, err := c.Forget(); must(t, err) },
	}
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			c := newCab(t)
			b := c.onDutyAt("observer", "1234")
			c.acknowledged(b, nrd.PriorityMedium)
			end(c, b)
			c.beatOnce(c.unit)
			if a := c.alerts(); len(a) != 1 || a[0].Seen || a[0].SeenBy != "" || a[0].Sound != "medium" || a[0].Sounds != 2 {
				t.Errorf("the next shift finds %+v", a)
			}
		})
	}
}

func TestWhoStaysOnDutyIsToldWhatWhoLeavesHadAcknowledged(t *testing.T) {
	c := newCab(t)
	stays, goes := c.onDutyAt("observer", "1234"), c.onDutyAt("driver", "5678")
	c.acknowledged(goes, nrd.PriorityMedium)
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityLow)))
	c.post(stays, "/acknowledge", "number", "2")
	c.post(goes, "/sign-off")
	c.beatOnce(c.unit)
	if a := c.alerts(); len(a) != 2 || a[0].Number != 1 || a[0].Sound != "medium" || a[0].Sounds != 2 || !a[1].Seen || a[1].Sounds != 1 {
		t.Errorf("the queue is %+v", a)
	}
}

func TestAnAcknowledgementOutlastsARestartWithinItsOfficersDuty(t *testing.T) {
	c := newCab(t)
	c.hand.Advance(2 * acknowledgedFor) // the machine runs for longer than the agent
	c.acknowledged(c.onDutyAt("observer", "1234"), nrd.PriorityMedium)
	c.stop()
	c.start()
	c.beatOnce(c.unit)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityMedium)), Telling{Times: 2, Now: true})
	if a := c.alerts(); len(a) != 1 || !a[0].Seen || a[0].Sound != "" {
		t.Errorf("after a restart: %+v", a)
	}
}
