package console

import (
	"maps"
	"slices"
	"sync"

	"nrd"
	"nrd/collector/store"
)

// What the live view holds: the records and hits on the page, and the events
// that a browser that lost its connection for a moment can catch up with.
const (
	feedRecords = 40
	feedHits    = 20
	feedEvents  = 400
	// A browser that is so many events behind is cut off; it comes back and
	// catches up.
	feedQueue = 100
)

// event is one thing that happened in the live view: a record came (Record is
// set), or a picture of one did (Kind is), or officers dealt with one (Outcome is).
type event struct {
	Sequence uint64
	Record   *store.StoredRecord
	Key      nrd.Key
	Kind     nrd.ImageKind
	Outcome  string
	// Found says that the record was there, and central has found hits for it.
	Found bool
}

// feed is what the live view shows, shared by all who watch. Its methods never
// wait for anybody.
type feed struct {
	mu       sync.Mutex
	sequence uint64
	records  []store.StoredRecord // newest last
	hits     []store.StoredRecord // newest last
	outcomes map[nrd.Key]string   // of hits in the feed, in words
	events   []event
	watchers map[chan event]struct{}
	closed   bool
}

// stored puts a record in the feed.
func (f *feed) stored(r store.StoredRecord) {
	r.Patch, r.Overview = nrd.Image{}, nrd.Image{}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.records = keepLast(append(f.records, r), feedRecords)
	if r.IsHit() {
		f.hits = keepLast(append(f.hits, r), feedHits)
	}
	f.tell(event{Record: &r, Key: r.Key})
}

// found puts a record for which central has found hits among the hits, and in the
// place of what was shown of it.
func (f *feed) found(r store.StoredRecord) {
	r.Patch, r.Overview = nrd.Image{}, nrd.Image{}
	f.mu.Lock()
	defer f.mu.Unlock()
	among := false
	for _, list := range [][]store.StoredRecord{f.records, f.hits} {
		for i := range list {
			if list[i].Key == r.Key {
				r.HasPatch, r.HasOverview = r.HasPatch || list[i].HasPatch, r.HasOverview || list[i].HasOverview
				list[i] = r
			}
		}
	}
	for i := range f.hits {
		among = among || f.hits[i].Key == r.Key
	}
	if !among {
		f.hits = keepLast(append(f.hits, r), feedHits)
	}
	f.tell(event{Record: &r, Key: r.Key, Found: true})
}

// officer notes what officers did about a record in the feed. It may have been
// told before the record: what is not here is forgotten when there is much of it.
func (f *feed) officer(record nrd.Key, outcome string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.outcomes) > feedEvents {
		maps.DeleteFunc(f.outcomes, func(k nrd.Key, _ string) bool { return !f.has(k) })
	}
	f.outcomes[record] = outcome
	if f.has(record) {
		f.tell(event{Key: record, Outcome: outcome})
	}
}

// outcome is what officers did about a record last, "" for nothing.
func (f *feed) outcome(record nrd.Key) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.outcomes[record]
}

// image notes that a picture of a record in the feed has come.
func (f *feed) image(key nrd.Key, kind nrd.ImageKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var shown bool
	for _, list := range [][]store.StoredRecord{f.records, f.hits} {
		for i := range list {
			if list[i].Key == key {
				shown = true
				list[i].HasPatch = list[i].HasPatch || kind == nrd.ImagePatch
				list[i].HasOverview = list[i].HasOverview || kind == nrd.ImageOverview
			}
		}
	}
	if shown {
		f.tell(event{Key: key, Kind: kind})
	}
}

// tell numbers an event and gives it to everybody who watches.
func (f *feed) tell(e event) {
	f.sequence++
	e.Sequence = f.sequence
	f.events = keepLast(append(f.events, e), feedEvents)
	for w := range f.watchers {
		select {
		case w <- e:
		default:
			delete(f.watchers, w)
			close(w)
		}
	}
}

// now gives what is on the page, newest first, and the number of the last event
// that is in it.
func (f *feed) now() (records, hits []store.StoredRecord, sequence uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	records, hits = slices.Clone(f.records), slices.Clone(f.hits)
	slices.Reverse(records)
	slices.Reverse(hits)
	return records, hits, f.sequence
}

// shows reports whether a record is in the live view.
func (f *feed) shows(key nrd.Key) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.has(key)
}

// has is shows with the lock held.
func (f *feed) has(key nrd.Key) bool {
	same := func(r store.StoredRecord) bool { return r.Key == key }
	return slices.ContainsFunc(f.records, same) || slices.ContainsFunc(f.hits, same)
}

// watch gives the events after a number and a channel with those to come. The
// channel is closed when the watcher falls behind and when the feed ends.
// Whole is false where events between are lost: the page must be loaded anew.
func (f *feed) watch(after uint64) (missed []event, coming chan event, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	coming = make(chan event, feedQueue)
	if f.closed {
		close(coming)
		return nil, coming, true
	}
	f.watchers[coming] = struct{}{}
	i := slices.IndexFunc(f.events, func(e event) bool { return e.Sequence > after })
	if i >= 0 {
		missed = slices.Clone(f.events[i:])
	}
	first := f.sequence + 1
	if len(missed) > 0 {
		first = missed[0].Sequence
	}
	return missed, coming, after+1 == first
}

func (f *feed) leave(coming chan event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.watchers, coming)
}

// close ends every watcher's channel.
func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for w := range f.watchers {
		delete(f.watchers, w)
		close(w)
	}
}

func keepLast[T any](s []T, n int) []T {
	if over := len(s) - n; over > 0 {
		copy(s, s[over:])
		clear(s[n:])
		return s[:n]
	}
	return s
}
