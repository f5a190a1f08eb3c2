package agent

import "time"

// lastMinute counts what came in the last sixty seconds of monotonic time.
type lastMinute struct {
	seconds [60]struct {
		second int64
		n      uint64
	}
}

func (m *lastMinute) add(at time.Duration) {
	second := int64(at / time.Second)
	s := &m.seconds[second%60]
	if s.second != second {
		s.second, s.n = second, 0
	}
	s.n++
}

// count is how many came in the minute before now.
func (m *lastMinute) count(now time.Duration) float64 {
	second := int64(now / time.Second)
	var sum uint64
	for _, s := range m.seconds {
		if s.second > second-60 && s.second <= second {
			sum += s.n
		}
	}
	return float64(sum)
}
