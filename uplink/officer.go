package uplink

import (
	"fmt"

	"nrd"
	"nrd/uplink/wire"
)

// Tell keeps what an officer did at the unit's screen, as an event for central. It
// is on stable storage when Tell returns without error.
func (b *Buffer) Tell(e nrd.OfficerEvent) error {
	if err := b.ask(&request{event: wire.FromOfficerEvent(e)}); err != nil {
		return fmt.Errorf("officer: %w", err)
	}
	return nil
}
