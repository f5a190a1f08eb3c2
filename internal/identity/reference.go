package identity

import "time"

// Reference is the time by which signed metadata is judged. Unlike [Credential.Now]
// a clock that nothing proves counts for nothing in it: it is GPS's or NTP's time
// or, without them, the last that was known to be right, and never before this
// program was built and the certificates were issued. So neither a clock in 1970
// nor one in 2099 makes old metadata good or new metadata old.
func (c *Credential) Reference() time.Time {
	stamp := c.clock.Stamp()
	c.mu.Lock()
	defer c.mu.Unlock()
	least := later(built(), later(c.pair.Leaf.NotBefore, c.ca.NotBefore))
	if stamp.Proved {
		return later(stamp.True(), least)
	}
	return later(c.good, least)
}
