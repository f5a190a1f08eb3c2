package agent

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"nrd"
)

// status is what the unit says of itself to central.
func (a *Agent) status() nrd.Status {
	s := a.stats()
	lists, err := a.cache.Lists()
	a.tally.problem("lists", err)
	a.tally.problem("position", a.position.problem())
	stamp := a.Clock.Stamp()
	now := stamp.UTC
	link := a.client.Problems()
	t := a.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	st := nrd.Status{
		Device: a.Config.Device, At: now, Software: a.Software, Started: t.started,
		Frames: t.frames, Passages: t.passages, Reads: t.passages - t.unread, Hits: t.hits,
		Waiting: s.Records, OldestWaiting: s.OldestWaiting, Dropped: s.Dropped, DeadLetters: s.DeadLetters,
		DiskFree: s.DiskFree, BufferBytes: uint64(max(s.Bytes, 0)), Temperature: temperature(thermalZones), Lists: lists, Clock: stamp,
		DroppedFrames: t.dropped, FramesPerMinute: t.framesNow.count(stamp.Monotonic), ReadsPerMinute: t.readsNow.count(stamp.Monotonic),
		Fix: a.position.Fix(stamp), Configuration: a.pushed.status(), Wiped: a.wiped.Load(),
	}
	for _, l := range lists {
		if f := a.Config.profile.ListFreshness(l, stamp); f != nrd.Fresh {
			st.Problems = append(st.Problems, "list "+l.List+" is "+string(f))
		}
	}
	for _, of := range slices.Sorted(maps.Keys(t.problems)) {
		st.Problems = append(st.Problems, t.problems[of])
	}
	st.Problems = append(st.Problems, link...)
	return st
}

// blindAfter is how long no frame may come from any camera before the watchdog
// is left to bite.
const blindAfter = 5 * time.Minute

// healthy is an error when no frame has come for so long that a new start may
// help. The service manager's watchdog then bites.
func (a *Agent) healthy() error {
	if quiet := a.tally.sinceFrame(); quiet > blindAfter {
		return fmt.Errorf("no frame from any camera for %s", quiet.Round(time.Second))
	}
	return nil
}
