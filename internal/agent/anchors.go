package agent

import (
	"context"
	"log/slog"
	"time"

	"nrd"
)

const (
	// anchorLook is how often the clock is looked at, anchorEvery how old the
	// last anchor of a proved clock may get: a crystal is off by some seconds a
	// day.
	anchorLook  = 10 * time.Second
	anchorEvery = 24 * time.Hour
)

// anchors tells central what time it really was at a moment of this start of the
// unit: when the clock is proved, when it is proved again after it was not, and
// once a day. So central can give its time to what was stamped while nobody
// vouched for the clock, whether before or after.
type anchors struct {
	clock nrd.Clock
	keep  func(nrd.Correction) error
	log   *slog.Logger

	proved bool
	last   time.Duration // of the last anchor, by monotonic time
}

// run looks until ctx ends.
func (a *anchors) run(ctx context.Context) error {
	ticker := time.NewTicker(anchorLook)
	defer ticker.Stop()
	for {
		a.look()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (a *anchors) look() {
	c, proved := a.clock.Stamp().Correction()
	due := proved && (!a.proved || c.Monotonic-a.last >= anchorEvery)
	a.proved = proved
	if !due {
		return
	}
	if err := a.keep(c); err != nil {
		a.log.Error("what is known of the clock could not be kept; it is tried again", "error", err)
		a.proved = false
		return
	}
	a.last = c.Monotonic
	a.log.Info("the clock is proved", "source", string(c.Source), "ahead", c.ClockError)
}
