package incab

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"nrd"
)

func TestAfterTheLongestShiftASignOnIsConfirmedOrEnds(t *testing.T) {
	c := newCab(t)
	stays, goes := c.onDutyAt("observer", "1234"), c.onDutyAt("driver", "5678")
	lines := c.stream(stays)
	sees(t, lines, "no question yet", has(`"confirm":false`))
	c.hand.Advance(longestShift)
	sees(t, lines, "the question", has(`"collar":"1234"`, `"confirm":true`))
	if status, text := c.post(stays, "/still-on"); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	sees(t, lines, "that it is answered", has(`"confirm":false`))
	c.hand.Advance(confirmGrace + time.Second)
	sees(t, c.stream(goes), "the sign-on of who did not answer", has(`"role":"driver"`, `"officer":null`))
	var last nrd.OfficerEvent
	for late := time.Now().Add(5 * time.Second); last.Action != nrd.OfficerSignedOff && time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		events := c.events()
		last = events[len(events)-1]
	}
	if last.Officer.Collar != "5678" || last.Action != nrd.OfficerSignedOff || last.Reason == "" {
		t.Errorf("told %+v", last)
	}
	if !slices.ContainsFunc(c.events(), func(e nrd.OfficerEvent) bool {
		return e.Action == nrd.OfficerConfirmed && e.Officer.Collar == "1234"
	}) {
		t.Errorf("the confirmation was not told: %+v", c.events())
	}
	if status, _ := c.post(goes, "/still-on"); status != http.StatusForbidden {
		t.Errorf("who is signed off confirms: %d", status)
	}
}

func TestAfterANewStartOfTheUnitASignOnIsToBeConfirmed(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	c.stop()
	c.hand.Reboot()
	c.start()
	sees(t, c.stream(b), "the officer, asked", has(`"collar":"1234"`, `"confirm":true`))
}

// TestNoClockThatJumpsEndsAShiftOrHidesAHit is about a unit that believes that it is
// 1970 until it hears GPS, or 2099 because somebody has set it.
func TestNoClockThatJumpsEndsAShiftOrHidesAHit(t *testing.T) {
	for _, year := range []int{1970, 2099} {
		c := newCab(t)
		c.stop()
		c.kept = nil
		c.hand.Set(time.Date(year, 1, 1, 0, 5, 0, 0, time.UTC))
		c.hand.Doubt() // as the unit's clock does when it is set
		c.start()      // with a certificate of that year
		b := c.onDutyAt("observer", "1234")
		lines := c.stream(b)
		c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
		sees(t, lines, "the hit", has("AB12 CDE", `"sound":"high"`))
		c.hand.Set(began)
		c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityHigh)))
		sees(t, lines, "the newer hit in front", has(`"collar":"1234"`, `"confirm":false`, `"alerts":[{"number":2`))
		if status, _ := c.post(b, "/disposition", "number", "1", "disposition", "stopped"); status != http.StatusOK {
			t.Errorf("%d: the disposition: %d", year, status)
		}
	}
}
