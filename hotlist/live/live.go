// Package live asks a live gateway about marks that were read: a service of the
// force's that knows at once what the lists on a unit know only with the next
// version. docs/live-lookup.md describes the interface for those who build one.
//
// The cache comes first and waits for nothing: [Lookups.Ask] takes a record that
// officers were told of already, or not, and a worker asks the gateway. An answer
// speaks for the lists that it names, and for those it takes the place of what the
// cache said ([Answer.Over]): an entry that is gone there withdraws a hit, one that
// the cache does not have is a hit. Where the gateway does not answer in time, a
// circuit breaker leaves it alone for a while, and the cache is all there is.
package live

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"nrd"
)

var (
	// ErrOpen says that the gateway is not asked now, because it has not answered
	// several times in a row.
	ErrOpen = errors.New("the live gateway has not answered, and is left alone for a while")
	// ErrAnswer says that the gateway's answer is not one of this interface.
	ErrAnswer = errors.New("the live gateway's answer is not valid")
)

// Query is a question about one mark, as JSON. Purpose is PurposeRead or
// PurposeCheck; Officer and Reason are who checks and why, Record the key of the
// read's record.
type Query struct {
	VRM     nrd.VRM   `json:"vrm"`
	Device  string    `json:"device"`
	Purpose string    `json:"purpose"`
	At      time.Time `json:"at"`
	Record  string    `json:"record,omitempty"`
	Officer string    `json:"officer,omitempty"`
	Reason  string    `json:"reason,omitempty"`
}

// The purposes of a query: a vehicle was read, or an officer checks a mark.
const (
	PurposeRead  = "read"
	PurposeCheck = "check"
)

// Answer is what the gateway says, as JSON. Gateway names it for officers, At is
// its time. Lists are those that it answers for: a mark without an entry in one of
// them is not of interest there. Entries are those for the mark.
type Answer struct {
	Gateway string    `json:"gateway"`
	At      time.Time `json:"at"`
	Lists   []string  `json:"lists"`
	Entries []Entry   `json:"entries"`
}

// Entry is a list's entry, as JSON. Priority is high, medium, low or none; Weed the
// last day (2006-01-02) on which it may match, empty for no end.
type Entry struct {
	List         string   `json:"list"`
	VRM          nrd.VRM  `json:"vrm"`
	Priority     string   `json:"priority"`
	Action       string   `json:"action,omitempty"`
	Markers      []string `json:"markers,omitempty"`
	Reason       string   `json:"reason,omitempty"`
	Information  string   `json:"information,omitempty"`
	Instructions string   `json:"instructions,omitempty"`
	Make         string   `json:"make,omitempty"`
	Model        string   `json:"model,omitempty"`
	Colour       string   `json:"colour,omitempty"`
	Force        string   `json:"force,omitempty"`
	Reference    string   `json:"reference,omitempty"`
	Weed         string   `json:"weed,omitempty"`
}

// The limits of an answer.
const (
	maxAnswer  = 64 << 10 // bytes
	maxEntries = 16
	maxLists   = 128
	maxText    = 1 << 10 // bytes
	maxName    = 256     // bytes of a list's or the gateway's name
)

// parse reads an answer about a mark. The error is ErrAnswer.
func parse(text []byte, about nrd.VRM) (Answer, error) {
	var a Answer
	if err := json.Unmarshal(text, &a); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	if err := a.check(about); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return a, nil
}

func (a *Answer) check(about nrd.VRM) error {
	if len(a.Lists) > maxLists || len(a.Entries) > maxEntries {
		return fmt.Errorf("%d lists and %d entries, at most %d and %d", len(a.Lists), len(a.Entries), maxLists, maxEntries)
	}
	for _, name := range append([]string{a.Gateway}, a.Lists...) {
		if name == "" || len(name) > maxName {
			return fmt.Errorf("a name of %d bytes, 1 to %d are possible", len(name), maxName)
		}
	}
	for i := range a.Entries {
		if err := a.Entries[i].check(about, a.Lists); err != nil {
			return fmt.Errorf("entry %d: %w", i, err)
		}
	}
	return nil
}

func (e *Entry) check(about nrd.VRM, lists []string) error {
	if e.VRM != about {
		return errors.New("it is about another mark")
	}
	if !slices.Contains(lists, e.List) {
		return errors.New("its list is not among those that are answered for")
	}
	if _, ok := nrd.ParsePriority(e.Priority); !ok {
		return errors.New("its priority is none of high, medium, low, none")
	}
	if _, err := e.weed(); err != nil {
		return errors.New("its weed date is not of the form 2006-01-02")
	}
	for _, text := range append([]string{e.Action, e.Reason, e.Information, e.Instructions, e.Make, e.Model, e.Colour, e.Force, e.Reference}, e.Markers...) {
		if len(text) > maxText || !utf8.ValidString(text) {
			return fmt.Errorf("a text of %d bytes, at most %d in UTF-8", len(text), maxText)
		}
	}
	return nil
}

func (e *Entry) weed() (time.Time, error) {
	if e.Weed == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, e.Weed)
}

// hit gives the entry as a hit of now. It was checked.
func (e *Entry) hit(at time.Time) nrd.Hit {
	priority, _ := nrd.ParsePriority(e.Priority) // it was checked
	weed, _ := e.weed()                          // it was checked
	return nrd.Hit{
		Entry: nrd.Entry{
			List: e.List, VRM: e.VRM, Make: e.Make, Model: e.Model, Colour: e.Colour, Priority: priority, Action: e.Action, Markers: e.Markers,
			Reason: e.Reason, Information: e.Information, Instructions: e.Instructions, Force: e.Force, Reference: e.Reference, Weed: weed,
		},
		List: nrd.ListVersion{List: e.List, Issued: at}, Match: nrd.MatchExact, Freshness: nrd.Fresh, Live: true,
	}
}

// Over gives the hits of a mark with the gateway's word in the place of the cache's
// for the lists that it answers for, highest priority first. A near match stays: the
// gateway was asked about the mark that was read, not about its look-alike.
func (a *Answer) Over(hits []nrd.Hit) []nrd.Hit {
	return a.and(hits, func(h nrd.Hit) bool { return h.Match == nrd.MatchNear || !slices.Contains(a.Lists, h.List.List) })
}

// With gives the hits of a mark with the gateway's, in the place of those of the same
// entries, highest priority first. What the gateway does not have stays.
func (a *Answer) With(hits []nrd.Hit) []nrd.Hit {
	given := a.hits()
	return a.and(hits, func(h nrd.Hit) bool {
		return !slices.ContainsFunc(given, func(g nrd.Hit) bool { return g.SameEntry(&h) })
	})
}

// and gives the gateway's hits and those of others that are to be kept.
func (a *Answer) and(others []nrd.Hit, keep func(nrd.Hit) bool) []nrd.Hit {
	all := a.hits()
	for _, h := range others {
		if keep(h) {
			all = append(all, h)
		}
	}
	slices.SortStableFunc(all, func(a, b nrd.Hit) int { return cmp.Compare(b.Entry.Priority, a.Entry.Priority) })
	return all
}

// hits are the entries that may still match.
func (a *Answer) hits() []nrd.Hit {
	var hits []nrd.Hit
	for i := range a.Entries {
		if h := a.Entries[i].hit(a.At); !h.Entry.Expired(a.At) {
			hits = append(hits, h)
		}
	}
	return hits
}
