package fleet

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"time"

	"nrd/collector/store"
	"nrd/internal/sealed"
)

// giveUp notes that a certificate of a device is good no more, until it ends.
func (f *Fleet) giveUp(d *store.Device, certificates ...store.Certificate) {
	now := f.Clock.Now()
	d.Ended = slices.DeleteFunc(append(slices.Clone(d.Ended), certificates...), func(c store.Certificate) bool {
		return c.Serial == "" || now.After(c.NotAfter)
	})
}

// revoked lists the numbers of all certificates that are good no more: those that
// were given up, and those of revoked devices. A device that is to be wiped must
// still be able to come for its order.
func (f *Fleet) revoked(ctx context.Context) ([]string, error) {
	devices, err := f.Store.Devices(ctx)
	var serials []string
	for _, d := range devices {
		ended := d.Ended
		if !d.Revoked.IsZero() && len(d.Due()) == 0 {
			ended = append(slices.Clone(ended), d.Certificate, d.Renewed)
		}
		for _, c := range ended {
			if c.Serial != "" {
				serials = append(serials, c.Serial)
			}
		}
	}
	slices.Sort(serials)
	return slices.Compact(serials), err
}

// How often a revocation is looked for, and how often the list is signed anew.
const (
	revokedLook  = 2 * time.Second
	revokedAgain = 24 * time.Hour
)

// KeepRevoked keeps a file for a broker that is not central's own, until ctx ends:
// the list of devices' certificates that are good no more, and behind it the
// site's of issuers that were taken back, both in PEM. It is written anew seconds
// after a revocation, and daily, because a list holds for a week.
func (f *Fleet) KeepRevoked(ctx context.Context, file string) error {
	tick := time.NewTicker(revokedLook)
	defer tick.Stop()
	var written []string
	var at time.Time
	for {
		serials, err := f.revoked(ctx)
		if now := f.Clock.Now(); err == nil && (at.IsZero() || now.Sub(at).Abs() >= revokedAgain || !slices.Equal(serials, written)) {
			if err = f.writeRevoked(file, serials); err == nil {
				written, at = serials, now
				f.Log.Info("the list of revoked certificates is written", "file", file, "certificates", len(serials))
			}
		}
		if err != nil && ctx.Err() == nil {
			f.Log.Error("the list of revoked certificates could not be written", "file", file, "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (f *Fleet) writeRevoked(file string, serials []string) error {
	list, err := f.Issuer.RevokedDevices(serials)
	if err != nil {
		return err
	}
	return sealed.WriteFile(file, append(list, f.RevokedIssuers...), 0o644)
}

// serveRevoked gives a device the site's list of issuers that were taken back.
func (f *Fleet) serveRevoked(w http.ResponseWriter, r *http.Request) {
	if len(f.RevokedIssuers) == 0 {
		http.Error(w, "this site has no list of revoked issuers", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.RevokedIssuers))
}
