package console

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"time"

	"nrd/collector/lists"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// maxUpload is the largest list file that the page takes, in bytes. Larger ones go
// through the inbox.
const maxUpload = 64 << 20

// uploadPatience is how long an upload may take.
const uploadPatience = 10 * time.Minute

// uploads are the addresses that take a file.
var uploads = regexp.MustCompile(`^/lists/[^/]+/import$`)

// Uploaded is a list file that came in a form, with what the form says of it.
type Uploaded struct {
	lists.Upload
	Name string
	part multipart.File
}

// Open opens the file. It is kept in memory only.
func (u *Uploaded) Open() (*voi.File, error) { return lists.OpenInMemory(u.part, u.Name) }

// ReadUpload reads the form of an upload: the file in "file", and rationale, weed,
// review, covert and sure. The error is lists.ErrInvalid.
func ReadUpload(w http.ResponseWriter, r *http.Request) (u Uploaded, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxUpload)
	control := http.NewResponseController(w)
	late := time.Now().Add(uploadPatience) // the kernel's sockets know real time only
	if err := errors.Join(control.SetReadDeadline(late), control.SetWriteDeadline(late.Add(uploadPatience))); err != nil {
		return u, err
	}
	err = r.ParseMultipartForm(maxUpload) // so nothing goes to a temporary file
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return u, fmt.Errorf("%w: files of up to %d MB are taken here; lay larger ones into the inbox", lists.ErrInvalid, maxUpload>>20)
	}
	if err != nil {
		return u, fmt.Errorf("%w: %w", lists.ErrInvalid, err)
	}
	var weedErr, reviewErr error
	u.Weed, weedErr = dayOf("weed date", r.PostFormValue("weed"))
	u.Review, reviewErr = dayOf("review", r.PostFormValue("review"))
	u.Rationale, u.Covert, u.Sure = r.PostFormValue("rationale"), r.PostFormValue("covert") != "", r.PostFormValue("sure") != ""
	part, header, err := r.FormFile("file")
	if err != nil {
		return u, fmt.Errorf("%w: no file was chosen", lists.ErrInvalid)
	}
	u.part, u.Name = part, path.Base(header.Filename)
	return u, errors.Join(weedErr, reviewErr)
}

func (c *Console) importList(w http.ResponseWriter, r *http.Request, who visitor) {
	var i store.ListImport
	u, err := ReadUpload(w, r)
	if err == nil {
		i, err = c.Lists.ImportFrom(r.Context(), who.by(), r.PathValue("list"), u.Name, u.Open, u.Upload)
	}
	if err != nil {
		c.listDone(w, r, who, "import", err)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/imports/%d", i.ID), http.StatusSeeOther)
}

func (c *Console) exportList(w http.ResponseWriter, r *http.Request, who visitor) {
	var b bytes.Buffer
	if err := c.Lists.Export(r.Context(), who.by(), r.PathValue("list"), r.PostFormValue("to"), r.PostFormValue("reason"), &b); err != nil {
		c.listDone(w, r, who, "export", err)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", r.PathValue("list")+".csv"))
	if _, err := w.Write(b.Bytes()); err != nil {
		c.Log.Debug("export not sent", "error", err)
	}
}

func (c *Console) oneImport(w http.ResponseWriter, r *http.Request, who visitor) {
	c.showImport(w, r, who, http.StatusOK, "")
}

func (c *Console) showImport(w http.ResponseWriter, r *http.Request, who visitor, status int, problem string) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		c.fail(w, r, &who, store.ErrNotFound)
		return
	}
	i, err := c.Lists.ImportOf(r.Context(), who.by(), id)
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	data := listsPage{Import: &i, May: rightsOf(who), Done: did[r.URL.Query().Get("done")]}
	c.show(w, status, "import.html", page{Title: fmt.Sprintf("Import %d", id), Here: "/lists", Who: &who, Problem: problem, Data: data})
}

func (c *Console) approveImport(w http.ResponseWriter, r *http.Request, who visitor) {
	c.decideImport(w, r, who, "approve")
}

func (c *Console) rejectImport(w http.ResponseWriter, r *http.Request, who visitor) {
	c.decideImport(w, r, who, "reject")
}

func (c *Console) decideImport(w http.ResponseWriter, r *http.Request, who visitor, what string) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		c.fail(w, r, &who, store.ErrNotFound)
		return
	}
	decide := c.Lists.Reject
	if what == "approve" {
		decide = c.Lists.Approve
	}
	err = decide(r.Context(), who.by(), id, r.PostFormValue("reason"))
	if err == nil {
		http.Redirect(w, r, fmt.Sprintf("/imports/%d?done=%s", id, what), http.StatusSeeOther)
		return
	}
	status, sentence := c.sentence(r, err)
	if status != http.StatusUnprocessableEntity {
		c.fail(w, r, &who, err)
		return
	}
	c.showImport(w, r, who, status, sentence)
}
