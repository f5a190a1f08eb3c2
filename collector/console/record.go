package console

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// recordPage is a record with the line of the access log it was opened by.
type recordPage struct {
	Key    nrd.Key
	Record *store.StoredRecord
	// Officers are what officers did about it, oldest first.
	Officers []store.OfficerEvent
	For      uint64
	Reason   string
}

// record opens a record for the reason of the line that the link cites; where
// it cites none, a form asks for the reason first.
func (c *Console) record(w http.ResponseWriter, r *http.Request, who visitor) {
	key, err := pathKey(r)
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	reason, err := c.citedReason(r, who, key)
	if errors.Is(err, access.ErrReason) {
		c.show(w, http.StatusOK, "reason.html", page{Title: "Reason", Who: &who, Data: recordPage{Key: key}})
		return
	}
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	c.showRecord(w, r, who, key, reason)
}

// recordForReason opens a record for the reason in the form.
func (c *Console) recordForReason(w http.ResponseWriter, r *http.Request, who visitor) {
	key, err := pathKey(r)
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	c.showRecord(w, r, who, key, r.PostFormValue("reason"))
}

func (c *Console) showRecord(w http.ResponseWriter, r *http.Request, who visitor, key nrd.Key, reason string) {
	line, record, err := c.Access.Record(r.Context(), who.by(), reason, key)
	if errors.Is(err, access.ErrReason) {
		status, sentence := c.sentence(r, err)
		c.show(w, status, "reason.html", page{Title: "Reason", Who: &who, Problem: sentence, Data: recordPage{Key: key}})
		return
	}
	var officers []store.OfficerEvent
	if err == nil {
		officers, err = c.Store.OfficersOf(r.Context(), key)
	}
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	c.show(w, http.StatusOK, "record.html", page{
		Title: title(record), Here: "/search", Who: &who,
		Data: recordPage{Key: key, Record: record, Officers: officers, For: line.Sequence, Reason: line.Reason},
	})
}

// title is a record's mark, or that it has none.
func title(r *store.StoredRecord) string {
	if r.Unread() {
		return "No read"
	}
	return string(r.Read.VRM)
}

// image gives one picture of a record, for the reason of the line it cites.
func (c *Console) image(w http.ResponseWriter, r *http.Request, who visitor) {
	key, err := pathKey(r)
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	reason, err := c.citedReason(r, who, key)
	if err != nil && !errors.Is(err, access.ErrReason) {
		c.fail(w, r, &who, err)
		return
	}
	// Without a line to cite the reason is empty: refused, and logged.
	image, err := c.Access.Image(r.Context(), who.by(), reason, key, imageKind(r))
	c.sendImage(w, r, who, image, err)
}

func (c *Console) sendImage(w http.ResponseWriter, r *http.Request, who visitor, image nrd.Image, err error) {
	if err != nil {
		c.fail(w, r, &who, err)
		return
	}
	w.Header().Set("Content-Type", "image/jpeg")
	w.Header().Set("Content-Length", strconv.Itoa(len(image.JPEG)))
	if _, err := w.Write(image.JPEG); err != nil {
		c.Log.Debug("image not sent", "error", err)
	}
}

// citedReason gives the reason of the line that a link's "for" cites. The line of
// a live view speaks only for the records that are live.
func (c *Console) citedReason(r *http.Request, who visitor, key nrd.Key) (string, error) {
	number, err := strconv.ParseUint(r.FormValue("for"), 10, 64)
	if err != nil {
		return "", access.ErrReason
	}
	line, err := c.Access.Cited(r.Context(), who.Name, number)
	if err != nil {
		return "", err
	}
	if line.Action == openLive && !c.feed.shows(key) {
		return "", access.ErrReason
	}
	return line.Reason, access.CheckReason(line.Reason)
}

// pathKey reads the record's key from the path. The error is ErrNotFound.
func pathKey(r *http.Request) (nrd.Key, error) {
	return keyOf(r.PathValue("device"), r.PathValue("epoch"), r.PathValue("sequence"))
}

func keyOf(device, epochText, sequenceText string) (nrd.Key, error) {
	epoch, err := strconv.ParseUint(epochText, 16, 64)
	if err != nil {
		return nrd.Key{}, fmt.Errorf("%w: epoch: %w", store.ErrNotFound, err)
	}
	sequence, err := strconv.ParseUint(sequenceText, 10, 64)
	if err != nil {
		return nrd.Key{}, fmt.Errorf("%w: sequence: %w", store.ErrNotFound, err)
	}
	return nrd.Key{Device: device, Epoch: epoch, Sequence: sequence}, nil
}

func imageKind(r *http.Request) nrd.ImageKind { return nrd.ImageKind(r.PathValue("kind")) }

func recordPath(k nrd.Key) string { return "/record/" + k.String() }

func picturePath(k nrd.Key, kind nrd.ImageKind, line uint64) string {
	return fmt.Sprintf("/image/%s/%s?for=%d", k, kind, line)
}

func livePicture(k nrd.Key, kind nrd.ImageKind, view uint64) string {
	return fmt.Sprintf("/live/image/%s/%s?view=%d", k, kind, view)
}

// cardID names a record in a page.
func cardID(k nrd.Key) string { return fmt.Sprintf("r-%s-%016x-%d", k.Device, k.Epoch, k.Sequence) }
