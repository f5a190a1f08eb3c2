package collector

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// Quarantined is what was set aside, as the command line shows it: without the
// mark, which nobody needs to judge a time.
type Quarantined struct {
	Key      string    `json:"key"`
	Kind     string    `json:"kind"`
	Received time.Time `json:"received"`
	Why      string    `json:"why"`
	Camera   string    `json:"camera,omitempty"`
	// UnitTime is what the unit's clock showed.
	UnitTime *time.Time `json:"unit_time,omitempty"`
	// Boot and AfterBoot say when, by a clock that never jumps.
	Boot      string `json:"boot,omitempty"`
	AfterBoot int64  `json:"after_boot_ms,omitempty"`
	Proved    bool   `json:"proved"`
	// Hit is the highest priority of a record that matched a list.
	Hit string `json:"hit,omitempty"`
}

// Freeing releases a quarantined record, see access.Freed.
type Freeing struct {
	Key    string    `json:"key"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Whole  bool      `json:"whole"`
}

// maxQuarantined is how many items are listed.
const maxQuarantined = 1000

func (d *deskServer) listQuarantine(ctx context.Context, by access.By, _ nothing) ([]Quarantined, error) {
	items, err := d.access.Quarantine(ctx, by, maxQuarantined)
	list := make([]Quarantined, len(items))
	for i := range items {
		list[i] = quarantinedOf(&items[i])
	}
	return list, err
}

func quarantinedOf(item *store.Item) Quarantined {
	q := Quarantined{Key: item.Key.String(), Kind: string(item.Kind), Received: item.Received, Why: item.Quarantine}
	if r := item.Record; r != nil {
		q.Camera, q.UnitTime, q.Boot, q.AfterBoot, q.Proved = r.Camera.Name, &r.Captured.UTC, r.Captured.BootID, r.Captured.Monotonic.Milliseconds(), r.Captured.Proved
		if r.IsHit() {
			q.Hit = r.Hits[0].Entry.Priority.String()
		}
	}
	return q
}

// counted is how many were dealt with.
type counted struct {
	Count int `json:"count"`
}

func (d *deskServer) release(ctx context.Context, by access.By, f Freeing) (counted, error) {
	key, err := parseKey(f.Key)
	if err != nil {
		return counted{}, err
	}
	n, err := d.access.Release(ctx, by, access.Freed{Key: key, At: f.At, Reason: f.Reason, Whole: f.Whole})
	return counted{n}, err
}

// parseKey reads a key as nrd.Key.String writes it. The error is store.ErrQuery.
func parseKey(text string) (nrd.Key, error) {
	parts := strings.Split(text, "/")
	if len(parts) == 3 {
		epoch, epochErr := strconv.ParseUint(parts[1], 16, 64)
		sequence, sequenceErr := strconv.ParseUint(parts[2], 10, 64)
		if epochErr == nil && sequenceErr == nil {
			return nrd.Key{Device: parts[0], Epoch: epoch, Sequence: sequence}, nil
		}
	}
	return nrd.Key{}, fmt.Errorf("%w: %q is no key such as car-7/6a09e667f3bcc908/12", store.ErrQuery, text)
}

// Quarantine lists what was set aside, newest first.
func (d *Desk) Quarantine(ctx context.Context) (items []Quarantined, err error) {
	return items, d.ask(ctx, "/quarantine/list", nothing{}, &items)
}

// Release takes a record out of quarantine, and with Whole all of the same start
// of its unit. It says how many.
func (d *Desk) Release(ctx context.Context, f Freeing) (int, error) {
	var n counted
	err := d.ask(ctx, "/quarantine/release", f, &n)
	return n.Count, err
}
