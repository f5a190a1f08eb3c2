package incab

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"nrd"
)

func (c *cab) breaks(err error) { c.mu.Lock(); defer c.mu.Unlock(); c.broken = err }

func (c *cab) keeps() string { c.mu.Lock(); defer c.mu.Unlock(); return string(c.kept) }

var errDisk = errors.New("the disk is gone")

func TestWhatCouldNotBeKeptMayBeSentAgain(t *testing.T) {
	c := newCab(t)
	b := c.tabletOf("observer")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	for _, action := range [][]string{
		{"/sign-on", "collar", "1234", "authoriser", "Insp Grey", "reference", "2026/11/23-0417"},
		{"/acknowledge", "number", "1"},
		{"/disposition", "number", "1", "disposition", "stopped"},
	} {
		c.breaks(errDisk)
		if status, text := c.post(b, action[0], action[1:]...); status != http.StatusServiceUnavailable || !strings.Contains(text, "try again") {
			t.Errorf("%s on a broken disk: %d %s", action[0], status, text)
		}
		c.breaks(nil)
		for range 2 {
			if status, text := c.post(b, action[0], action[1:]...); status != http.StatusOK {
				t.Errorf("%s again: %d %s", action[0], status, text)
			}
		}
	}
	if e := c.events(); len(e) != 3 {
		t.Errorf("told %+v", e)
	}
	if status, _ := c.post(b, "/sign-on", "collar", "5678", "authoriser", "Insp Grey", "reference", "r"); status != http.StatusConflict {
		t.Errorf("somebody else signs on: %d", status)
	}
	c.stop()
	c.start()
	if a := c.alerts(); len(a) != 1 || a[0].Outcome != "stopped" {
		t.Errorf("after a restart: %+v", a)
	}
}

func TestAPairingThatCouldNotBeKeptUsesNoCodeUp(t *testing.T) {
	c := newCab(t)
	i, err := c.Pair("observer")
	must(t, err)
	b := c.browser()
	c.breaks(errDisk)
	if status, text := c.post(b, "/pair", "code", i.Code); status != http.StatusServiceUnavailable || !strings.Contains(text, "Its disk needs attention") {
		t.Errorf("on a broken disk: %d %s", status, text)
	}
	if status, _ := c.get(b, "/events"); status != http.StatusForbidden {
		t.Errorf("it is let in: %d", status)
	}
	c.breaks(nil)
	if status, text := c.post(b, "/pair", "code", i.Code); status != http.StatusOK || !strings.Contains(text, "data-role") {
		t.Errorf("again: %d %s", status, text)
	}
	if n, err := c.Forget(); n != 1 || err != nil {
		t.Errorf("%d are paired, %v", n, err)
	}
}

func TestWhatCouldNotBeKeptIsKeptWhenTheDiskIsWell(t *testing.T) {
	c := newCab(t)
	c.breaks(errDisk)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.breaks(nil)
	c.hand.Advance(2 * time.Second)
	for late := time.Now().Add(5 * time.Second); !strings.Contains(c.keeps(), "AB12CDE"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it is not kept")
		}
	}
}

func TestABufferThatTakesNothingIsAskedLessAndLessOften(t *testing.T) {
	c := newCab(t)
	c.onDutyAt("observer", "1234")
	c.setFull(errDisk)
	c.stop() // pulses come by hand
	c.Screen.mu.Lock()
	for n := range mostUnsent + 10 {
		c.later(&tablet{Role: observer}, nrd.OfficerEvent{Action: nrd.OfficerChecked, Reason: fmt.Sprint(n)}, nil)
	}
	c.Screen.mu.Unlock()
	before := c.asked
	for range 600 {
		c.pulse()
		c.hand.Advance(time.Second)
	}
	if n := c.asked - before; n < 10 || n > 20 {
		t.Errorf("in ten minutes it was asked %d times", n)
	}
	c.setFull(nil)
	for range 61 {
		c.pulse()
		c.hand.Advance(time.Second)
	}
	if e := c.events(); len(e) != 1+mostUnsent || e[1].Reason != "10" {
		t.Errorf("%d were told", len(e))
	}
}

func TestTheNextShiftDoesNotSeeWhatTheLastOneDealtWith(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.Recorded(c.record("XY34ZZZ", hit("XY34ZZZ", nrd.PriorityLow)))
	c.Recorded(c.record("ZZ99AAA", hit("ZZ99AAA", nrd.PriorityLow)))
	c.post(b, "/disposition", "number", "1", "disposition", "stopped")
	c.post(b, "/acknowledge", "number", "2")
	if len(c.alerts()) != 3 {
		t.Fatal("who is on duty does not see what was done")
	}
	c.post(b, "/sign-off")
	for late := time.Now().Add(5 * time.Second); len(c.alerts()) > 2; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the queue is %+v", c.alerts())
		}
	}
	if a := c.alerts(); len(a) != 2 || a[0].VRM == "AB12 CDE" || a[1].VRM == "AB12 CDE" {
		t.Errorf("the queue is %+v", a)
	}
}

func TestWhatWasDealtWithGoesAfterAShiftsTime(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	c.post(b, "/disposition", "number", "1", "disposition", "stopped")
	c.hand.Advance(longestShift)
	c.beatOnce(Status{})
	if len(c.alerts()) != 1 {
		t.Fatal("it is gone within the shift")
	}
	c.hand.Advance(time.Second)
	c.beatOnce(Status{})
	if a := c.alerts(); len(a) != 0 {
		t.Errorf("the queue is %+v", a)
	}
}
