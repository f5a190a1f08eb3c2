package agent

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"nrd"
	"nrd/hotlist/fetch"
	"nrd/internal/identity"
	"nrd/internal/sealed"
	"nrd/internal/trust"
)

// PublishedConfig is where central gives lists to the unit.
type PublishedConfig struct {
	// Address is https://host:port; without one the unit has only lists of files.
	Address string `toml:"address"`
}

// pathLists is where the signed repository lies below central's address.
const pathLists = "/1/lists"

func (c PublishedConfig) check(say func(key, format string, args ...any)) {
	if c.Address == "" {
		return
	}
	a, err := url.Parse(c.Address)
	if err != nil || a.Scheme != "https" || a.Host == "" || (a.Path != "" && a.Path != "/") {
		say("lists.address", "%q must be https://host:port", c.Address)
	}
}

// trustDir and floorsFile are what the unit keeps of the signed repository.
func (c *Config) trustDir() string   { return filepath.Join(c.Data, "trust") }
func (c *Config) floorsFile() string { return filepath.Join(c.Data, "trust.floors") }

// The waits between syncs: after central's notice a unit waits a moment, so that
// not all come at once; after a failure it waits longer each time.
const (
	noticeJitter = 3 * time.Second
	retryFirst   = 30 * time.Second
	retryMost    = time.Hour
)

// published keeps the unit's lists at what central has published.
type published struct {
	agent   *Agent
	trust   *trust.Client
	fetcher *fetch.Fetcher
	notices chan int64
	asked   chan struct{}

	mu   sync.Mutex
	last SyncReport
	// expected are the names of the lists that were in force after the last sync that
	// went well, or at the start.
	expected []string
}

// SyncReport is how the unit's lists follow central's.
type SyncReport struct {
	// Configured says that lists come from central; Syncs counts those that
	// ended since the start.
	Configured bool `json:"configured"`
	Running    bool `json:"running"`
	Syncs      int  `json:"syncs"`
	// At is when the last one ended, Number what was published then, Problem why
	// it did not bring all lists to that.
	At      time.Time `json:"at,omitzero"`
	Number  int64     `json:"number,omitempty"`
	Loaded  []string  `json:"loaded,omitempty"`
	Removed []string  `json:"removed,omitempty"`
	Bytes   int64     `json:"bytes"`
	Problem string    `json:"problem,omitempty"`
}

// openPublished opens what is kept of the repository; nil where lists come from
// files only.
func (a *Agent) openPublished(key *sealed.Key) (*published, error) {
	c := a.Config
	if c.Published.Address == "" {
		return nil, nil
	}
	address, err := url.Parse(c.Published.Address)
	if err != nil {
		return nil, err
	}
	client := &trust.Client{
		Address: "https://" + address.Host + pathLists, TLS: a.credential.TLS(), Device: c.Device, Dir: c.trustDir(), Floors: c.floorsFile(), Key: key,
		Reference: a.credential.Reference, Clock: a.Clock, Log: a.Log,
		Anchor: func(root, voucher []byte) error { return identity.VerifyRoot(a.credential.Authority(), root, voucher) },
	}
	if err := client.Initialize(); err != nil {
		return nil, fmt.Errorf("lists from central: %w", err)
	}
	files := map[string]bool{}
	for _, l := range c.Lists {
		files[l.Name] = true
	}
	p := &published{agent: a, trust: client, notices: make(chan int64, 1), asked: make(chan struct{}, 1), last: SyncReport{Configured: true}}
	p.expect()
	p.fetcher = &fetch.Fetcher{Cache: a.cache, Trust: client, Own: func(name string) bool { return files[name] }, Log: a.Log}
	return p, nil
}

// expect notes which lists from central are in force.
func (p *published) expect() {
	names := slices.Sorted(maps.Keys(p.agent.cache.Published()))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = names
}

// lost names the lists that were in force and are not any more.
func (p *published) lost(held []nrd.ListVersion) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return without(slices.Clone(p.expected), held)
}

func (p *published) close() {
	if p != nil {
		p.trust.Close()
	}
}

// noticed takes central's word that something is published. Only the newest
// counts.
func (p *published) noticed(number uint64) {
	for {
		select {
		case p.notices <- int64(min(number, 1<<62)): //nolint:gosec // bounded
			return
		default:
		}
		select {
		case <-p.notices:
		default:
		}
	}
}

// ask begins a sync as soon as none runs, and gives how many will have ended when
// it has.
func (p *published) ask() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.asked <- struct{}{}:
	default:
	}
	if p.last.Running {
		return p.last.Syncs + 2
	}
	return p.last.Syncs + 1
}

func (p *published) report() SyncReport {
	if p == nil {
		return SyncReport{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// run syncs at the start, on central's notice, when it is asked to, and as often
// as the profile says, until ctx ends.
func (p *published) run(ctx context.Context) error {
	failures := 0
	for ctx.Err() == nil {
		if p.sync(ctx) {
			failures = 0
		} else {
			failures++
		}
		p.wait(ctx, p.pause(failures))
	}
	return nil
}

// pause is how long to wait unless something is heard, by chance up to a quarter
// less: so that a force's units do not all come at once.
func (p *published) pause(failures int) time.Duration {
	wait := 24 * time.Hour / time.Duration(max(1, p.agent.Config.profile.ListSyncsPerDay))
	if failures > 0 {
		wait = min(wait, retryMost, retryFirst<<min(failures-1, 8))
	}
	return wait - rand.N(wait/4)
}

func (p *published) wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-p.asked:
			return
		case number := <-p.notices:
			if number > p.report().Number {
				timer.Reset(min(pause, rand.N(noticeJitter)))
			}
		}
	}
}

// sync says whether all went well.
func (p *published) sync(ctx context.Context) bool {
	p.mu.Lock()
	p.last.Running = true
	number := p.last.Number
	p.mu.Unlock()
	r, err := p.fetcher.Sync(ctx)
	if ctx.Err() != nil {
		return true
	}
	err = identity.Explain(err)
	p.agent.tally.problem(centralsLists, err)
	if err != nil {
		p.agent.Log.Error("the lists are not those that central has published", "error", err)
	} else {
		p.agent.tally.problem(damagedCentral, nil)
		p.expect()
	}
	if len(r.Loaded)+len(r.Removed) > 0 {
		select {
		case p.agent.news <- struct{}{}: // central is told what the unit holds now
		default:
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = SyncReport{Configured: true, Syncs: p.last.Syncs + 1, At: p.agent.Clock.Now(), Number: max(number, r.Number), Loaded: r.Loaded, Removed: r.Removed, Bytes: r.Bytes}
	if err != nil {
		p.last.Problem = err.Error()
		p.last.Number = number
	}
	return err == nil
}
