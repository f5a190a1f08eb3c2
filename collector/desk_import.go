package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"nrd/collector/access"
	"nrd/collector/ingest"
	"nrd/collector/store"
	"nrd/internal/sealed"
	"nrd/uplink/carry"
)

// Imported says what became of the items of a file that was carried here.
type Imported struct {
	ingest.Imported
	// Broken says where the file ended too soon; what came before is held.
	Broken string `json:"broken,omitempty"`
}

// importCarried stores the records in the body, which is a file of carried
// records in the clear.
func (d *deskServer) importCarried(w http.ResponseWriter, r *http.Request) {
	who, q := by(r), r.URL.Query()
	_, err := d.access.Authorise(r.Context(), access.Request{
		Account: who.Account, From: who.From, Right: access.Import, Action: "import", Subject: q.Get("file"), Reason: q.Get("reason"),
	})
	if err != nil {
		d.reply(w, http.StatusUnprocessableEntity, complain(err))
		return
	}
	in := &ingest.Ingest{Store: d.store, Profile: d.config.profile, Clock: d.config.Clock, Log: d.log}
	got, err := in.Import(r.Context(), r.Body)
	answer := Imported{Imported: got}
	if err != nil {
		answer.Broken = err.Error()
	}
	_, err = d.store.Log(r.Context(), store.Access{
		At: d.config.Clock.Now(), Account: who.Account, From: who.From, Action: "import ended", Outcome: "ok",
		Subject: fmt.Sprintf("%s: %d stored, %d held before, %d quarantined, %d refused, %d left for later",
			q.Get("file"), got.Stored, got.Duplicates, got.Quarantined, got.Refused, got.Later),
	})
	if err != nil {
		d.reply(w, http.StatusUnprocessableEntity, complain(err))
		return
	}
	d.reply(w, http.StatusOK, answer)
}

// Import stores what was carried here in a file of "nrd-agent buffer export", as
// if it had come over the network; keyFile is the key's, "" for a file that is
// not sealed. What is held already changes nothing. The error is ErrInvalid for
// a file that is none or ends too soon; Imported says what of it is held.
func (d *Desk) Import(ctx context.Context, file, keyFile, reason string) (got Imported, err error) {
	var key *sealed.Key
	if keyFile != "" {
		if key, err = sealed.LoadKey(keyFile); err != nil {
			return got, err
		}
	}
	f, err := os.Open(file)
	if err != nil {
		return got, err
	}
	defer f.Close() //nolint:errcheck // only read
	read, write := io.Pipe()
	opened := make(chan error, 1)
	go func() {
		err := inClear(f, key, write)
		opened <- errors.Join(err, write.Close()) // the end is missing where the file's is
	}()
	q := url.Values{"file": {filepath.Base(file)}, "reason": {reason}}
	body, err := d.send(ctx, "/import?"+q.Encode(), read)
	_ = read.Close() // so that nobody writes to it any more
	broken := <-opened
	if err != nil {
		return got, err
	}
	if err := errors.Join(json.NewDecoder(body).Decode(&got), body.Close()); err != nil {
		return got, err
	}
	if broken == nil && got.Broken != "" {
		broken = errors.New(got.Broken)
	}
	if broken != nil {
		broken = fmt.Errorf("%w: %s: %w", ErrInvalid, file, broken)
	}
	return got, broken
}

// inClear opens a file of carried records on its way to central: its key stays
// with who has it.
func inClear(from io.Reader, key *sealed.Key, to io.Writer) error {
	w, err := carry.NewWriter(to, nil)
	if err != nil {
		return err
	}
	if err := carry.Read(from, key, w.Add); err != nil {
		return errors.Join(err, w.Flush())
	}
	return w.Close()
}
