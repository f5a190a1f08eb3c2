// Package store keeps what central holds: records and their images by UTC day,
// each day under a key of its own, and what lives longer (accounts, the access
// log, devices) in one site database.
//
// [Store] is the whole contract; storetest holds every implementation to it.
// SQLite (package store/sqlite) is the default.
package store

import (
	"context"
	"slices"
	"time"

	"nrd"
)

// Kind says what an [Item] holds.
type Kind string

// The kinds of item a device sends, in the words of the wire's receipts.
const (
	KindRecord   Kind = "record"
	KindPatch    Kind = "patch"
	KindOverview Kind = "overview"
	KindEvent    Kind = "event"
)

// Item is one thing a device sent, to be stored once.
type Item struct {
	Key  nrd.Key
	Kind Kind
	// Digest is SHA-256 of the payload as it came. The same key and kind with
	// another digest is a conflict.
	Digest [32]byte
	// Received is central's time.
	Received time.Time
	// Record is set for KindRecord; its images are empty. Patch and Overview
	// digests announced by the record are kept beside it.
	Record *nrd.Record
	// Payload of KindRecord is the message as it came: it is what is kept, so
	// that Digest can be checked for ever and a field that this version does
	// not know is not lost. Empty: the store encodes Record.
	Payload []byte
	// PatchDigest and OverviewDigest are SHA-256 of the JPEGs announced by a
	// record; zero: the record has no such image. An image that its record
	// does not announce, or announces with another digest, is Quarantined.
	PatchDigest, OverviewDigest [32]byte
	// Image is set for KindPatch and KindOverview.
	Image nrd.Image
	// Event is the payload of KindEvent, kept as it came.
	Event []byte
	// Officer is what Event says where it is of what an officer did, and Filed
	// when that was as far as is known: the day of such an event is Filed's, of
	// any other that of its receipt.
	Officer *nrd.OfficerEvent
	Filed   time.Time
	// Quarantine, when not empty, says why the item is set aside for a person
	// instead of being stored among the others.
	Quarantine string
	// Correction is the time of a record that is not to go by its own, or nil.
	Correction *Correction
}

// Correction is the capture time that central goes by where the unit's own
// cannot be trusted. It stands beside the record, which stays as it came.
type Correction struct {
	UTC time.Time
	// Source is what the time is known by: gps or ntp (the unit said so later),
	// central (its clock when the unit was heard), person.
	Source nrd.ClockSource
	// By is the key of the unit's event, or the account of the person; Reason is
	// the person's.
	By, Reason string
	// At is when it was filed; Quarantined why the record was set aside until
	// then, "" if it was not.
	At          time.Time
	Quarantined string
}

// Anchor is a correction of a device's clock, and who gave it: what every record
// of that start which came with an unproved time gets its time by.
type Anchor struct {
	nrd.Correction
	Device     string
	By, Reason string
	At         time.Time
}

// Release takes a record out of quarantine.
type Release struct {
	Key nrd.Key
	// Correction is the time that it is filed under from now on.
	Correction Correction
}

// Unproved is a quarantined record that waits for its time.
type Unproved struct {
	Key      nrd.Key
	Captured nrd.Stamp
}

// Outcome is what became of an item.
type Outcome int

// An item is Stored (committed just now), Duplicate (held already with this
// digest) or Quarantined (committed aside): these three are on stable storage.
// A Postponed item is not held: it is an image whose record has not come, and
// the room for such images is full. Send it again later.
const (
	Stored Outcome = iota + 1
	Duplicate
	Quarantined
	Postponed
)

// Result answers one item of Insert.
type Result struct {
	Outcome Outcome
	Reason  string
}

// StoredRecord is a record as it was stored.
type StoredRecord struct {
	nrd.Record
	Received time.Time
	// HasPatch and HasOverview say which images have arrived.
	HasPatch, HasOverview bool
	// Correction is nil where the record goes by the unit's own time.
	Correction *Correction
	// Found are hits that the unit's lists did not have, and central or a live gateway
	// did.
	Found []FoundHit
}

// AllHits are the unit's hits and those that only central found.
func (r *StoredRecord) AllHits() []nrd.Hit {
	if len(r.Found) == 0 {
		return r.Hits
	}
	all := slices.Clone(r.Hits)
	for _, f := range r.Found {
		all = append(all, f.Hit)
	}
	return all
}

// HideCovert takes away the hits of covert entries, for who may not know of them.
func (r *StoredRecord) HideCovert() {
	r.Found = slices.DeleteFunc(slices.Clone(r.Found), func(f FoundHit) bool { return f.Covert })
}

// Time is when the record was captured as far as is known: what it is filed,
// searched and weeded by. Captured.UTC is what the unit's clock showed.
func (r *StoredRecord) Time() time.Time {
	if r.Correction != nil {
		return r.Correction.UTC
	}
	return r.Captured.UTC
}

// Query selects records. From and To are capture times; To is exclusive.
type Query struct {
	// Pattern is a VRM in which ? stands for one character and * for any
	// number; empty for all.
	Pattern  string
	From, To time.Time
	// Device and Camera (its name) narrow the search; empty for all.
	Device, Camera string
	// HitsOnly leaves out what matched nothing.
	HitsOnly bool
	// Limit caps the answer; 0 means 100, at most 10,000.
	Limit int
}

// Account is a person's right to use central. There are no shared accounts.
type Account struct {
	Name     string // sign-in name, unique, lower case
	FullName string
	Role     string
	// PasswordHash is argon2id in its standard text form.
	PasswordHash string
	// Authoriser agreed to the access; Review is when it must be looked at
	// again.
	Authoriser string
	Created    time.Time
	Review     time.Time
	Removed    time.Time // zero: in force
}

// Access is one line of the access log: who did what, why, when.
type Access struct {
	// Sequence counts from 1 without a gap; Chain is SHA-256 over the line and
	// the chain before it, so that a line changed or taken out shows.
	Sequence uint64
	At       time.Time
	Account  string
	Action   string // e.g. "sign in", "search", "view image", "user add"
	Subject  string // e.g. the query, the record's key
	Reason   string
	// From is the address of the request, or "command line".
	From    string
	Outcome string // "ok", "refused: …"
	Chain   [32]byte
}

// Heard says that a device was heard; Status is nil where it said nothing of
// itself. Rival says that two units use the device's identity.
type Heard struct {
	Device string
	At     time.Time
	Status *nrd.Status
	Rival  bool
}

// Totals counts what is held.
type Totals struct {
	Records, Hits, Images, Quarantined uint64
	Days                               int
}

// Store keeps records, accounts, the access log and devices. All methods are
// safe for concurrent use; none returns before what it says is on stable
// storage.
//
// Insert is idempotent: storing an item again answers Duplicate and changes
// nothing. A record goes to the day of its capture time (the corrected one, where
// it comes with a correction), an image to the day of
// its record; an image whose record has not come yet is kept and joined later.
// An item whose key and kind are held with another digest, and one with
// Quarantine set, is Quarantined. An error means that nothing is promised about
// any of the items: send them again.
type Store interface {
	Lists
	Hits

	Insert(ctx context.Context, items []Item) ([]Result, error)
	// Record answers ErrNotFound where the key is not held.
	Record(ctx context.Context, key nrd.Key) (*StoredRecord, error)
	// Image answers ErrNotFound where it has not arrived.
	Image(ctx context.Context, key nrd.Key, kind nrd.ImageKind) (nrd.Image, error)
	// Search answers newest capture first, without images.
	Search(ctx context.Context, q Query) ([]StoredRecord, error)
	// Latest gives the n records that were received last, newest first.
	Latest(ctx context.Context, n int) ([]StoredRecord, error)
	// Quarantine lists what was set aside, newest first.
	Quarantine(ctx context.Context, limit int) ([]Item, error)
	// Quarantined lists what was set aside under a key.
	Quarantined(ctx context.Context, key nrd.Key) ([]Item, error)
	// Unproved lists the quarantined records of one start of a device whose
	// stamps were not proved.
	Unproved(ctx context.Context, device, bootID string) ([]Unproved, error)
	// Release moves quarantined records, with their images, to the day of the
	// corrected time, and answers those that are held now. What is not in
	// quarantine, or whose key another record has, is left out.
	Release(ctx context.Context, releases []Release) ([]StoredRecord, error)
	// PutAnchor appends; the same moment from the same source again changes
	// nothing. What the device has from before forget (by At) goes. Anchors
	// answers in order of monotonic time.
	PutAnchor(ctx context.Context, a Anchor, forget time.Time) error
	Anchors(ctx context.Context, device, bootID string) ([]Anchor, error)
	Totals(ctx context.Context) (Totals, error)

	// Officers answers what officers did, newest first; OfficersOf what they did
	// about one record, oldest first. Dispositions counts what they said became of
	// hits from a time on until another, exclusive; zero times leave an end open.
	Officers(ctx context.Context, q OfficerQuery) ([]OfficerEvent, error)
	OfficersOf(ctx context.Context, record nrd.Key) ([]OfficerEvent, error)
	Dispositions(ctx context.Context, from, to time.Time) (Dispositions, error)

	// PutAccount adds or replaces; Account answers ErrNotFound for a name
	// never known; a removed account is returned with Removed set.
	PutAccount(ctx context.Context, a Account) error
	Account(ctx context.Context, name string) (Account, error)
	Accounts(ctx context.Context) ([]Account, error)

	// Log appends to the access log and fills Sequence and Chain.
	Log(ctx context.Context, a Access) (Access, error)
	// AccessLog gives lines from sequence on; CheckAccessLog walks the chain
	// and names the first line that does not fit.
	AccessLog(ctx context.Context, from uint64, limit int) ([]Access, error)
	CheckAccessLog(ctx context.Context) error

	// ChangeDevice lets change alter a device, in one step with reading it; an
	// error of change changes nothing and is returned. A device that was not
	// known is added; change sees its name only.
	ChangeDevice(ctx context.Context, name string, change func(*Device) error) error
	// Seen notes when devices were last heard and what they said, and changes
	// nothing else; a device heard for the first time is added, unapproved.
	Seen(ctx context.Context, heard ...Heard) error
	Device(ctx context.Context, name string) (Device, error)
	Devices(ctx context.Context) ([]Device, error)

	// RaiseAlarm notes an alarm unless one of its kind stands for the device, and
	// says whether it did; ClearAlarm ends the one that stands. Alarms answer
	// newest first: raised last, or cleared last.
	RaiseAlarm(ctx context.Context, a Alarm) (raised bool, err error)
	ClearAlarm(ctx context.Context, device, kind string, at time.Time) (cleared bool, err error)
	StandingAlarms(ctx context.Context) ([]Alarm, error)
	ClearedAlarms(ctx context.Context, limit int) ([]Alarm, error)
	// PutTraffic adds or replaces hours, and forgets those before a time;
	// Traffic answers all that are held, by device and hour.
	PutTraffic(ctx context.Context, forget time.Time, hours []Traffic) error
	Traffic(ctx context.Context) ([]Traffic, error)

	// Backup writes a consistent copy of everything to the empty folder dir,
	// still encrypted, and calls progress (may be nil) with bytes done and of
	// how many.
	Backup(ctx context.Context, dir string, progress func(done, total int64)) error
	Close() error
}
