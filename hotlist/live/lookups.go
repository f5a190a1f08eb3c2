package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"nrd"
)

// Lookups ask a gateway about records, a bounded number at a time. Fill in the
// fields, then Run it once.
type Lookups struct {
	Client *Client
	// Answered is told what the gateway says of a record. It is called from several
	// goroutines.
	Answered func(*nrd.Record, Answer)
	Log      *slog.Logger

	once        sync.Once
	hits, reads chan *nrd.Record

	mu    sync.Mutex
	known map[nrd.VRM]known

	answered, failed, skipped, dropped atomic.Uint64
}

// known is an answer of a short while ago, by the monotonic clock.
type known struct {
	answer Answer
	at     time.Duration
}

const (
	workers = 2
	// Records that wait; what does not fit is not asked about. Hits do not wait
	// behind other reads.
	hitsWaiting, readsWaiting = 32, 128
	// remember is how long an answer holds: a vehicle that stays is not asked about
	// with each read.
	remember  = time.Minute
	mostKnown = 1000
)

// Counts is what became of questions since the start: Answered; Failed, without a
// valid answer in time; Skipped while the gateway was left alone; Dropped because
// too many waited. Open says that it is left alone now.
type Counts struct {
	Answered, Failed, Skipped, Dropped uint64
	Open                               bool
}

// Counts may be called at any time.
func (l *Lookups) Counts() Counts {
	return Counts{Answered: l.answered.Load(), Failed: l.failed.Load(), Skipped: l.skipped.Load(), Dropped: l.dropped.Load(), Open: l.Client.breaker.open()}
}

func (l *Lookups) initialize() {
	l.once.Do(func() {
		l.hits, l.reads, l.known = make(chan *nrd.Record, hitsWaiting), make(chan *nrd.Record, readsWaiting), map[nrd.VRM]known{}
	})
}

// Run asks until ctx ends. What waits then is not asked about any more.
func (l *Lookups) Run(ctx context.Context) error {
	l.initialize()
	var working sync.WaitGroup
	for range workers {
		working.Go(func() { l.work(ctx) })
	}
	working.Wait()
	return ctx.Err()
}

func (l *Lookups) work(ctx context.Context) {
	for ctx.Err() == nil {
		select { // hits first
		case rec := <-l.hits:
			l.look(ctx, rec)
			continue
		default:
		}
		select {
		case rec := <-l.hits:
			l.look(ctx, rec)
		case rec := <-l.reads:
			l.look(ctx, rec)
		case <-ctx.Done():
		}
	}
}

// Ask has the gateway asked about a record whose mark was read. It does not wait for
// that; an answer of a short while ago is told before it returns. Nobody may change the
// record from now on.
func (l *Lookups) Ask(rec *nrd.Record) {
	l.initialize()
	if a, ok := l.answer(rec.Read.VRM); ok {
		l.Answered(rec, a)
		return
	}
	queue := l.reads
	if rec.IsHit() {
		queue = l.hits
	}
	select {
	case queue <- rec:
	default:
		l.dropped.Add(1)
	}
}

func (l *Lookups) look(ctx context.Context, rec *nrd.Record) {
	a, ok := l.answer(rec.Read.VRM)
	if !ok {
		var err error
		if a, err = l.query(ctx, Query{VRM: rec.Read.VRM, Purpose: PurposeRead, Record: rec.Key.String()}); err != nil {
			return
		}
	}
	l.Answered(rec, a)
}

// query asks, counts and remembers.
func (l *Lookups) query(ctx context.Context, q Query) (Answer, error) {
	a, err := l.Client.Ask(ctx, q)
	switch {
	case errors.Is(err, ErrOpen):
		l.skipped.Add(1)
	case err != nil && ctx.Err() == nil:
		l.failed.Add(1)
		l.Log.Warn("a live lookup failed; the lists on the unit hold", "error", err)
	case err == nil:
		l.answered.Add(1)
		l.remember(q.VRM, a)
	}
	return a, err
}

func (l *Lookups) remember(vrm nrd.VRM, a Answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if len(l.known) >= mostKnown {
		for v, k := range l.known {
			if now-k.at > remember {
				delete(l.known, v)
			}
		}
		if len(l.known) >= mostKnown {
			clear(l.known)
		}
	}
	l.known[vrm] = known{a, now}
}

func (l *Lookups) answer(vrm nrd.VRM) (Answer, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.known[vrm]
	return k.answer, ok && l.now()-k.at <= remember
}

func (l *Lookups) now() time.Duration { return l.Client.Clock.Stamp().Monotonic }

// With gives the hits of a mark with those that the gateway gave lately, in the place
// of the cache's of the same entries. It takes nothing away: that is for who is told of
// the answer.
func (l *Lookups) With(vrm nrd.VRM, hits []nrd.Hit) []nrd.Hit {
	l.initialize()
	if a, ok := l.answer(vrm); ok {
		return a.With(hits)
	}
	return hits
}

// Check asks about a mark that an officer checks, for a reason, and waits for it.
// asked says that the gateway has answered; else the hits are as they came.
func (l *Lookups) Check(ctx context.Context, vrm nrd.VRM, officer, reason string, hits []nrd.Hit) (over []nrd.Hit, asked bool) {
	l.initialize()
	a, err := l.query(ctx, Query{VRM: vrm, Purpose: PurposeCheck, Officer: officer, Reason: reason})
	if err != nil {
		return hits, false
	}
	return a.Over(hits), true
}
