package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"nrd"
	"nrd/incab"
	"nrd/uplink"
)

// Happening is one step in the life of a read, told to whoever follows a unit
// (`nrd-agent run --follow`). It holds personal data and is for the person at
// the unit, never for a log.
type Happening struct {
	// What is "provisional", "kept" or "stored".
	What       string    `json:"what"`
	At         time.Time `json:"at"`
	Key        string    `json:"key,omitempty"`
	Plate      nrd.VRM   `json:"plate"`
	Confidence int       `json:"confidence"`
	// ReadAs is the text as the reader gave it, where a character of Plate was put
	// right; "" for none.
	ReadAs   string    `json:"read_as,omitempty"`
	Camera   string    `json:"camera"`
	Captured time.Time `json:"captured"`
	// Hit is the highest priority and the list of the hit, "" for none.
	Hit string `json:"hit,omitempty"`
	// Times is how often the vehicle was seen under this alert. Again says that
	// it was told before and stays: it calls for nobody's attention once more.
	Times int  `json:"times,omitempty"`
	Again bool `json:"again,omitempty"`
	// Milliseconds from the frame that was read (0 where its time is a
	// file's), and from the record being kept, to central's receipt.
	FromFrameMS int64 `json:"from_frame_ms,omitempty"`
	FromKeptMS  int64 `json:"from_kept_ms,omitempty"`
}

// Summary counts what a run of the agent did.
type Summary struct {
	Frames   uint64 `json:"frames"`
	Dropped  uint64 `json:"dropped_frames"`
	Passages uint64 `json:"passages"`
	// Unread is how many of the passages' plates could not be read.
	Unread uint64 `json:"unread"`
	Hits   uint64 `json:"hits"`
	// Stored records have central's receipt; Waiting ones are in the buffer.
	Stored  uint64 `json:"stored"`
	Waiting int    `json:"waiting"`
	// Lost is what was recognised but neither stored, waiting, set aside nor
	// counted as dropped by the buffer's quota. It is 0 in a sound unit.
	Lost     int64  `json:"lost"`
	SetAside uint64 `json:"set_aside"`
	// Percentiles over the records stored in this run, in milliseconds.
	FrameToStoredP50 int64 `json:"frame_to_stored_p50_ms"`
	FrameToStoredP95 int64 `json:"frame_to_stored_p95_ms"`
	KeptToStoredP50  int64 `json:"kept_to_stored_p50_ms"`
	KeptToStoredP95  int64 `json:"kept_to_stored_p95_ms"`
}

// tally counts and remembers the records on their way, so that a receipt can be
// told as a read.
type tally struct {
	clock  nrd.Clock
	follow func(Happening)
	alerts *alerts

	mu       sync.Mutex
	started  time.Time
	begun    uplink.Stats
	frames   uint64
	dropped  uint64
	passages uint64
	unread   uint64
	hits     uint64
	stored   uint64
	refused  uint64
	// By the monotonic clock: the start, the newest frame, and each camera's.
	opened, last time.Duration
	seen         map[string]time.Duration
	// What came in the last minute.
	framesNow, readsNow lastMinute
	onTheWay            map[nrd.Key]pending
	order               []nrd.Key // those that were kept last, oldest first
	problems            map[string]string
	// Milliseconds.
	fromFrame, fromKept newest
}

type pending struct {
	happening Happening
	kept      time.Time
	// fromFile says that the capture time is a file's: nothing can be
	// measured from it.
	fromFile bool
}

// The tally remembers the newest so many records that were kept, and latencies; a
// unit that is offline for days must not grow.
const (
	maxOnTheWay  = 10_000
	maxLatencies = 10_000
)

// newest is the last maxLatencies numbers, in no order.
type newest struct {
	values []int64
	next   int
}

func (n *newest) add(value int64) {
	if len(n.values) < maxLatencies {
		n.values = append(n.values, value)
		return
	}
	n.values[n.next] = value
	n.next = (n.next + 1) % maxLatencies
}

func newTally(clock nrd.Clock, follow func(Happening), m MatchConfig) *tally {
	told := &alerts{after: time.Duration(m.AgainAfter), metres: m.AgainMetres, open: map[sighted]*alert{}}
	now := clock.Stamp().Monotonic
	return &tally{
		alerts: told, clock: clock, started: clock.Now(), opened: now, last: now, seen: map[string]time.Duration{},
		follow: follow, onTheWay: map[nrd.Key]pending{}, problems: map[string]string{},
	}
}

// start takes what the buffer holds from earlier runs as its zero.
func (t *tally) start(begun uplink.Stats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = begun
}

func (t *tally) frame(camera string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frames++
	t.last = t.clock.Stamp().Monotonic
	t.seen[camera] = t.last
	t.framesNow.add(t.last)
}

func (t *tally) droppedFrames(n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropped += n
}

// note says how a record's hits are to be told.
func (t *tally) note(rec *nrd.Record) incab.Telling {
	return t.alerts.note(rec, t.clock.Stamp().Monotonic)
}

// kept notes a record that the buffer holds.
func (t *tally) kept(rec *nrd.Record, as incab.Telling) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passages++
	if rec.Unread() {
		t.unread++
	} else {
		t.readsNow.add(t.clock.Stamp().Monotonic)
	}
	now := t.clock.Now()
	h := happening(rec, as)
	h.At = now
	if rec.IsHit() {
		t.hits++
	}
	delete(t.problems, "records")
	t.onTheWay[rec.Key] = pending{happening: h, kept: now, fromFile: rec.Captured.Source == nrd.ClockFile}
	if t.order = append(t.order, rec.Key); len(t.order) > maxOnTheWay {
		// Stored long ago, or dropped, or its receipt is told as a count only.
		delete(t.onTheWay, t.order[0])
		t.order = t.order[1:]
	}
	t.tell("kept", h)
}

// provisional tells a hit before its passage is over.
func (t *tally) provisional(rec *nrd.Record, as incab.Telling) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := happening(rec, as)
	h.Key, h.At = "", t.clock.Now()
	t.tell("provisional", h)
}

func happening(rec *nrd.Record, as incab.Telling) Happening {
	h := Happening{
		Key: rec.Key.String(), Plate: rec.Read.VRM, Confidence: rec.Read.Confidence,
		Camera: rec.Camera.Name, Captured: rec.Captured.UTC,
	}
	if rec.Read.Repaired {
		h.ReadAs = rec.Read.Raw
	}
	if rec.IsHit() {
		first := rec.Hits[0]
		h.Hit = fmt.Sprintf("%s (%s)%s", strings.ToUpper(first.Entry.Priority.String()), first.List.List, doubts(&first))
		h.Times, h.Again = as.Times, !as.Now
	}
	return h
}

// doubts are what a hit must not be told without.
func doubts(h *nrd.Hit) string {
	text := ""
	if h.Match == nrd.MatchNear {
		text += ", near: the list has " + string(h.Entry.VRM)
	}
	if h.VerifyBeforeStop() {
		text += ", stale list: verify before stop"
	}
	return text
}

func (t *tally) tell(what string, h Happening) {
	if t.follow != nil {
		h.What = what
		t.follow(h)
	}
}

// lost notes a record that the buffer would not take.
func (t *tally) lost(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passages++
	if !errors.Is(err, uplink.ErrFull) { // the buffer says so itself while it lasts
		t.problems["records"] = "a record was not kept: " + err.Error()
	}
}

// receipt is called for each receipt from central.
func (t *tally) receipt(key nrd.Key, kind, outcome string) {
	if kind != "record" {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p, found := t.onTheWay[key]
	switch outcome {
	case "stored", "quarantined":
	case "refused":
		t.refused++
		delete(t.onTheWay, key)
		return
	default:
		return
	}
	t.stored++
	delete(t.onTheWay, key)
	if !found {
		return
	}
	now := t.clock.Now()
	h := p.happening
	h.At = now
	if !p.fromFile {
		h.FromFrameMS = now.Sub(h.Captured).Milliseconds()
	}
	h.FromKeptMS = now.Sub(p.kept).Milliseconds()
	t.fromKept.add(h.FromKeptMS)
	if !p.fromFile {
		t.fromFrame.add(h.FromFrameMS)
	}
	t.tell("stored", h)
}

// problem notes what a person should know; a nil error clears it.
func (t *tally) problem(of string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		delete(t.problems, of)
		return
	}
	t.problems[of] = of + ": " + err.Error()
}

// has reports whether there is a problem of any of these.
func (t *tally) has(of ...string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(of, func(o string) bool { return t.problems[o] != "" })
}

func (t *tally) summary(s uplink.Stats) Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	dropped := s.Dropped["record"] - t.begun.Dropped["record"]
	in := int64(t.begun.Records) + int64(t.passages)
	out := int64(t.stored) + int64(s.Records) + int64(dropped) + int64(t.refused)
	return Summary{
		Frames: t.frames, Dropped: t.dropped, Passages: t.passages, Unread: t.unread, Hits: t.hits,
		Stored: t.stored, Waiting: s.Records, Lost: in - out, SetAside: t.refused,
		FrameToStoredP50: percentile(t.fromFrame.values, 50), FrameToStoredP95: percentile(t.fromFrame.values, 95),
		KeptToStoredP50: percentile(t.fromKept.values, 50), KeptToStoredP95: percentile(t.fromKept.values, 95),
	}
}

// percentile gives the value that p of a hundred values do not exceed.
func percentile(values []int64, p int) int64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[min(len(sorted)-1, len(sorted)*p/100)]
}

// sees reports whether a camera gives frames; at the start it is given time.
func (t *tally) sees(camera string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock.Stamp().Monotonic-max(t.opened, t.seen[camera]) < frameWithin
}

// sinceFrame is how long ago any camera gave a frame.
func (t *tally) sinceFrame() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock.Stamp().Monotonic - t.last
}
