package collector

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/lists"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// ListSettings make a list. One without a source is local.
type ListSettings struct {
	Name       string    `json:"name"`
	Source     string    `json:"source,omitempty"`
	Every      int64     `json:"every_s,omitempty"`
	Owner      string    `json:"owner"`
	Purpose    string    `json:"purpose"`
	Recipients []string  `json:"recipients,omitempty"`
	Near       bool      `json:"near,omitempty"`
	Status     bool      `json:"status,omitempty"`
	Review     time.Time `json:"review,omitzero"`
}

// ListChange gives a list other settings; what is nil stays as it is. Recipients that
// are there and empty are every approved device.
type ListChange struct {
	Name       string     `json:"name"`
	Every      *int64     `json:"every_s,omitempty"`
	Owner      *string    `json:"owner,omitempty"`
	Purpose    *string    `json:"purpose,omitempty"`
	Recipients *[]string  `json:"recipients,omitempty"`
	Near       *bool      `json:"near,omitempty"`
	Review     *time.Time `json:"review,omitempty"`
}

// ListAgency is another law enforcement agency that exports of a local list may go to;
// Until is a day.
type ListAgency struct {
	List    string    `json:"list"`
	Name    string    `json:"name"`
	Purpose string    `json:"purpose"`
	Until   time.Time `json:"until"`
	By      string    `json:"by,omitempty"`
	Ended   bool      `json:"ended,omitempty"`
}

// ListState is a list as the command line shows it.
type ListState struct {
	ListSettings
	Version      uint64            `json:"version"`
	Entries      int               `json:"entries"`
	Issued       *time.Time        `json:"issued,omitempty"`
	Published    uint64            `json:"published"`
	Agencies     []ListAgency      `json:"agencies,omitempty"`
	Created      time.Time         `json:"created"`
	CreatedBy    string            `json:"created_by"`
	Reviewed     *time.Time        `json:"reviewed,omitempty"`
	ReviewedBy   string            `json:"reviewed_by,omitempty"`
	Overdue      bool              `json:"review_overdue,omitempty"`
	NearRefused  bool              `json:"near_refused,omitempty"`
	Withdrawn    *time.Time        `json:"withdrawn,omitempty"`
	Hits         uint64            `json:"hits_30d"`
	Dispositions map[string]uint64 `json:"dispositions_30d,omitempty"`
	Held         int               `json:"held"`
	Problem      string            `json:"problem,omitempty"`
}

// ListedEntry is an entry of a local list. Times are days.
type ListedEntry struct {
	List         string   `json:"list"`
	ID           uint64   `json:"id,omitempty"`
	VRM          string   `json:"vrm"`
	Reference    string   `json:"reference,omitempty"`
	Priority     string   `json:"priority"`
	Rationale    string   `json:"rationale,omitempty"`
	Markers      []string `json:"markers,omitempty"`
	Make         string   `json:"make,omitempty"`
	Model        string   `json:"model,omitempty"`
	Colour       string   `json:"colour,omitempty"`
	Reason       string   `json:"reason,omitempty"`
	Intelligence string   `json:"intelligence,omitempty"`
	Information  string   `json:"information,omitempty"`
	Instructions string   `json:"instructions,omitempty"`
	Force        string   `json:"force,omitempty"`
	Marking      string   `json:"marking,omitempty"`
	CAD          string   `json:"cad,omitempty"`
	// Action and NationalID, where they are empty, stay as they were.
	Action     string `json:"action,omitempty"`
	NationalID string `json:"national_id,omitempty"`

	Covert  bool      `json:"covert,omitempty"`
	Weed    time.Time `json:"weed"`
	Review  time.Time `json:"review,omitzero"`
	Creator string    `json:"creator,omitempty"`
	Created time.Time `json:"created,omitzero"`
	// State is "in force", "overdue" or "expired".
	State string `json:"state,omitempty"`
}

// ListQuery asks for entries of a local list; VRM narrows to one mark. AfterVRM and
// AfterReference are of the last entry of the page before, Limit is how many a page
// has: 10,000 at the most and where it is 0.
type ListQuery struct {
	List           string `json:"list"`
	VRM            string `json:"vrm,omitempty"`
	AfterVRM       string `json:"after_vrm,omitempty"`
	AfterReference string `json:"after_reference,omitempty"`
	Limit          int    `json:"limit,omitempty"`
}

// ListFile is a list file to be loaded. Central reads it by its path, so it must be
// one that central's system user may read.
type ListFile struct {
	List      string    `json:"list"`
	Path      string    `json:"path"`
	Rationale string    `json:"rationale,omitempty"`
	Weed      time.Time `json:"weed,omitzero"`
	Review    time.Time `json:"review,omitzero"`
	Covert    bool      `json:"covert,omitempty"`
	Sure      bool      `json:"sure,omitempty"`
}

// ListImport is what became of a list file.
type ListImport struct {
	ID        uint64    `json:"id"`
	List      string    `json:"list"`
	File      string    `json:"file"`
	By        string    `json:"by"`
	Operation string    `json:"operation,omitempty"`
	Received  time.Time `json:"received"`
	State     string    `json:"state"`
	Why       string    `json:"why,omitempty"`
	Before    int       `json:"before"`
	Entries   int       `json:"entries"`
	Expired   int       `json:"expired,omitempty"`
	Accepted  int       `json:"accepted"`
	Refused   int       `json:"refused"`
	// Unsearched says why stored records were not searched for what it adds.
	Unsearched string     `json:"unsearched,omitempty"`
	Report     []string   `json:"report,omitempty"`
	Decided    *time.Time `json:"decided,omitempty"`
	DecidedBy  string     `json:"decided_by,omitempty"`
	Reason     string     `json:"reason,omitempty"`
}

// ListHit is a hit alarm as the command line shows it.
type ListHit struct {
	Record   string    `json:"record"`
	VRM      string    `json:"vrm"`
	Captured time.Time `json:"captured"`
	Device   string    `json:"device"`
	Camera   string    `json:"camera"`
	Raised   time.Time `json:"raised"`
	FoundBy  string    `json:"found_by"`
	Covert   bool      `json:"covert,omitempty"`
	// Entry and Reference are those of the entry that was hit; with record and list
	// they tell the hit apart.
	Entry     string `json:"entry"`
	Reference string `json:"reference,omitempty"`
	// Acknowledged is when somebody at central had seen it.
	Acknowledged   *time.Time `json:"acknowledged,omitempty"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
	Note           string     `json:"note,omitempty"`
	FoundHit
}

// SeenHit says that somebody has seen a hit.
type SeenHit struct {
	Record    string `json:"record"`
	List      string `json:"list"`
	Entry     string `json:"entry"`
	Reference string `json:"reference,omitempty"`
	Note      string `json:"note,omitempty"`
}

// listAct is something to be done with a list, an entry or an import.
type listAct struct {
	Name   string    `json:"name"`
	ID     uint64    `json:"id,omitempty"`
	Reason string    `json:"reason"`
	Next   time.Time `json:"next,omitzero"`
	// To is the agency that an export goes to.
	To string `json:"to,omitempty"`
}

func (d *deskServer) listRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /list/list", answer(d, d.showLists))
	mux.HandleFunc("POST /list/create", answer(d, d.createList))
	mux.HandleFunc("POST /list/change", answer(d, d.changeList))
	mux.HandleFunc("POST /list/review", answer(d, d.reviewList))
	mux.HandleFunc("POST /list/withdraw", answer(d, d.withdrawList))
	mux.HandleFunc("POST /list/entries", answer(d, d.showEntries))
	mux.HandleFunc("POST /list/put", answer(d, d.putEntry))
	mux.HandleFunc("POST /list/remove", answer(d, d.removeEntry))
	mux.HandleFunc("POST /list/import", answer(d, d.importList))
	mux.HandleFunc("POST /list/imports", answer(d, d.showImports))
	mux.HandleFunc("POST /list/report", answer(d, d.showImport))
	mux.HandleFunc("POST /list/approve", answer(d, d.approveImport))
	mux.HandleFunc("POST /list/reject", answer(d, d.rejectImport))
	mux.HandleFunc("POST /list/export", answer(d, d.exportList))
	mux.HandleFunc("POST /list/share", answer(d, d.shareList))
	mux.HandleFunc("POST /list/unshare", answer(d, d.unshareList))
	mux.HandleFunc("POST /list/hits", answer(d, d.showHits))
	mux.HandleFunc("POST /list/acknowledge", answer(d, d.acknowledgeHit))
}

func (d *deskServer) showLists(ctx context.Context, by access.By, _ nothing) ([]ListState, error) {
	all, err := d.lists.All(ctx, by)
	states := make([]ListState, len(all))
	for i := range all {
		states[i] = d.listStateOf(&all[i])
	}
	return states, err
}

func (d *deskServer) listStateOf(s *lists.Summary) ListState {
	state := ListState{
		ListSettings: ListSettings{
			Name: s.Name, Source: s.Source, Every: int64(s.Every.Seconds()), Owner: s.Owner, Purpose: string(s.Purpose), Recipients: s.Recipients, Near: s.Near, Status: s.Status,
			Review: s.List.Review,
		},
		Version: s.InForce.Version, Entries: s.InForce.Entries, Issued: known(s.InForce.Issued), Published: s.Published, Created: s.Created, CreatedBy: s.CreatedBy,
		Reviewed: known(s.Reviewed), ReviewedBy: s.ReviewedBy, Overdue: s.ReviewOverdue, NearRefused: s.NearRefused, Withdrawn: known(s.Withdrawn), Hits: s.Hits, Held: s.Held, Problem: s.Problem,
	}
	for _, a := range s.Agencies {
		state.Agencies = append(state.Agencies, ListAgency{
			List: s.Name, Name: a.Name, Purpose: a.Purpose, Until: a.Until, By: a.By, Ended: a.Ended(d.config.Clock.Now()),
		})
	}
	for what, n := range s.Dispositions {
		if state.Dispositions == nil {
			state.Dispositions = map[string]uint64{}
		}
		state.Dispositions[string(what)] = n
	}
	return state
}

func (s *ListSettings) list() lists.NewList {
	return lists.NewList{
		Name: s.Name, Source: s.Source, Every: time.Duration(s.Every) * time.Second, Owner: s.Owner, Purpose: store.ListPurpose(s.Purpose), Recipients: s.Recipients,
		Near: s.Near, Status: s.Status, Review: s.Review,
	}
}

func (d *deskServer) createList(ctx context.Context, by access.By, s ListSettings) (nothing, error) {
	return nothing{}, d.lists.Create(ctx, by, s.list())
}

func (d *deskServer) changeList(ctx context.Context, by access.By, change ListChange) (nothing, error) {
	return nothing{}, d.lists.Change(ctx, by, change.Name, change.alter)
}

// alter puts what is given in the place of what there is.
func (c *ListChange) alter(n *lists.NewList) {
	if c.Every != nil {
		n.Every = time.Duration(*c.Every) * time.Second
	}
	if c.Purpose != nil {
		n.Purpose = store.ListPurpose(*c.Purpose)
	}
	put(&n.Owner, c.Owner)
	put(&n.Recipients, c.Recipients)
	put(&n.Near, c.Near)
	put(&n.Review, c.Review)
}

func put[T any](to, given *T) {
	if given != nil {
		*to = *given
	}
}

func (d *deskServer) reviewList(ctx context.Context, by access.By, q listAct) (nothing, error) {
	return nothing{}, d.lists.Review(ctx, by, q.Name, q.Reason, q.Next)
}

func (d *deskServer) withdrawList(ctx context.Context, by access.By, q listAct) (nothing, error) {
	return nothing{}, d.lists.Withdraw(ctx, by, q.Name, q.Reason)
}

func (d *deskServer) shareList(ctx context.Context, by access.By, a ListAgency) (nothing, error) {
	return nothing{}, d.lists.Share(ctx, by, a.List, store.Agency{Name: a.Name, Purpose: a.Purpose, Until: a.Until})
}

func (d *deskServer) unshareList(ctx context.Context, by access.By, q listAct) (nothing, error) {
	return nothing{}, d.lists.Unshare(ctx, by, q.Name, q.To, q.Reason)
}

func (d *deskServer) showEntries(ctx context.Context, by access.By, q ListQuery) ([]ListedEntry, error) {
	query := store.EntryQuery{List: q.List, After: store.EntryKey{VRM: nrd.VRM(q.AfterVRM), Reference: q.AfterReference}, Limit: cmp.Or(q.Limit, store.MaxLimit)}
	if q.VRM != "" {
		var err error
		if query.VRM, err = nrd.ParseVRM(q.VRM); err != nil {
			return nil, fmt.Errorf("%w: %w", lists.ErrInvalid, err)
		}
	}
	_, entries, err := d.lists.One(ctx, by, query)
	listed := make([]ListedEntry, len(entries))
	now := d.config.Clock.Now()
	for i := range entries {
		listed[i] = listedOf(&entries[i], now)
	}
	return listed, err
}

func listedOf(e *store.ListEntry, now time.Time) ListedEntry {
	return ListedEntry{
		List: e.List, ID: e.ID, VRM: string(e.VRM), Reference: e.Reference, Priority: e.Priority.String(), Rationale: e.Rationale, Markers: e.Markers,
		Make: e.Make, Model: e.Model, Colour: e.Colour, Reason: e.Reason, Intelligence: e.Intelligence, Information: e.Information, Instructions: e.Instructions,
		Force: e.Force, Marking: e.Marking, CAD: e.CAD, Action: e.Action, NationalID: e.NationalID, Covert: e.Covert, Weed: e.Weed, Review: e.Review, Creator: e.Creator, Created: e.Created,
		State: lists.StateOf(e, now),
	}
}

func (e *ListedEntry) entry() (store.ListEntry, error) {
	priority, ok := nrd.ParsePriority(e.Priority)
	if !ok {
		return store.ListEntry{}, fmt.Errorf("%w: the priority is high, medium, low or none, not %q", lists.ErrInvalid, e.Priority)
	}
	return store.ListEntry{
		Entry: nrd.Entry{
			VRM: nrd.VRM(e.VRM), Reference: e.Reference, Priority: priority, Markers: e.Markers, Make: e.Make, Model: e.Model, Colour: e.Colour,
			Reason: e.Reason, Intelligence: e.Intelligence, Information: e.Information, Instructions: e.Instructions, Force: e.Force, Marking: e.Marking,
			CAD: e.CAD, Action: e.Action, NationalID: e.NationalID, Weed: e.Weed,
		},
		ID: e.ID, Covert: e.Covert, Rationale: e.Rationale, Review: e.Review,
	}, nil
}

func (d *deskServer) putEntry(ctx context.Context, by access.By, e ListedEntry) (nothing, error) {
	entry, err := e.entry()
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, d.lists.PutEntry(ctx, by, e.List, entry)
}

func (d *deskServer) removeEntry(ctx context.Context, by access.By, q listAct) (nothing, error) {
	return nothing{}, d.lists.RemoveEntry(ctx, by, q.Name, q.ID, q.Reason)
}

func (d *deskServer) importList(ctx context.Context, by access.By, q ListFile) (ListImport, error) {
	i, err := d.lists.ImportFrom(ctx, by, q.List, filepath.Base(q.Path), func() (*voi.File, error) {
		if info, err := os.Stat(q.Path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%w: %s is no file", lists.ErrInvalid, q.Path)
		}
		f, err := voi.Open(q.Path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			err = fmt.Errorf("%w: central reads it itself: %w", lists.ErrInvalid, err)
		}
		return f, err
	}, lists.Upload{Rationale: q.Rationale, Weed: q.Weed, Review: q.Review, Covert: q.Covert, Sure: q.Sure})
	return importOf(&i, true), err
}

func (d *deskServer) showImports(ctx context.Context, by access.By, q named) ([]ListImport, error) {
	all, err := d.lists.Imports(ctx, by, q.Name, store.DefaultLimit)
	shown := make([]ListImport, len(all))
	for i := range all {
		shown[i] = importOf(&all[i], false)
	}
	return shown, err
}

func (d *deskServer) showImport(ctx context.Context, by access.By, q listAct) (ListImport, error) {
	i, err := d.lists.ImportOf(ctx, by, q.ID)
	return importOf(&i, true), err
}

// notSearched begins the sentence about an import whose marks nobody looked for.
const notSearched = "stored records were not searched for what it adds: "

func importOf(i *store.ListImport, whole bool) ListImport {
	shown := ListImport{
		ID: i.ID, List: i.List, File: i.File, By: i.By, Operation: i.Operation, Received: i.Received, State: string(i.State), Why: i.Why, Before: i.Before,
		Entries: i.Entries, Expired: i.Expired, Accepted: i.Report.Accepted, Refused: i.Report.Refused, Decided: known(i.Decided), DecidedBy: i.DecidedBy, Reason: i.Reason,
	}
	if i.Unsearched != "" {
		shown.Unsearched = notSearched + i.Unsearched
	}
	if whole {
		for _, p := range i.Report.Problems {
			shown.Report = append(shown.Report, p.String())
		}
		if n := i.Report.Omitted; n > 0 {
			shown.Report = append(shown.Report, fmt.Sprintf("%d more problems", n))
		}
	}
	return shown
}

func (d *deskServer) approveImport(ctx context.Context, by access.By, q listAct) (nothing, error) {
	return nothing{}, d.lists.Approve(ctx, by, q.ID, q.Reason)
}

func (d *deskServer) rejectImport(ctx context.Context, by access.By, q listAct) (nothing, error) {
	return nothing{}, d.lists.Reject(ctx, by, q.ID, q.Reason)
}

func (d *deskServer) exportList(ctx context.Context, by access.By, q listAct) (string, error) {
	var b bytes.Buffer
	err := d.lists.Export(ctx, by, q.Name, q.To, q.Reason, &b)
	return b.String(), err
}

func (d *deskServer) showHits(ctx context.Context, by access.By, q listAct) ([]ListHit, error) {
	alarms, err := d.lists.Hits(ctx, by, store.HitQuery{List: q.Name}, q.Reason)
	hits := make([]ListHit, len(alarms))
	for i := range alarms {
		hits[i] = listHitOf(&alarms[i])
	}
	return hits, err
}

func listHitOf(a *store.HitAlarm) ListHit {
	return ListHit{
		Record: a.Record.String(), VRM: string(a.VRM), Captured: a.Captured, Device: a.Record.Device, Camera: a.Camera, Raised: a.Raised, FoundBy: string(a.By),
		Covert: a.Covert, Entry: string(a.Hit.Entry.VRM), Reference: a.Hit.Entry.Reference,
		Acknowledged: known(a.Acknowledged.At), AcknowledgedBy: a.Acknowledged.By, Note: a.Acknowledged.Note, FoundHit: foundHitOf(&a.Hit),
	}
}

func (d *deskServer) acknowledgeHit(ctx context.Context, by access.By, s SeenHit) (ListHit, error) {
	record, err := parseKey(s.Record)
	if err != nil {
		return ListHit{}, err
	}
	vrm, err := nrd.ParseVRM(s.Entry)
	if err != nil {
		return ListHit{}, fmt.Errorf("%w: %w", lists.ErrInvalid, err)
	}
	a, err := d.lists.Acknowledge(ctx, by, store.HitKey{Record: record, List: s.List, VRM: vrm, Reference: s.Reference}, s.Note)
	return listHitOf(&a), err
}
