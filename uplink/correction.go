package uplink

import (
	"fmt"

	"nrd"
	"nrd/uplink/wire"
)

// Correct keeps what was learnt of the unit's clock, as an event for central. It
// is on stable storage when Correct returns without error.
func (b *Buffer) Correct(c nrd.Correction) error {
	event := &wire.Event{AtNs: b.clock.Now().UnixNano(), What: wire.FromCorrection(c)}
	if err := b.ask(&request{event: event}); err != nil {
		return fmt.Errorf("correct: %w", err)
	}
	return nil
}
