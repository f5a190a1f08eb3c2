package live

import (
	"sync"
	"time"

	"nrd"
)

// breaker leaves a gateway alone that has not answered several times in a row:
// whoever asks gets ErrOpen at once. After a rest one question tries it again, and
// the rest doubles while that fails.
type breaker struct {
	clock nrd.Clock

	mu       sync.Mutex
	failures int
	until    time.Duration // by the monotonic clock
	rest     time.Duration
	trying   bool
}

const (
	mostFailures = 3
	firstRest    = 2 * time.Second
	longestRest  = time.Minute
)

// begin says whether the gateway may be asked now. Who may, calls end.
func (b *breaker) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < mostFailures {
		return true
	}
	if b.trying || b.clock.Stamp().Monotonic < b.until {
		return false
	}
	b.trying = true
	return true
}

// end notes how it went.
func (b *breaker) end(ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	if ok {
		b.failures, b.rest = 0, 0
		return
	}
	if b.failures++; b.failures < mostFailures {
		return
	}
	b.rest = min(max(2*b.rest, firstRest), longestRest)
	b.until = b.clock.Stamp().Monotonic + b.rest
}

// open reports whether the gateway is left alone.
func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= mostFailures
}
