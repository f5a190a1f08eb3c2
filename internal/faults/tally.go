package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"text/tabwriter"
	"time"
)

// tally is what a run of the harness did, over all of its worlds.
type tally struct {
	mu     sync.Mutex
	began  time.Time
	faults map[string]int
	result result
}

// result is what is printed at the end. Seconds without those of the build.
type result struct {
	Seed    uint64         `json:"seed"`
	Seconds float64        `json:"seconds"`
	Worlds  int            `json:"worlds"`
	Faults  map[string]int `json:"faults"`
	Kills   int            `json:"kills"`
	Records counted        `json:"records"`
	Wrong   []string       `json:"wrong"`
}

// counted is where records and images were found at the end. Begun were given to
// Append, of which it Kept so many: it had returned. Lost must be 0.
type counted struct {
	Begun         int `json:"begun"`
	Kept          int `json:"kept"`
	Refused       int `json:"refused"`
	Stored        int `json:"stored"`
	Hits          int `json:"hits"`
	Images        int `json:"images"`
	Quarantined   int `json:"quarantined"`
	DeadLetters   int `json:"dead_letters"`
	Dropped       int `json:"dropped_records"`
	DroppedImages int `json:"dropped_images"`
	// Strangers are items that were damaged with their keys: counted, or set
	// aside under a key that was never given out.
	Strangers int `json:"damaged_with_their_key"`
	TakenAway int `json:"taken_away_with_the_buffer"`
	Lost      int `json:"lost"`
}

func (c *counted) add(o counted) {
	c.Begun += o.Begun
	c.Kept += o.Kept
	c.Refused += o.Refused
	c.Stored += o.Stored
	c.Hits += o.Hits
	c.Images += o.Images
	c.Quarantined += o.Quarantined
	c.DeadLetters += o.DeadLetters
	c.Dropped += o.Dropped
	c.DroppedImages += o.DroppedImages
	c.Strangers += o.Strangers
	c.TakenAway += o.TakenAway
	c.Lost += o.Lost
}

func newTally(seed uint64) *tally {
	return &tally{began: time.Now(), faults: map[string]int{}, result: result{Seed: seed}}
}

func (t *tally) injected(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[kind]++
}

func (t *tally) ended(c counted, wrong []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.result.Worlds++
	t.result.Records.add(c)
	t.result.Wrong = append(t.result.Wrong, wrong...)
}

// kills is how many processes were killed so far.
func (t *tally) kills() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return killsOf(t.faults)
}

func killsOf(faults map[string]int) (kills int) {
	for kind, n := range faults {
		if isKill(kind) {
			kills += n
		}
	}
	return kills
}

// print writes the result as a table or as JSON.
func (t *tally) print(to io.Writer, asJSON bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.result
	r.Seconds, r.Faults = time.Since(t.began).Seconds(), t.faults
	if r.Wrong == nil {
		r.Wrong = []string{}
	}
	r.Kills = killsOf(t.faults)
	if asJSON {
		return json.NewEncoder(to).Encode(r)
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(name string, n int) { _, _ = fmt.Fprintf(table, "%s\t%d\n", name, n) }
	_, _ = fmt.Fprintf(table, "seed %d\t%s\n", r.Seed, (time.Duration(r.Seconds) * time.Second).String())
	for _, kind := range slices.Sorted(maps.Keys(t.faults)) {
		row(kind, t.faults[kind])
	}
	row("processes killed", r.Kills)
	c := r.Records
	row("records given to Append", c.Begun)
	row("kept: Append returned", c.Kept)
	row("refused by Append", c.Refused)
	row("stored at central", c.Stored)
	row("  of them hits", c.Hits)
	row("  images of them", c.Images)
	row("quarantined at central", c.Quarantined)
	row("dead letters", c.DeadLetters)
	row("records dropped and counted", c.Dropped)
	row("images dropped and counted", c.DroppedImages)
	row("damaged with their key", c.Strangers)
	row("taken away with the buffer", c.TakenAway)
	row("lost", c.Lost)
	row("wrong", len(r.Wrong))
	return table.Flush()
}
