package store

import (
	"context"
	"time"

	"nrd"
)

// Finder says who saw a hit first.
type Finder string

// A hit is found on the unit, by a live gateway that the unit asked, at central when
// the record came, or at central later, when the entry was added.
const (
	FoundByUnit       Finder = "unit"
	FoundByGateway    Finder = "gateway"
	FoundByCentral    Finder = "central"
	FoundInRetrospect Finder = "retrospect"
)

// HitAlarm is one passage that matched one entry: there is one of it, whoever saw
// it first and however often it is found again. It is weeded with its record.
type HitAlarm struct {
	Record   nrd.Key
	VRM      nrd.VRM // as it was read
	Captured time.Time
	Camera   string
	Raised   time.Time
	By       Finder
	// Covert says that the entry goes to no vehicle.
	Covert bool
	Hit    nrd.Hit
	// Acknowledged is by whom it was seen at central; nobody yet where it is empty.
	Acknowledged Acknowledgement `json:",omitzero"`
}

// Key tells the alarm apart from others.
func (a *HitAlarm) Key() HitKey {
	e := &a.Hit.Entry
	return HitKey{Record: a.Record, List: e.List, VRM: e.VRM, Reference: e.Reference}
}

// HitKey is what there is one hit alarm of: a record and the entry that it matched.
type HitKey struct {
	Record    nrd.Key
	List      string
	VRM       nrd.VRM // the entry's
	Reference string
}

// Acknowledgement says that a person at central has seen a hit alarm, and what they
// noted about it.
type Acknowledgement struct {
	By   string
	At   time.Time
	Note string `json:",omitempty"`
}

// FoundHit is a hit that is not in the record: only central saw it, or a live gateway
// told the unit of it. Covert says that its entry goes to no
// vehicle.
type FoundHit struct {
	nrd.Hit `json:"Hit"`
	Covert  bool
}

// HitQuery selects hit alarms by the time of their records' capture. To is
// exclusive; what is empty leaves a term open.
type HitQuery struct {
	List     string
	From, To time.Time
	// Urgent asks for the highest priority first, and of each for the newest: where
	// there are more than Limit, the least urgent are left out.
	Urgent bool
	// Limit caps the answer; 0 means 100, at most 10,000.
	Limit int
}

// Hits keeps the hit alarms.
type Hits interface {
	// RaiseHits notes hit alarms of records that are held, and answers those that
	// are new. One that a gateway found without its entry's reference is the same as
	// one of any entry of its list and VRM. One whose record is not held is left out.
	// The record is a hit to a search from then on, but not by a covert entry.
	RaiseHits(ctx context.Context, alarms []HitAlarm) ([]HitAlarm, error)
	// HitAlarms answers newest capture first, unless the query asks for the urgent.
	HitAlarms(ctx context.Context, q HitQuery) ([]HitAlarm, error)
	// HitAlarm answers one, or ErrNotFound. AcknowledgeHit notes who has seen it, and
	// answers it as it stands then: the first acknowledgement is the one that stays.
	HitAlarm(ctx context.Context, key HitKey) (HitAlarm, error)
	AcknowledgeHit(ctx context.Context, key HitKey, by Acknowledgement) (HitAlarm, error)
	// HitCounts counts hit alarms by list.
	HitCounts(ctx context.Context, from, to time.Time) (map[string]uint64, error)
	// Received gives each record received at or after a time, day by day in the
	// order of receipt.
	Received(ctx context.Context, since time.Time, each func(StoredRecord) error) error
	// SetMatched notes that all records received before a time were matched;
	// Matched answers it, the zero time for never.
	SetMatched(ctx context.Context, until time.Time) error
	Matched(ctx context.Context) (time.Time, error)
}
