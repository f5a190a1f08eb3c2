package agent

import (
	"math"
	"sync"
	"time"

	"nrd"
	"nrd/incab"
)

// alerts tell a hit once for a vehicle that stays: parked beside a road, or driving
// in front of a patrol car. It is told again when it was told long ago or far away,
// and at once where another entry comes to match.
type alerts struct {
	// after and metres are those of MatchConfig.
	after  time.Duration
	metres float64

	mu   sync.Mutex
	open map[sighted]*alert
}

// sighted is what an alert is about: a vehicle, and why it is of interest. The entry's
// mark is another than the vehicle's where they match nearly.
type sighted struct {
	vrm, entry      nrd.VRM
	list, reference string
}

// alert is one vehicle that stays. Times are by the monotonic clock, which no
// wrong time moves.
type alert struct {
	times      int
	seen, told time.Duration
	where      nrd.Fix
	// passage is the last that was counted, so that a provisional hit and the
	// final one are one.
	camera  string
	passage uint64
	loud    bool
}

// maxAlerts bounds what is remembered; the oldest go first.
const maxAlerts = 10_000

// note takes a record with hits and says how it is to be told.
func (a *alerts) note(rec *nrd.Record, now time.Duration) incab.Telling {
	a.mu.Lock()
	defer a.mu.Unlock()
	var as incab.Telling
	for _, h := range rec.Hits {
		n, loud := a.noteOne(sighted{rec.Read.VRM, h.Entry.VRM, h.List.List, h.Entry.Reference}, rec, now)
		as.Times, as.Now = max(as.Times, n), as.Now || loud
	}
	return as
}

func (a *alerts) noteOne(what sighted, rec *nrd.Record, now time.Duration) (times int, tell bool) {
	known := a.open[what]
	if known == nil || now-known.seen > a.after {
		a.makeRoom(now)
		known = &alert{}
		a.open[what] = known
	} else if n := rec.Passage.Number; n != 0 && n == known.passage && rec.Camera.Name == known.camera {
		known.seen = now
		return known.times, known.loud
	}
	known.loud = known.times == 0 || now-known.told > a.after || known.where.Metres(rec.Fix) > a.metres
	known.times++
	known.seen, known.camera, known.passage = now, rec.Camera.Name, rec.Passage.Number
	if known.loud {
		known.told, known.where = now, rec.Fix
	}
	return known.times, known.loud
}

// makeRoom forgets alerts that are over, and where there are still too many the
// one that was not seen for longest.
func (a *alerts) makeRoom(now time.Duration) {
	if len(a.open) < maxAlerts {
		return
	}
	var oldest sighted
	least := time.Duration(math.MaxInt64)
	for what, known := range a.open {
		if now-known.seen > a.after {
			delete(a.open, what)
		} else if known.seen < least {
			oldest, least = what, known.seen
		}
	}
	if len(a.open) >= maxAlerts {
		delete(a.open, oldest)
	}
}
