package alarm

import (
	"fmt"
	"math"
	"time"

	"nrd"
	"nrd/collector/store"
)

// How a device is judged to be blind, as docs/alarms.md explains.
const (
	// historyWeeks are remembered, and at least leastWeeks are needed.
	historyWeeks = 8
	leastWeeks   = 3
	// blindShare is the share of the usual reads under which a device may be
	// blind, and chance how unlikely its few reads must be.
	blindShare = 0.1
	chance     = 1e-5
	// longest is how many hours back are looked at together, where one alone
	// usually brings too little to judge by.
	longest = 24
	// leastCovered is how much of an hour must be known to be a measure.
	leastCovered = 45 * time.Minute
	// longestGap between two statuses is still taken as one stretch.
	longestGap = 5 * time.Minute
)

// hourOf counts hours from 1970.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

// traffic is what a device saw, by the hour.
type traffic struct {
	hours map[int64]store.Traffic
	last  *nrd.Status
	at    time.Time // when central heard last
}

func newTraffic() traffic { return traffic{hours: map[int64]store.Traffic{}} }

// add takes the status of a device that was heard at a time of central's, and
// gives that hour as it stands then; ok is false where nothing is learnt. A
// unit's own clock may jump, so it is not asked.
func (t *traffic) add(s *nrd.Status, heard time.Time) (h store.Traffic, ok bool) {
	if t.last != nil && t.last.At.Equal(s.At) && t.last.Frames == s.Frames {
		return h, false
	}
	before, since := t.last, heard.Sub(t.at)
	t.last, t.at = s, heard
	if before == nil || since <= 0 || since > longestGap {
		return h, false
	}
	frames, reads := s.Frames-before.Frames, s.Reads-before.Reads
	if s.Frames < before.Frames || s.Reads < before.Reads { // it has started anew
		frames, reads = s.Frames, s.Reads
	}
	h = t.hours[hourOf(heard)]
	h.Hour = time.Unix(hourOf(heard)*3600, 0).UTC()
	h.Frames += frames
	h.Reads += reads
	h.Covered = min(h.Covered+since, time.Hour)
	return h, true
}

func (t *traffic) forget(before time.Time) {
	for hour := range t.hours {
		if hour < hourOf(before) {
			delete(t.hours, hour)
		}
	}
}

// blind judges the hours up to now: the present one alone, then together with
// the one before, and so on, until they say something.
func (w *Watch) blind(known *watched, now time.Time) finding {
	t := &known.traffic
	present := t.hours[hourOf(now)]
	before := t.hours[hourOf(now)-1]
	if present.Covered >= 10*time.Minute && present.Frames == 0 && before.Frames == 0 {
		return finding{text: "its cameras give no frames"}
	}
	var reads, frames uint64
	var samples []float64
	for back := range int64(longest) {
		h, ok := t.hours[hourOf(now)-back]
		if !ok && back > 0 {
			break
		}
		reads, frames = reads+h.Reads, frames+h.Frames
		samples = t.sameHours(samples, h, w.Zone)
		usual, n := mean(samples)
		switch {
		case n < leastWeeks:
			return finding{unknown: back > 0 || frames == 0}
		case reads > 0 && float64(reads) > blindShare*usual:
			return finding{}
		case frames > 0 && unlikely(reads, samples) < chance:
			return finding{text: fmt.Sprintf("it has frames, but %d reads where the last %d weeks had about %.0f in these hours", reads, n, usual)}
		}
	}
	return finding{unknown: true}
}

// sameHours adds the reads of the same hour in each week before to the sums, one
// for each week; a week that is not known, or in which the device was blind, is
// not a number from then on.
func (t *traffic) sameHours(sums []float64, h store.Traffic, zone *time.Location) []float64 {
	if sums == nil {
		sums = make([]float64, historyWeeks)
	}
	if h.Covered == 0 {
		return sums
	}
	for week := range sums {
		past := t.hours[hourOf(h.Hour.In(zone).AddDate(0, 0, -7*(week+1)))]
		if past.Covered < leastCovered || past.Blind {
			sums[week] = math.NaN()
		} else {
			sums[week] += float64(past.Reads) * h.Covered.Hours() / past.Covered.Hours()
		}
	}
	return sums
}

// mean leaves out what is not a number, and says how many are left.
func mean(samples []float64) (m float64, n int) {
	for _, x := range samples {
		if !math.IsNaN(x) {
			m += x
			n++
		}
	}
	return m / float64(max(n, 1)), n
}

// unlikely is the chance of so few reads or fewer in hours that brought these
// numbers in other weeks: a Poisson count whose rate is known from them only, so
// that few weeks prove little, and widened as far as the weeks differ by more
// than chance.
func unlikely(reads uint64, samples []float64) float64 {
	usual, n := mean(samples)
	var spread float64
	for _, x := range samples {
		if !math.IsNaN(x) {
			spread += (x - usual) * (x - usual) / float64(n-1)
		}
	}
	wider := math.Max(1, spread/math.Max(usual, 1e-9))
	// With a gamma prior of shape 1/2 the next count is negative binomial.
	shape := usual*float64(n)/wider + 0.5
	known := math.Log(float64(n) / float64(n+1))
	other := math.Log(1 / float64(n+1))
	var sum float64
	for k := range int(float64(reads)/wider) + 1 {
		k := float64(k)
		a, _ := math.Lgamma(shape + k)
		b, _ := math.Lgamma(shape)
		c, _ := math.Lgamma(k + 1)
		sum += math.Exp(a - b - c + shape*known + k*other)
	}
	return sum
}
