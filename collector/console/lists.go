package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/lists"
	"nrd/collector/store"
)

const (
	// importsOnPage is how many files that came are shown, entriesOnPage how many
	// entries.
	importsOnPage = 20
	entriesOnPage = 100
)

// listsPage is all lists, or with One the page of one of them.
type listsPage struct {
	Lists         []lists.Summary
	One           *lists.Summary
	Entries       []entryRow
	VRM           string
	More          string // the link to the next entries, "" for none
	Edit          *entryRow
	Held, Imports []store.ListImport
	Import        *store.ListImport // with its report
	May           listRights
	Done          string
	UsageDays     int
	// Signing are the alarms about the signing of lists.
	Signing []store.Alarm
}

// listRights are what the visitor may do with lists.
type listRights struct{ Manage, Export, Decide bool }

// entryRow is an entry, how it stands, and the link to change it.
type entryRow struct {
	store.ListEntry
	State, Change string
}

func (c *Console) listRoutes(mux *http.ServeMux) {
	mux.Handle("GET /lists", c.signedIn(c.allLists))
	manage := func(pattern string, do func(http.ResponseWriter, *http.Request, visitor)) {
		mux.Handle("POST "+pattern, c.signedIn(c.needs(access.ManageLists, do)))
	}
	manage("/lists", c.createList)
	mux.Handle("GET /lists/{list}", c.signedIn(c.oneList))
	manage("/lists/{list}/change", c.changeList)
	manage("/lists/{list}/review", c.reviewList)
	manage("/lists/{list}/withdraw", c.withdrawList)
	manage("/lists/{list}/entries", c.putEntry)
	manage("/lists/{list}/entries/{id}/remove", c.removeEntry)
	manage("/lists/{list}/import", c.importList)
	mux.Handle("POST /lists/{list}/export", c.signedIn(c.exportList))
	mux.Handle("POST /lists/{list}/share", c.signedIn(c.needs(access.ExportLists, c.shareList)))
	mux.Handle("POST /lists/{list}/unshare", c.signedIn(c.needs(access.ExportLists, c.unshareList)))
	mux.Handle("GET /imports/{id}", c.signedIn(c.oneImport))
	mux.Handle("POST /imports/{id}/approve", c.signedIn(c.approveImport))
	mux.Handle("POST /imports/{id}/reject", c.signedIn(c.rejectImport))
}

func rightsOf(who visitor) listRights {
	return listRights{Manage: who.May(access.ManageLists), Export: who.May(access.ExportLists), Decide: who.May(access.DecideImports)}
}

// did are the words for what was done just now.
var did = map[string]string{
	"create": "The list is made.", "change": "The list has its new settings.", "review": "The review is noted.", "withdraw": "The list is withdrawn.",
	"entry": "The entry is in force.", "remove": "The entry is removed.", "import": "The file is loaded.", "approve": "The file is in force.", "reject": "The file is given up.",
	"share": "Exports may go to the agency.", "unshare": "Nothing goes to the agency any more.",
}

func (c *Console) allLists(w http.ResponseWriter, r *http.Request, who visitor) {
	c.showLists(w, r, who, http.StatusOK, "")
}

func (c *Console) showLists(w http.ResponseWriter, r *http.Request, who visitor, status int, problem string) {
	all, err := c.Lists.All(r.Context(), who.by())
	data := listsPage{Lists: all, May: rightsOf(who), Done: did[r.FormValue("done")], UsageDays: lists.UsageDays}
	if err == nil {
		data.Held, err = c.Store.HeldImports(r.Context())
	}
	if err == nil {
		data.Imports, err = c.Store.Imports(r.Context(), "", importsOnPage)
	}
	if err == nil {
		data.Signing, err = c.Store.StandingAlarms(r.Context())
	}
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	data.Signing = slices.DeleteFunc(data.Signing, func(a store.Alarm) bool { return a.Device != lists.AboutSigning })
	c.show(w, status, "lists.html", page{Title: "Lists", Here: "/lists", Who: &who, Problem: problem, Data: data})
}

func (c *Console) oneList(w http.ResponseWriter, r *http.Request, who visitor) {
	c.showList(w, r, who, http.StatusOK, "")
}

func (c *Console) showList(w http.ResponseWriter, r *http.Request, who visitor, status int, problem string) {
	name := r.PathValue("list")
	q := store.EntryQuery{List: name, Limit: entriesOnPage + 1, After: store.EntryKey{VRM: nrd.VRM(r.URL.Query().Get("after")), Reference: r.URL.Query().Get("reference")}}
	data := listsPage{VRM: r.URL.Query().Get("vrm"), May: rightsOf(who), Done: did[r.URL.Query().Get("done")], UsageDays: lists.UsageDays}
	if data.VRM != "" {
		var err error
		if q.VRM, err = nrd.ParseVRM(data.VRM); err != nil {
			status, problem, q.VRM = http.StatusUnprocessableEntity, sentenceCase(err.Error()), ""
		}
	}
	one, entries, err := c.Lists.One(r.Context(), who.by(), q)
	if err == nil {
		data.Imports, err = c.Store.Imports(r.Context(), name, importsOnPage)
	}
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	data.One = &one
	if len(entries) > entriesOnPage {
		entries = entries[:entriesOnPage]
		last := entries[entriesOnPage-1]
		data.More = data.link("after", string(last.VRM), "reference", last.Reference)
	}
	edit, _ := strconv.ParseUint(r.URL.Query().Get("edit"), 10, 64) // anything else edits nothing
	for i := range entries {
		row := entryRow{entries[i], lists.StateOf(&entries[i], c.Clock.Now()), data.link(
			"after", string(q.After.VRM), "reference", q.After.Reference, "edit", strconv.FormatUint(entries[i].ID, 10)) + "#entry"}
		data.Entries = append(data.Entries, row)
		if row.ID == edit {
			data.Edit = &row
		}
	}
	c.show(w, status, "list.html", page{Title: "List " + name, Here: "/lists", Who: &who, Problem: problem, Data: data})
}

// link is the page's own address with other values, and with the mark looked for.
func (p *listsPage) link(values ...string) string {
	q := url.Values{}
	for i := 0; i < len(values); i += 2 {
		if values[i+1] != "" {
			q.Set(values[i], values[i+1])
		}
	}
	if p.VRM != "" {
		q.Set("vrm", p.VRM)
	}
	return "/lists/" + p.One.Name + "?" + q.Encode()
}

// listDone shows a list after something was done with it, or why it was not.
func (c *Console) listDone(w http.ResponseWriter, r *http.Request, who visitor, what string, err error) {
	status, sentence := http.StatusOK, ""
	if err != nil {
		status, sentence = c.sentence(r, err)
	}
	switch {
	case err == nil:
		http.Redirect(w, r, "/lists/"+url.PathEscape(r.PathValue("list"))+"?done="+what, http.StatusSeeOther)
	case status == http.StatusUnprocessableEntity:
		c.showList(w, r, who, status, sentence)
	default:
		c.fail(w, r, &who, err)
	}
}

// settingsOf reads the form of a list.
func (c *Console) settingsOf(r *http.Request, name string) (lists.NewList, error) {
	n := lists.NewList{
		Name: name, Source: strings.TrimSpace(r.PostFormValue("source")), Owner: r.PostFormValue("owner"), Purpose: store.ListPurpose(r.PostFormValue("purpose")),
		Recipients: strings.FieldsFunc(r.PostFormValue("recipients"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' }),
		Near:       r.PostFormValue("near") != "", Status: r.PostFormValue("status") != "",
	}
	if hours := r.PostFormValue("every"); hours != "" {
		h, err := strconv.ParseFloat(hours, 64)
		if err != nil || h < 0 || h > 24*365 {
			return n, fmt.Errorf("%w: %q is no number of hours", lists.ErrInvalid, hours)
		}
		n.Every = time.Duration(h * float64(time.Hour))
	}
	var err error
	n.Review, err = dayOf("review", r.PostFormValue("review"))
	return n, err
}

// dayOf reads a day of a form; an empty one is none.
func dayOf(field, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, fmt.Errorf("%w: %s is no day such as 2027-01-31", lists.ErrInvalid, field)
	}
	return t, nil
}

func (c *Console) createList(w http.ResponseWriter, r *http.Request, who visitor) {
	n, err := c.settingsOf(r, strings.TrimSpace(r.PostFormValue("name")))
	if err == nil {
		err = c.Lists.Create(r.Context(), who.by(), n)
	}
	if err == nil {
		http.Redirect(w, r, "/lists/"+url.PathEscape(n.Name)+"?done=create", http.StatusSeeOther)
		return
	}
	status, sentence := c.sentence(r, err)
	if status != http.StatusUnprocessableEntity {
		c.fail(w, r, &who, err)
		return
	}
	c.showLists(w, r, who, status, sentence)
}

func (c *Console) changeList(w http.ResponseWriter, r *http.Request, who visitor) {
	n, err := c.settingsOf(r, r.PathValue("list"))
	if err == nil {
		err = c.Lists.Change(r.Context(), who.by(), n.Name, func(held *lists.NewList) {
			next := n
			if next.Review.IsZero() { // a form of its own has it
				next.Review = held.Review
			}
			*held = next
		})
	}
	c.listDone(w, r, who, "change", err)
}

func (c *Console) reviewList(w http.ResponseWriter, r *http.Request, who visitor) {
	next, err := dayOf("next", r.PostFormValue("next"))
	if err == nil {
		err = c.Lists.Review(r.Context(), who.by(), r.PathValue("list"), r.PostFormValue("reason"), next)
	}
	c.listDone(w, r, who, "review", err)
}

func (c *Console) withdrawList(w http.ResponseWriter, r *http.Request, who visitor) {
	err := fmt.Errorf("%w: a withdrawn list does not come back; tick the box to confirm it", lists.ErrInvalid)
	if r.PostFormValue("sure") != "" {
		err = c.Lists.Withdraw(r.Context(), who.by(), r.PathValue("list"), r.PostFormValue("reason"))
	}
	c.listDone(w, r, who, "withdraw", err)
}

func (c *Console) shareList(w http.ResponseWriter, r *http.Request, who visitor) {
	until, err := dayOf("until", r.PostFormValue("until"))
	if err == nil {
		err = c.Lists.Share(r.Context(), who.by(), r.PathValue("list"), store.Agency{Name: r.PostFormValue("to"), Purpose: r.PostFormValue("purpose"), Until: until})
	}
	c.listDone(w, r, who, "share", err)
}

func (c *Console) unshareList(w http.ResponseWriter, r *http.Request, who visitor) {
	c.listDone(w, r, who, "unshare", c.Lists.Unshare(r.Context(), who.by(), r.PathValue("list"), r.PostFormValue("to"), r.PostFormValue("reason")))
}

func (c *Console) putEntry(w http.ResponseWriter, r *http.Request, who visitor) {
	e, err := entryOf(r)
	if err == nil {
		err = c.Lists.PutEntry(r.Context(), who.by(), r.PathValue("list"), e)
	}
	c.listDone(w, r, who, "entry", err)
}

// entryOf reads the form of an entry.
func entryOf(r *http.Request) (store.ListEntry, error) {
	field := func(name string) string { return strings.TrimSpace(r.PostFormValue(name)) }
	priority, known := nrd.ParsePriority(field("priority"))
	id, idErr := strconv.ParseUint(field("id"), 10, 64)
	if field("id") == "" {
		idErr = nil
	}
	weed, weedErr := dayOf("weed date", field("weed"))
	review, reviewErr := dayOf("review", field("review"))
	if !known || idErr != nil {
		return store.ListEntry{}, fmt.Errorf("%w: the form does not hold an entry", lists.ErrInvalid)
	}
	return store.ListEntry{
		ID: id, Covert: r.PostFormValue("covert") != "", Rationale: field("rationale"), Review: review,
		Entry: nrd.Entry{
			VRM: nrd.VRM(field("vrm")), Reference: field("reference"), Priority: priority, Markers: strings.Fields(strings.ToUpper(field("markers"))),
			Make: field("make"), Model: field("model"), Colour: field("colour"), Reason: field("reason"), Information: field("information"),
			Intelligence: field("intelligence"), Force: field("force"), Marking: field("marking"), Instructions: field("instructions"), CAD: field("cad"), Weed: weed,
		},
	}, errors.Join(weedErr, reviewErr)
}

func (c *Console) removeEntry(w http.ResponseWriter, r *http.Request, who visitor) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		c.fail(w, r, &who, store.ErrNotFound)
		return
	}
	c.listDone(w, r, who, "remove", c.Lists.RemoveEntry(r.Context(), who.by(), r.PathValue("list"), id, r.PostFormValue("reason")))
}
