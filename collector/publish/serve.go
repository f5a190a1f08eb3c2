package publish

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"time"

	"nrd/internal/identity"
	"nrd/internal/trust"
)

// Path is where the repository lies below central's address.
const Path = "/1/lists"

// errApproved says that a device has no lists to expect.
var errApproved = errors.New("the device is not approved")

// Handler serves the repository to devices. Its connections must verify client
// certificates (identity.ServerTLS). docs/protocol.md describes it.
func (p *Publisher) Handler() http.Handler {
	mux := http.NewServeMux()
	d := &door{p: p, inside: mux}
	mux.HandleFunc("GET "+Path+trust.PathSalt, func(w http.ResponseWriter, r *http.Request) {
		d.send(w, []byte(p.salt(deviceOf(r))+"\n"), "text/plain; charset=utf-8")
	})
	mux.HandleFunc("GET "+Path+trust.PathMetadata+"{file}", d.metadata)
	mux.HandleFunc("GET "+Path+trust.PathTargets+trust.ListsRole+"/{role}/{file}", d.target)
	return d
}

// door lets devices in by their certificates.
type door struct {
	p      *Publisher
	inside http.Handler
}

type deviceKey struct{}

func deviceOf(r *http.Request) string {
	name, _ := r.Context().Value(deviceKey{}).(string)
	return name
}

// ServeHTTP refuses who is no approved device of the site. What is not a device's
// own is answered like what does not exist.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	device, err := d.admit(r)
	if err != nil {
		d.p.Log.Warn("a device gets no lists", "device", device, "from", r.RemoteAddr, "reason", err)
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	d.inside.ServeHTTP(&patient{ResponseWriter: w, control: http.NewResponseController(w)}, r.WithContext(context.WithValue(r.Context(), deviceKey{}, device)))
}

func (d *door) admit(r *http.Request) (string, error) {
	if r.TLS == nil {
		return "", identity.ErrNoCertificate
	}
	device, err := identity.Device(*r.TLS)
	if err != nil {
		return "", err
	}
	if err := d.p.Admit(r.Context(), device, identity.Fingerprint(*r.TLS)); err != nil {
		return device, err
	}
	devices, err := d.p.Devices(r.Context())
	if err != nil {
		return device, err
	}
	if !slices.Contains(devices, device) {
		return device, errApproved
	}
	return device, nil
}

func (d *door) metadata(w http.ResponseWriter, r *http.Request) {
	p, device := d.p, deviceOf(r)
	p.mu.RLock()
	known := slices.Contains(p.signed.devices, device)
	p.mu.RUnlock()
	if !known {
		if err := p.refresh(r.Context()); err != nil {
			p.Log.Error("what units may have could not be signed anew", "error", err)
			http.Error(w, "central cannot sign at the moment", http.StatusServiceUnavailable)
			return
		}
	}
	text, ok := p.metadata(device, r.PathValue("file"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	d.send(w, text, "application/json")
}

func (d *door) send(w http.ResponseWriter, text []byte, kind string) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	if _, err := w.Write(text); err != nil {
		d.p.Log.Debug("metadata was not sent", "error", err)
	}
}

// target sends a file, or the part of it that a device still lacks.
func (d *door) target(w http.ResponseWriter, r *http.Request) {
	path, ok := d.p.target(deviceOf(r), r.PathValue("role"), r.PathValue("file"))
	if !ok {
		http.NotFound(w, r)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		d.p.Log.Error("a published file cannot be read", "error", err)
		http.Error(w, "central cannot read its files at the moment", http.StatusServiceUnavailable)
		return
	}
	defer f.Close() //nolint:errcheck // it was only read
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, f)
}

// patient lets an answer take as long as its device takes some of it each minute.
type patient struct {
	http.ResponseWriter
	control *http.ResponseController
}

const patience = time.Minute

func (p *patient) Write(text []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(patience)); err != nil { // the network's deadlines are real time
		return 0, err
	}
	return p.ResponseWriter.Write(text)
}
