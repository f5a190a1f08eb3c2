package store

import (
	"context"
	"time"

	"nrd"
	"nrd/hotlist/voi"
)

// ListPurpose is what a list is kept for.
type ListPurpose string

// A list asks for a response, or gathers intelligence.
const (
	ForResponse     ListPurpose = "response"
	ForIntelligence ListPurpose = "intelligence"
)

// List is a list of vehicles of interest as central keeps it.
type List struct {
	Name string
	// Source is what the files of a list that comes to central begin with,
	// SOURCE_LIST of SOURCE_LIST_R.dat, and Every how often one is due; 0: each
	// day. Both are empty for a local list, whose entries are made here.
	Source string
	Every  time.Duration
	// Owner answers for the list.
	Owner   string
	Purpose ListPurpose
	// Recipients are the devices that have it; none: every approved one.
	Recipients []string
	// Agencies are others that exports of a local list may go to.
	Agencies []Agency `json:",omitempty"`
	// Near matches look-alikes too.
	Near bool
	// Status is for a list of tens of millions of entries that say few different
	// things, such as "no insurance"; units keep it packed.
	Status    bool
	Created   time.Time
	CreatedBy string
	// Review is the next time that somebody must look whether the list is still
	// needed; Reviewed and ReviewedBy are of the last.
	Review, Reviewed time.Time
	ReviewedBy       string
	// Withdrawn is when the list was taken out of force for good.
	Withdrawn time.Time

	// InForce is the version that is matched; its number is 0 for none yet. File
	// is what holds its entries. Published is the version handed to the publisher.
	InForce   nrd.ListVersion
	File      string
	Published uint64
	// Text is the SHA-256 of the whole file that is in force, in hexadecimal digits;
	// "" where other files have changed the list since.
	Text string
	// Changes counts the changes of a local list's entries, and Built is the one
	// that is in force.
	Changes, Built uint64
}

// Local says that the list is the force's own.
func (l *List) Local() bool { return l.Source == "" }

// Agency is another law enforcement agency to which exports of a local list may go:
// what for, and the last day on which they may.
type Agency struct {
	Name, Purpose string
	Until         time.Time
	// By is who named it.
	By    string
	Since time.Time
}

// Ended says that nothing goes there any more.
func (a *Agency) Ended(now time.Time) bool { return !now.Before(a.Until.AddDate(0, 0, 1)) }

// ListEntry is an entry of a local list with who answers for it.
type ListEntry struct {
	nrd.Entry
	ID uint64
	// Covert entries are matched at central and go to no vehicle.
	Covert  bool
	Creator string
	Created time.Time
	// Rationale says why it has its priority.
	Rationale string
	// Review is when the entry must be looked at again.
	Review time.Time
}

// Overdue says that the entry should have been looked at.
func (e *ListEntry) Overdue(now time.Time) bool {
	return !e.Review.IsZero() && !now.Before(e.Review.AddDate(0, 0, 1))
}

// EntryQuery selects entries of a local list, by VRM and reference. VRM narrows to
// one; After is the last one of the page before.
type EntryQuery struct {
	List  string
	VRM   nrd.VRM
	After EntryKey
	// Limit caps the answer; 0 means 100, at most 10,000.
	Limit int
}

// EntryKey tells the entries of one list apart.
type EntryKey struct {
	VRM       nrd.VRM
	Reference string
}

// EntryChange is one change of a local list: entries with an ID are put in the
// place of those that have it, the others are added, and some are taken away.
type EntryChange struct {
	Put    []ListEntry
	Remove []uint64
	// All takes away every entry that is not put.
	All bool
}

// ImportState is what became of a list file.
type ImportState string

// The states of an import. One that is held waits for a person, who approves or
// rejects it.
const (
	ImportLoaded   ImportState = "loaded"
	ImportRefused  ImportState = "refused"
	ImportHeld     ImportState = "held"
	ImportApproved ImportState = "approved"
	ImportRejected ImportState = "rejected"
)

// ListImport is a list file that came to central and what became of it.
type ListImport struct {
	ID   uint64
	List string
	// By is the account that brought it, or "inbox".
	By        string
	File      string
	Operation string // replace, insert or delete; "" where it could not be read
	Received  time.Time
	State     ImportState
	// Why says why it was refused or held.
	Why string
	// Before and Entries are how many entries the list had, and has with it; Expired
	// of these match no more.
	Before, Entries, Expired int
	Report                   voi.Report
	// Decided, DecidedBy and Reason are of who approved or rejected it.
	Decided           time.Time
	DecidedBy, Reason string

	// Candidate is the file that waits, issued at Issued.
	Candidate string
	Issued    time.Time
	// Text is the SHA-256 of what the file says, in hexadecimal digits.
	Text string
	// Unsearched says why stored records were not searched for what it adds; "" where
	// they were.
	Unsearched string `json:",omitempty"`
}

// Retrospect is a search of stored records for marks that were put on a list, that
// is still to be made.
type Retrospect struct {
	ID   uint64
	List string
	At   time.Time
	// By is who added them, Reason why.
	By, Reason string
	Marks      []nrd.VRM
	// Unmade says why it is not to be made, and only noted; "" where it is.
	Unmade string `json:",omitempty"`
}

// Lists keeps the lists, what is on the local ones, and what came in files.
type Lists interface {
	// ChangeList lets change alter a list, in one step with reading it; an error of
	// change changes nothing and is returned. A list that was not known is added.
	ChangeList(ctx context.Context, name string, change func(*List) error) error
	// List answers ErrNotFound for a name never known.
	List(ctx context.Context, name string) (List, error)
	Lists(ctx context.Context) ([]List, error)
	// ChangeEntries changes a local list's entries, counts the change and adds the
	// retrospect, all in one step. The error is ErrExists where an entry has the
	// mark and reference of another, ErrNotFound where an ID is not of the list.
	ChangeEntries(ctx context.Context, list string, c EntryChange, r Retrospect) error
	Entries(ctx context.Context, q EntryQuery) ([]ListEntry, error)
	// PutImport adds an import, which gets its ID, or replaces it; Import answers
	// ErrNotFound. Imports answers newest first, of one list or of all.
	PutImport(ctx context.Context, i ListImport) (ListImport, error)
	Import(ctx context.Context, id uint64) (ListImport, error)
	Imports(ctx context.Context, list string, limit int) ([]ListImport, error)
	HeldImports(ctx context.Context) ([]ListImport, error)
	// WholeImport answers the newest import of a list that was once in force as the
	// whole list and said this text, or ErrNotFound.
	WholeImport(ctx context.Context, list, text string) (ListImport, error)
	// PutInForce puts an import, the list as change makes it, and the retrospect in
	// one step.
	PutInForce(ctx context.Context, i ListImport, r Retrospect, change func(*List) error) error
	Retrospects(ctx context.Context) ([]Retrospect, error)
	RemoveRetrospect(ctx context.Context, id uint64) error
}
