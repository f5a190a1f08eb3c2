package collector

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/console"
	"nrd/collector/store"
)

func (a *api) listRoutes(mux *http.ServeMux) {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /lists":                             a.handle(access.ViewLists, a.getLists),
		"POST /lists":                            a.handle(access.ManageLists, a.postList),
		"GET /lists/{list}":                      a.handle(access.ViewLists, a.getList),
		"PUT /lists/{list}":                      a.handle(access.ManageLists, a.putList),
		"POST /lists/{list}/review":              a.handle(access.ManageLists, a.postReview),
		"POST /lists/{list}/withdraw":            a.handle(access.ManageLists, a.postWithdraw),
		"GET /lists/{list}/entries":              a.handle(access.ViewLists, a.getEntries),
		"POST /lists/{list}/entries":             a.handle(access.ManageLists, a.postEntry),
		"PUT /lists/{list}/entries/{id}":         a.handle(access.ManageLists, a.putListEntry),
		"POST /lists/{list}/entries/{id}/remove": a.handle(access.ManageLists, a.postRemove),
		"POST /lists/{list}/import":              a.handle(access.ManageLists, a.postImport),
		"POST /lists/{list}/export":              a.handle(access.ExportLists, a.postExport),
		"POST /lists/{list}/share":               a.handle(access.ExportLists, a.postShare),
		"POST /lists/{list}/unshare":             a.handle(access.ExportLists, a.postUnshare),
		"GET /imports":                           a.handle(access.ViewLists, a.getImports),
		"GET /imports/{id}":                      a.handle(access.ViewLists, a.getImport),
		"POST /imports/{id}/approve":             a.handle(access.DecideImports, a.postDecision(a.lists.Approve)),
		"POST /imports/{id}/reject":              a.handle(access.DecideImports, a.postDecision(a.lists.Reject)),
		"POST /hits":                             a.handle(access.Search, a.postHits),
		"POST /hits/acknowledge":                 a.handle(access.Acknowledge, a.postSeen),
	} {
		method, path, _ := strings.Cut(pattern, " ")
		mux.HandleFunc(method+" "+apiPath+path, h)
	}
}

func (a *api) getLists(c *call) (any, error) { return a.showLists(c.Context(), c.by, nothing{}) }

func (a *api) getList(c *call) (any, error) {
	one, _, err := a.lists.One(c.Context(), c.by, store.EntryQuery{List: c.PathValue("list"), Limit: 1})
	return a.listStateOf(&one), err
}

func (a *api) postList(c *call) (any, error) {
	var s ListSettings
	if err := c.into(&s, "name", "owner", "purpose"); err != nil {
		return nil, err
	}
	_, err := a.createList(c.Context(), c.by, s)
	return named{s.Name}, err
}

func (a *api) putList(c *call) (any, error) {
	var change ListChange
	if err := c.into(&change); err != nil {
		return nil, err
	}
	change.Name = c.PathValue("list")
	_, err := a.changeList(c.Context(), c.by, change)
	return named{change.Name}, err
}

func (a *api) postReview(c *call) (any, error) {
	var q listAct
	if err := c.into(&q, "reason"); err != nil {
		return nil, err
	}
	q.Name = c.PathValue("list")
	return a.reviewList(c.Context(), c.by, q)
}

func (a *api) postWithdraw(c *call) (any, error) {
	reason, err := c.reason()
	if err != nil {
		return nil, err
	}
	return nothing{}, a.lists.Withdraw(c.Context(), c.by, c.PathValue("list"), reason)
}

// Entries are some of a local list's; Next is where those that follow are.
type Entries struct {
	Entries []ListedEntry `json:"entries"`
	Next    string        `json:"next,omitempty"`
}

func (a *api) getEntries(c *call) (any, error) {
	q, err := c.query("vrm", "after_vrm", "after_reference", "limit")
	if err != nil {
		return nil, err
	}
	most, err := mostAsked(q)
	if err != nil {
		return nil, err
	}
	if most == 0 {
		most = store.DefaultLimit
	}
	entries, err := a.showEntries(c.Context(), c.by, ListQuery{
		List: c.PathValue("list"), VRM: q.Get("vrm"), AfterVRM: q.Get("after_vrm"), AfterReference: q.Get("after_reference"), Limit: most,
	})
	some := Entries{Entries: entries}
	if len(entries) == most {
		last := entries[most-1]
		q.Set("after_vrm", last.VRM)
		q.Set("after_reference", last.Reference)
		some.Next = apiPath + "/lists/" + url.PathEscape(last.List) + "/entries?" + q.Encode()
	}
	return some, err
}

func (a *api) postEntry(c *call) (any, error) { return a.entryInto(c, 0) }

func (a *api) putListEntry(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return a.entryInto(c, id)
}

// entryInto adds the entry in the body, or puts it in the place of the one with id,
// and gives it as the list has it.
func (a *api) entryInto(c *call, id uint64) (any, error) {
	var e ListedEntry
	if err := c.into(&e, "vrm", "weed"); err != nil {
		return nil, err
	}
	e.List, e.ID = c.PathValue("list"), id
	if _, err := a.putEntry(c.Context(), c.by, e); err != nil {
		return nil, err
	}
	return a.held(c.Context(), &e)
}

// held gives an entry as it stands in its list.
func (a *api) held(ctx context.Context, e *ListedEntry) (ListedEntry, error) {
	vrm, err := nrd.ParseVRM(e.VRM)
	if err != nil {
		return ListedEntry{}, err
	}
	entries, err := a.store.Entries(ctx, store.EntryQuery{List: e.List, VRM: vrm, Limit: store.MaxLimit})
	for i := range entries {
		if entries[i].Reference == e.Reference {
			return listedOf(&entries[i], a.config.Clock.Now()), err
		}
	}
	return ListedEntry{}, fmt.Errorf("the entry was changed again meanwhile: %w", store.ErrNotFound)
}

func (a *api) postRemove(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	reason, err := c.reason()
	if err != nil {
		return nil, err
	}
	return nothing{}, a.lists.RemoveEntry(c.Context(), c.by, c.PathValue("list"), id, reason)
}

// postImport loads the file of a form. One that is refused is an answer like any
// other: its state and report say so.
func (a *api) postImport(c *call) (any, error) {
	u, err := console.ReadUpload(c.w, c.Request)
	if err != nil {
		return nil, err
	}
	i, err := a.lists.ImportFrom(c.Context(), c.by, c.PathValue("list"), u.Name, u.Open, u.Upload)
	return importOf(&i, true), err
}

func (a *api) postExport(c *call) (any, error) {
	var q struct {
		Reason string `json:"reason"`
		To     string `json:"to"`
	}
	if err := c.into(&q, "reason"); err != nil {
		return nil, err
	}
	text, err := a.exportList(c.Context(), c.by, listAct{Name: c.PathValue("list"), To: q.To, Reason: q.Reason})
	return csv(text), err
}

func (a *api) postShare(c *call) (any, error) {
	var g ListAgency
	if err := c.into(&g, "name", "purpose", "until"); err != nil {
		return nil, err
	}
	g.List = c.PathValue("list")
	return a.shareList(c.Context(), c.by, g)
}

func (a *api) postUnshare(c *call) (any, error) {
	var q struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
	}
	if err := c.into(&q, "name", "reason"); err != nil {
		return nil, err
	}
	return a.unshareList(c.Context(), c.by, listAct{Name: c.PathValue("list"), To: q.Name, Reason: q.Reason})
}

func (a *api) getImports(c *call) (any, error) {
	q, err := c.query("list")
	if err != nil {
		return nil, err
	}
	return a.showImports(c.Context(), c.by, named{q.Get("list")})
}

func (a *api) getImport(c *call) (any, error) {
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	return a.showImport(c.Context(), c.by, listAct{ID: id})
}

func (a *api) postDecision(decide func(context.Context, access.By, uint64, string) error) func(*call) (any, error) {
	return func(c *call) (any, error) {
		id, err := c.id()
		if err != nil {
			return nil, err
		}
		reason, err := c.reason()
		if err != nil {
			return nil, err
		}
		return nothing{}, decide(c.Context(), c.by, id, reason)
	}
}

func (a *api) postHits(c *call) (any, error) {
	var q struct {
		List   string `json:"list"`
		Reason string `json:"reason"`
	}
	if err := c.into(&q, "reason"); err != nil {
		return nil, err
	}
	return a.showHits(c.Context(), c.by, listAct{Name: q.List, Reason: q.Reason})
}

func (a *api) postSeen(c *call) (any, error) {
	var s SeenHit
	if err := c.into(&s, "record", "list", "entry"); err != nil {
		return nil, err
	}
	return a.acknowledgeHit(c.Context(), c.by, s)
}
