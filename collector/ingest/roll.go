package ingest

import (
	"context"
	"errors"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// seenEvery is how often the store is told which devices were heard.
const seenEvery = 2 * time.Second

var errRevoked = errors.New("the device has been revoked")

// standing is whether a device may send: reason says why not.
type standing struct {
	reason  string
	revoked bool
}

func (s standing) approved() bool { return s.reason == "" }

// standingOf judges a device by what the store holds of it.
func standingOf(d store.Device, err error) standing {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return standing{reason: "central has not approved this device"}
	case err != nil:
		return standing{reason: "central cannot look up whether this device is approved"}
	case !d.Revoked.IsZero():
		return standing{reason: "central has revoked this device", revoked: true}
	case d.Approved.IsZero():
		return standing{reason: "central has not approved this device"}
	default:
		return standing{}
	}
}

// roll is what the committer knows of devices between two looks at the store.
type roll struct {
	in      *Ingest
	current map[string]standing     // looked up in this turn
	due     map[string][][]byte     // orders of those that were looked up
	ordered map[string]time.Time    // when a device was sent its orders last
	told    map[string]standing     // what a connected device was told last
	heardOf map[string]*store.Heard // not told to the store yet
	written time.Time
}

func newRoll(in *Ingest) *roll {
	return &roll{in: in, current: map[string]standing{}, due: map[string][][]byte{}, ordered: map[string]time.Time{}, told: map[string]standing{}, heardOf: map[string]*store.Heard{}}
}

// turn begins a batch: every standing is looked up anew, so that an approval or
// a revocation holds from the next commit on.
func (r *roll) turn() {
	clear(r.current)
	clear(r.due)
}

func (r *roll) heard(device string, at time.Time) {
	if r.heardOf[device] == nil {
		r.heardOf[device] = &store.Heard{Device: device}
	}
	r.heardOf[device].At = at
}

func (r *roll) status(device string, s *nrd.Status) { r.heardOf[device].Status = s }

// flush tells the store who was heard, all in one commit, when it is time or
// when there is no later time.
func (r *roll) flush(ctx context.Context, last bool) {
	now := r.in.Clock.Now()
	since := now.Sub(r.written)
	if len(r.heardOf) == 0 || !last && since >= 0 && since < seenEvery {
		return
	}
	r.written = now // also on an error: it is tried again, but not at once
	heard := make([]store.Heard, 0, len(r.heardOf))
	for _, h := range r.heardOf {
		heard = append(heard, *h)
	}
	if err := r.in.Store.Seen(ctx, heard...); err != nil {
		r.in.Log.Error("which devices were heard could not be stored", "devices", len(heard), "error", err)
		return
	}
	clear(r.heardOf)
}

// standing looks a device up, once for each batch.
func (c *committer) standing(ctx context.Context, device string) standing {
	s, ok := c.roll.current[device]
	if !ok {
		d, err := c.in.Store.Device(ctx, device)
		s = standingOf(d, err)
		c.roll.current[device] = s
		if err == nil {
			c.roll.due[device] = d.Due()
		}
	}
	return s
}

// standings tells connected devices what has changed for them. A device that
// was revoked is cut off; when it comes again it is told why.
func (c *committer) standings(ctx context.Context, devices []string) {
	c.roll.turn()
	before := c.roll.told
	c.roll.told = map[string]standing{}
	for _, device := range c.way.rivals() {
		c.rival(device)
	}
	for _, device := range devices {
		now := c.standing(ctx, device)
		if now.revoked && !before[device].revoked {
			c.in.Log.Warn("a revoked device is cut off", "device", device)
			c.way.cut(device, errRevoked)
			continue
		}
		if was, ok := before[device]; ok {
			c.roll.told[device] = was
			c.tell(device, now, false)
			c.order(device, false)
		}
	}
}

// rival notes that a device's identity is used by two units.
func (c *committer) rival(device string) {
	c.in.Log.Warn("two units use one certificate", "device", device)
	c.roll.heard(device, c.in.Clock.Now())
	c.roll.heardOf[device].Rival = true
}

// orderEvery is how often a connected device is told again what it has not done.
const orderEvery = 30 * time.Second

// order sends a device the orders that it has not obeyed.
func (c *committer) order(device string, came bool) {
	now := c.in.Clock.Now()
	due := c.roll.due[device]
	if len(due) == 0 || !came && now.Sub(c.roll.ordered[device]).Abs() < orderEvery {
		return
	}
	c.roll.ordered[device] = now
	for _, order := range due {
		var signed wire.Signed
		if err := wire.Unmarshal(order, &signed); err != nil {
			c.in.Log.Error("an order cannot be sent", "device", device, "error", err)
			continue
		}
		c.publish(wire.TopicCommand(device), &wire.Command{AtNs: now.UnixNano(), What: &wire.Command_Signed{Signed: &signed}})
	}
}

// tell sends Paused or Resumed where the device's standing changed. A device
// that has just come knows nothing, and is told only what stops it.
func (c *committer) tell(device string, now standing, came bool) {
	before := c.roll.told[device]
	c.roll.told[device] = now
	if now == before && (now.approved() || !came) {
		return
	}
	command := &wire.Command{AtNs: c.in.Clock.Now().UnixNano(), What: &wire.Command_Resumed{Resumed: &wire.Resumed{}}}
	if !now.approved() {
		if now != before {
			c.in.Log.Warn("a device is paused", "device", device, "reason", now.reason)
		}
		command.What = &wire.Command_Paused{Paused: &wire.Paused{Reason: now.reason}}
	}
	c.publish(wire.TopicCommand(device), command)
}
