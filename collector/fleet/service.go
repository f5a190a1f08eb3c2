package fleet

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"nrd/collector/store"
	"nrd/internal/identity"
)

// Service answers devices over HTTPS: a token is turned into a certificate, a
// certificate into the next one, and the list of revoked issuers is given. Its connections must verify client certificates
// where they are given (identity.ServiceTLS). docs/protocol.md describes it.
func (f *Fleet) Service() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+identity.PathEnrol, f.serveEnrol)
	mux.HandleFunc("POST "+identity.PathRenew, f.serveRenew)
	mux.HandleFunc("GET "+identity.PathRevoked, f.serveRevoked)
	return mux
}

func (f *Fleet) serveEnrol(w http.ResponseWriter, r *http.Request) {
	text, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	token, err := identity.ParseToken(text)
	if err != nil {
		f.refuse(w, r, ErrToken)
		return
	}
	request, err := readRequest(w, r)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	issued, err := f.enrolled(r.Context(), token, request)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	f.issued(w, r, token.Device, "device enrolled", issued)
}

func (f *Fleet) serveRenew(w http.ResponseWriter, r *http.Request) {
	device, err := identity.Device(*r.TLS)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	request, err := readRequest(w, r)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	issued, err := f.renewed(r.Context(), device, identity.Fingerprint(*r.TLS), request)
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	f.issued(w, r, device, "device renewed", issued)
}

func readRequest(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, identity.MaxRequest))
	if err != nil {
		return nil, errors.Join(identity.ErrRequest, err)
	}
	return request, nil
}

// issued answers with a chain, once the access log has it.
func (f *Fleet) issued(w http.ResponseWriter, r *http.Request, device, action string, issued identity.Issued) {
	_, err := f.Store.Log(r.Context(), store.Access{
		At: f.Clock.Now(), Account: "device " + device, Action: action, Subject: "certificate " + issued.Serial, From: from(r), Outcome: "ok",
	})
	if err != nil {
		f.refuse(w, r, err)
		return
	}
	f.Log.Info("a certificate is issued", "device", device, "serial", issued.Serial, "until", issued.NotAfter)
	w.Header().Set("Content-Type", "application/pem-certificate-chain")
	if _, err := w.Write(issued.Chain); err != nil {
		f.Log.Debug("certificate not sent", "device", device, "error", err)
	}
}

// refuse tells a device why, as far as the reason is its business.
func (f *Fleet) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f.Log.Warn("no certificate is issued", "from", from(r), "reason", err)
	for _, reason := range []error{ErrToken, ErrRevoked, ErrReplaced, ErrUnapproved, identity.ErrRequest, identity.ErrNoCertificate, identity.ErrDeviceName} {
		if errors.Is(err, reason) {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
	}
	http.Error(w, "central cannot issue certificates at the moment", http.StatusServiceUnavailable)
}

func from(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}
