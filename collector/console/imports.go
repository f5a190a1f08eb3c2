package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

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

// importList takes a file. It is kept in memory only: what lies on a disk is
// encrypted.
func (c *Console) importList(w http.ResponseWriter, r *http.Request, who visitor) {
	// The kernel's sockets know real time only.
	if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(uploadPatience)); err != nil {
		c.Log.Debug("an upload has the usual time only", "error", err)
	}
	i, err := c.upload(r, who)
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = fmt.Errorf("%w: the page takes files of up to %d MB; lay larger ones into the inbox", lists.ErrInvalid, maxUpload>>20)
	}
	if err != nil {
		c.listDone(w, r, who, "import", err)
		return
	}
	http.Redirect(w, r, fmt.Sprintf("/imports/%d", i.ID), http.StatusSeeOther)
}

func (c *Console) upload(r *http.Request, who visitor) (store.ListImport, error) {
	if err := r.ParseMultipartForm(maxUpload); err != nil { // so nothing goes to a temporary file
		return store.ListImport{}, fmt.Errorf("%w: %w", lists.ErrInvalid, err)
	}
	weed, weedErr := dayOf("weed date", r.PostFormValue("weed"))
	review, reviewErr := dayOf("review", r.PostFormValue("review"))
	if err := errors.Join(weedErr, reviewErr); err != nil {
		return store.ListImport{}, err
	}
	part, header, err := r.FormFile("file")
	if err != nil {
		return store.ListImport{}, fmt.Errorf("%w: no file was chosen", lists.ErrInvalid)
	}
	f, err := inMemory(part, path.Base(header.Filename))
	if err != nil {
		return store.ListImport{}, err
	}
	defer f.Close() //nolint:errcheck // it is in memory
	return c.Lists.Import(r.Context(), who.by(), r.PathValue("list"), f, lists.Upload{
		Rationale: r.PostFormValue("rationale"), Weed: weed, Review: review, Covert: r.PostFormValue("covert") != "", Sure: r.PostFormValue("sure") != "",
	})
}

// inMemory opens what was uploaded as a file that no disk has.
func inMemory(part multipart.File, name string) (*voi.File, error) {
	fd, err := unix.MemfdCreate("upload", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := io.Copy(file, part); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f, err := voi.OpenFile(file, name)
	if err != nil {
		err = fmt.Errorf("%w: %w", lists.ErrInvalid, err)
	}
	return f, err
}

func (c *Console) exportList(w http.ResponseWriter, r *http.Request, who visitor) {
	var b bytes.Buffer
	if err := c.Lists.Export(r.Context(), who.by(), r.PathValue("list"), r.PostFormValue("reason"), &b); err != nil {
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
