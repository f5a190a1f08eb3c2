package nrd

import (
	"strings"
	"time"
)

// Priority is the response an entry asks for. The zero value is no priority:
// an entry of intelligence only.
type Priority int

// The ACT priorities. High is monitored at all times and can never be filtered.
const (
	PriorityNone Priority = iota
	PriorityLow
	PriorityMedium
	PriorityHigh
)

// String gives the priority's word.
func (p Priority) String() string {
	switch p {
	case PriorityHigh:
		return "high"
	case PriorityMedium:
		return "medium"
	case PriorityLow:
		return "low"
	default:
		return "none"
	}
}

// ParsePriority reads High, Medium or Low, or their first letter, in any case;
// an empty text is no priority.
func ParsePriority(s string) (Priority, bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "high", "h":
		return PriorityHigh, true
	case "medium", "m":
		return PriorityMedium, true
	case "low", "l":
		return PriorityLow, true
	case "", "none":
		return PriorityNone, true
	default:
		return PriorityNone, false
	}
}

// Entry is one row of a list of vehicles of interest: the sixteen columns of
// the interchange format, typed where the product acts on them and as they
// came where a person reads them.
type Entry struct {
	// List is the name of the list that holds the entry.
	List string
	VRM  VRM
	// Make, Model and Colour are cut to fit where they are shown.
	Make, Model, Colour string
	// Priority is the response asked for; Action is the text of the action
	// column it was read from.
	Priority Priority
	Action   string
	// Markers are warning signals such as WE or VI, as they came. They are
	// shown before everything else.
	Markers []string
	Reason  string
	// Intelligence is the 5x5x5 grading, Information what to do.
	Intelligence, Information string
	// Force is the force and area that owns the entry.
	Force string
	// Weed is the last day on which the entry may match, midnight UTC at its
	// start; zero when the list gives none.
	Weed time.Time
	// NationalID is the national list's own number for the entry.
	NationalID string
	// Marking is the protective marking.
	Marking string
	CAD     string
	// Instructions and Reference are the two spare columns. An entry's key
	// is list, VRM and Reference: one VRM can stand in a list more than once.
	Instructions, Reference string
	// Line is the line of the file the entry was read from.
	Line int
}

// Expired reports whether the entry's weed date had passed at now. It may still
// match on the weed date itself.
func (e *Entry) Expired(now time.Time) bool {
	return !e.Weed.IsZero() && !now.Before(e.Weed.AddDate(0, 0, 1))
}

// ListVersion says which version of a list was in force.
type ListVersion struct {
	List string
	// Version counts up with every publication.
	Version uint64
	// Issued is when the list's owner made it, Loaded when this unit or
	// central put it in force.
	Issued, Loaded time.Time
	// Expires is when the owner's next version was due at the latest; zero where
	// the owner did not say.
	Expires time.Time
	// Entries is how many entries it holds.
	Entries int
}

// Age is how old the list is at now, counted from its issue.
func (v ListVersion) Age(now time.Time) time.Duration { return now.Sub(v.Issued) }

// MatchKind says how a read matched an entry.
type MatchKind string

// A near match differs from the entry in look-alikes only and says so; it never
// changes the read.
const (
	MatchExact MatchKind = "exact"
	MatchNear  MatchKind = "near"
)

// Hit is a read whose VRM matches an entry, with the list's age at that moment.
type Hit struct {
	Entry Entry
	List  ListVersion
	// ListAge is frozen when the match was made, so that it can be proved
	// later how old the list was that an officer acted on.
	ListAge time.Duration
	Match   MatchKind
	// Provisional says that the hit was told before the passage was over; it
	// is confirmed or visibly withdrawn.
	Provisional bool
	// Freshness is how far the list could be trusted at that moment, by its age
	// and by what was known of the clock; "" where it was not judged.
	Freshness Freshness
	// Live says that a live gateway gave the entry, not a list on the unit: of the
	// list only its name is known, and when the gateway was asked (Issued).
	Live bool
	// Differs are the characters of the read's VRM, counted from 0, in the place
	// of which the entry has a look-alike. An exact match has none.
	Differs []int
}

// VerifyBeforeStop says that the entry must be checked with somebody who holds a
// newer list before anybody is stopped, and that no sound calls for action: the
// list is stale, or nobody judged it.
func (h *Hit) VerifyBeforeStop() bool { return h.Freshness != Fresh && h.Freshness != Amber }

// SameEntry reports whether two hits are of one entry. A mark can match several entries
// of a list: its own and, nearly, those of look-alikes. A live gateway need not say an
// entry's reference.
func (h *Hit) SameEntry(o *Hit) bool {
	silent := h.Live && h.Entry.Reference == "" || o.Live && o.Entry.Reference == ""
	return h.List.List == o.List.List && h.Entry.VRM == o.Entry.VRM && (silent || h.Entry.Reference == o.Entry.Reference)
}

// Disposition is what became of a hit.
type Disposition string

// The dispositions an officer or the control room can give.
const (
	DispositionStopped      Disposition = "stopped"
	DispositionLost         Disposition = "lost"
	DispositionWrongVehicle Disposition = "wrong vehicle"
	DispositionMisread      Disposition = "misread"
	DispositionNoAction     Disposition = "no action"
)

// Dispositions lists them in the order in which they are offered.
var Dispositions = []Disposition{DispositionStopped, DispositionLost, DispositionWrongVehicle, DispositionMisread, DispositionNoAction}
