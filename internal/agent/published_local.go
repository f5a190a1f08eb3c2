package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"syscall"
	"time"
)

// ErrNoCentral says that a unit's lists come from files only.
var ErrNoCentral = errors.New("lists.address is not set: this unit has lists of files only")

// ListsReport is what a unit holds of lists, and how they follow central's.
type ListsReport struct {
	Lists   []ListReport `json:"lists"`
	Central SyncReport   `json:"central"`
}

// handleLists answers `nrd-agent lists` over the unit's own socket.
func (a *Agent) handleLists(mux *http.ServeMux) {
	mux.HandleFunc("GET /lists", func(w http.ResponseWriter, _ *http.Request) {
		a.answer(w, ListsReport{a.report().Lists, a.published.report()})
	})
	mux.HandleFunc("POST /lists/sync", func(w http.ResponseWriter, _ *http.Request) {
		if a.published == nil {
			http.Error(w, ErrNoCentral.Error(), http.StatusConflict)
			return
		}
		a.answer(w, a.published.ask())
	})
}

func (a *Agent) answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(what); err != nil {
		a.Log.Debug("an answer was not sent", "error", err)
	}
}

// AskLists gets what the agent that runs with this configuration holds of lists.
// The error is ErrNotRunning where none does.
func AskLists(ctx context.Context, c *Config) (ListsReport, error) {
	var r ListsReport
	return r, c.ask(ctx, http.MethodGet, "/lists", &r)
}

// syncLook is how often SyncLists looks whether the sync has ended.
const syncLook = 100 * time.Millisecond

// SyncLists has the agent that runs with this configuration bring its lists to
// what central has published, and waits until it has tried. The errors are
// ErrNotRunning and ErrNoCentral.
func SyncLists(ctx context.Context, c *Config) (ListsReport, error) {
	var until int
	if err := c.ask(ctx, http.MethodPost, "/lists/sync", &until); err != nil {
		return ListsReport{}, err
	}
	look := time.NewTicker(syncLook)
	defer look.Stop()
	for {
		r, err := AskLists(ctx, c)
		if err != nil || r.Central.Syncs >= until {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-look.C:
		}
	}
}

// ask asks the agent that runs with this configuration.
func (c *Config) ask(ctx context.Context, method, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, method, "http://unit"+path, nil)
	if err != nil {
		return err
	}
	got, err := c.local().Do(request)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w (%s)", ErrNotRunning, c.socket())
	}
	if err != nil {
		return fmt.Errorf("the agent does not answer: %w", err)
	}
	if got.StatusCode == http.StatusConflict {
		return errors.Join(ErrNoCentral, got.Body.Close())
	}
	return errors.Join(json.NewDecoder(got.Body).Decode(answer), got.Body.Close())
}
