package uplink

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"syscall"
	"time"

	"nrd"
	"nrd/internal/identity"
	"nrd/internal/link"
	"nrd/uplink/wire"
)

// Client sends what is in a buffer to central and removes what central has a
// receipt for. Set the fields, then call Run.
//
// Whatever goes wrong, the buffer keeps everything: without a connection or
// while central says "paused" nothing is sent, what has no receipt in time is
// sent again, what central cannot take now is tried again later. What central
// refuses for good becomes a dead letter, and so does what makes central end the
// connection each time it is sent; the queue goes on behind it.
type Client struct {
	// Broker is central's address, as tls://host:port.
	Broker string
	// TLS is from identity.ClientTLS.
	TLS    *tls.Config
	Device string
	Buffer *Buffer
	Clock  nrd.Clock
	Log    *slog.Logger
	// Status makes the status that is published on connecting and once a
	// minute.
	Status func() nrd.Status
	// Links says how the links that the unit may have are used: the first that
	// fits a new connection holds for it. Where none fits, everything is sent,
	// as fast as it goes.
	Links []LinkClass
	// OnReceipt, if set, is called with each receipt: the record's key, the
	// kind of item (record, patch, overview, event) and the outcome (stored,
	// quarantined, refused, retry). It must not block.
	OnReceipt func(key nrd.Key, kind, outcome string)
	// OnOrder, if set, is called with each order of central's, unchecked. It
	// must not block.
	OnOrder func(*wire.Signed)
	// OnNotice, if set, is called with the number of what central has published
	// of lists. It must not block.
	OnNotice func(number uint64)
	// News, if set, asks for a status out of turn.
	News <-chan struct{}

	// dial, pace and random are replaced by tests.
	dial   func(context.Context, link.Config) (link.Link, error)
	pace   *pace
	random func() float64

	mu       sync.Mutex
	problems problems
	// trouble counts how often an item was answered with "retry", blame how
	// often the connection ended while only it was on the way.
	trouble map[part64]int
	blame   map[part64]int
	// kicks counts the connections in a row that the other side ended soon.
	kicks int
	// closing waits for links that are over.
	closing sync.WaitGroup
}

// pace is how fast the client does things.
type pace struct {
	tick    time.Duration // how often deadlines are looked at
	status  time.Duration // how often a status is published
	receipt time.Duration // how long a receipt may take
	retry   time.Duration // the first wait before something is tried again
	most    time.Duration // the longest
	// steady is how long a connection must hold to count as undisturbed.
	steady time.Duration
}

var usualPace = pace{
	tick: time.Second, status: time.Minute, receipt: time.Minute,
	retry: time.Second, most: time.Minute, steady: 2 * time.Minute,
}

// patience is how often the same must happen before it is taken to be no
// accident.
const patience = 3

// Run sends until ctx is done. The error is only of a configuration that cannot
// work; everything else is a problem that passes, see Problems.
func (c *Client) Run(ctx context.Context) error {
	if err := c.initialize(); err != nil {
		return err
	}
	var housekeeping sync.WaitGroup
	housekeeping.Go(func() { c.housekeep(ctx) })
	defer housekeeping.Wait()
	defer c.closing.Wait()
	for failures := 0; ctx.Err() == nil; {
		worked, err := c.session(ctx)
		if ctx.Err() != nil {
			break
		}
		if worked && c.kicks == 0 {
			failures = 0
		}
		wait := c.backOff(failures)
		failures++
		c.Log.Warn("no connection to central", "error", err, "again in", wait)
		sleep(ctx, wait)
	}
	return nil
}

func (c *Client) initialize() error {
	switch {
	case c.TLS == nil || c.Buffer == nil || c.Clock == nil || c.Log == nil || c.Status == nil:
		return errors.New("uplink: TLS, Buffer, Clock, Log and Status must be set")
	case c.Device != c.Buffer.device:
		return fmt.Errorf("uplink: the client is for %q: %w: %q", c.Device, ErrDevice, c.Buffer.device)
	}
	if err := identity.ValidDevice(c.Device); err != nil {
		return fmt.Errorf("uplink: %w", err)
	}
	broker, err := url.Parse(c.Broker)
	if err != nil || broker.Scheme != "tls" || broker.Hostname() == "" || broker.Port() == "" {
		return fmt.Errorf("uplink: broker %q: must be tls://host:port", c.Broker)
	}
	if c.dial == nil {
		c.dial = link.Connect
	}
	if c.pace == nil {
		c.pace = &usualPace
	}
	if c.random == nil {
		c.random = rand.Float64
	}
	for i, class := range c.Links {
		if err := class.Validate(); err != nil {
			return fmt.Errorf("uplink: link %d: %w", i+1, err)
		}
	}
	c.trouble, c.blame = map[part64]int{}, map[part64]int{}
	return nil
}

// housekeep keeps the buffer tidy, connected or not.
func (c *Client) housekeep(ctx context.Context) {
	ticker := time.NewTicker(c.pace.status)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := c.Buffer.Tidy(); err != nil && !errors.Is(err, ErrClosed) {
				c.Log.Error("the buffer could not be tidied", "error", err)
			}
		}
	}
}

// session is one connection from its beginning to its end. worked says that it
// came up.
func (c *Client) session(ctx context.Context) (worked bool, err error) {
	s := newSession(c)
	config, err := s.config()
	if err != nil {
		return false, err
	}
	l, err := c.dial(ctx, config)
	if err != nil {
		close(s.over)
		err = identity.Explain(err)
		c.setProblem(func(p *problems) { p.connection = fmt.Sprintf("central cannot be reached: %v", err) })
		if errors.Is(err, link.ErrCut) {
			c.kicked()
		}
		return false, err
	}
	// A link that broke under load takes a while to close: nobody waits for it
	// before the next connection.
	defer c.closing.Go(l.Close)
	defer close(s.over)
	s.link, s.began = l, c.monotonic()
	c.Log.Info("connected to central", "broker", c.Broker, "images", string(cmp.Or(s.class.Images, ImagesAll)), "bytes a second", s.class.BytesPerSecond)
	c.setProblem(func(p *problems) { *p = problems{rival: p.rival} })
	err = s.run(ctx)
	if ctx.Err() == nil {
		c.setProblem(func(p *problems) { p.connection = fmt.Sprintf("the connection to central broke: %v", err) })
		c.afterwards(s, err)
	}
	return true, err
}

// afterwards judges how a connection ended. MQTT 3.1.1 gives no reason: a broker
// that finds a second client of the same name, or a packet that it cannot bear,
// just closes.
func (c *Client) afterwards(s *session, err error) {
	if !closedByPeer(err) || s.age() >= c.pace.steady {
		c.kicks = 0
		return
	}
	c.kicked()
	if unacked := s.unacked(); len(unacked) == 1 {
		c.suspect(unacked[0])
	}
}

// kicked counts a connection that the other side ended soon, and says so where
// it is no accident any more.
func (c *Client) kicked() {
	c.kicks++
	if c.kicks >= patience {
		c.setProblem(func(p *problems) {
			p.rival = fmt.Sprintf("probably another agent uses this device's certificate: central has ended %d connections in a row", c.kicks)
		})
	}
}

// suspect blames the one item that was on its way when the connection ended, and
// sets it aside when that happens too often.
func (c *Client) suspect(f *flight) {
	id := part64{f.id.sequence, f.id.part}
	c.blame[id]++
	if c.blame[id] < patience {
		return
	}
	reason := fmt.Sprintf("central ended the connection each of the %d times that this was sent", patience)
	if err := c.Buffer.ask(&request{buries: []burial{{f.id, reason}}}); err != nil {
		c.Log.Error("an item could not be set aside", "error", err)
	}
	delete(c.blame, id)
	c.kicks = 0
	c.setProblem(func(p *problems) { p.rival = "" })
}

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// backOff is how long to wait after so many failures: twice as long each time,
// and by chance between half and one and a half of that, so that a force's
// devices do not all come back at once.
func (c *Client) backOff(failures int) time.Duration {
	wait := c.pace.retry << min(failures, 16)
	return time.Duration(float64(min(wait, c.pace.most)) * (0.5 + c.random()))
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// monotonic is time that no setting of the clock moves.
func (c *Client) monotonic() time.Duration { return c.Clock.Stamp().Monotonic }

// problems is what stands in the way, for a person to read.
type problems struct{ rival, paused, connection, busy string }

func (c *Client) setProblem(set func(*problems)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	set(&c.problems)
}

// Problems gives sentences for a person about what keeps records from central,
// worst first; none when all is well.
func (c *Client) Problems() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var sentences []string
	if c.problems.rival != "" {
		sentences = append(sentences, c.problems.rival)
	}
	if c.problems.paused != "" {
		sentences = append(sentences, "central has paused this device; its records are kept here: "+c.problems.paused)
	}
	if c.problems.connection != "" {
		sentences = append(sentences, c.problems.connection)
	}
	if c.problems.busy != "" {
		sentences = append(sentences, "records are kept here until central can take them: "+c.problems.busy)
	}
	return sentences
}

var outcomes = map[wire.Receipt_Outcome]string{
	wire.Receipt_STORED:      "stored",
	wire.Receipt_QUARANTINED: "quarantined",
	wire.Receipt_REFUSED:     "refused",
	wire.Receipt_RETRY:       "retry",
}
