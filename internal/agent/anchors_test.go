package agent

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"nrd"
	"nrd/internal/clock"
)

func TestTheFirstProofOfTheClockAndEachNewOneIsAnAnchor(t *testing.T) {
	c := clock.NewManual(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC))
	var kept []nrd.Correction
	a := &anchors{clock: c, log: slog.New(slog.DiscardHandler), keep: func(c nrd.Correction) error {
		kept = append(kept, c)
		return nil
	}}
	wants := func(when string, n int) {
		t.Helper()
		for range 3 {
			a.look()
		}
		if len(kept) != n {
			t.Fatalf("%s: %d anchors, want %d", when, len(kept), n)
		}
	}
	c.Reboot() // without a battery: 1970
	c.Advance(time.Minute)
	unproved := c.Stamp()
	wants("unproved", 0)
	c.Advance(time.Hour)
	now := time.Date(2026, 11, 23, 9, 1, 0, 0, time.UTC)
	c.Set(now.Add(2 * time.Second))
	c.Prove(nrd.ClockGPS, 2*time.Second)
	wants("proved", 1)
	if got := kept[0].Time(unproved); !got.Equal(now.Add(-time.Hour)) || kept[0].Source != nrd.ClockGPS || kept[0].ClockError != 2*time.Second {
		t.Errorf("by %+v the stamp of before is %s, want %s", kept[0], got, now.Add(-time.Hour))
	}
	c.Advance(23 * time.Hour)
	wants("the same day", 1)
	c.Advance(time.Hour)
	wants("a day later", 2)

	// Nobody vouches for a clock that a hand has set.
	c.Doubt()
	c.Set(now.AddDate(10, 0, 0))
	wants("ten years on", 2)
	c.Set(now.Add(25 * time.Hour))
	c.Prove(nrd.ClockNTP, 0)
	wants("proved again", 3)
}

func TestAnAnchorThatCouldNotBeKeptIsTriedAgain(t *testing.T) {
	tries := 0
	a := &anchors{clock: clock.NewManual(time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)), log: slog.New(slog.DiscardHandler), keep: func(nrd.Correction) error {
		tries++
		if tries < 3 {
			return errors.New("the disk is full")
		}
		return nil
	}}
	for range 5 {
		a.look()
	}
	if tries != 3 {
		t.Errorf("%d tries", tries)
	}
}
