package collector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/lists"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// deskServer answers the command line on the socket in the data folder. Who may
// open the socket (the system user of central, and root) could read the store
// as well, so it asks for an account's name and no password; the access log
// keeps both the account and the system user who spoke for it.
type deskServer struct {
	*rooms
	listener net.Listener
}

// listenDesk opens the socket. Whoever holds the store's lock owns the socket,
// so one that is there was left behind.
func listenDesk(ctx context.Context, r *rooms) (*deskServer, error) {
	path := r.config.socket()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	// The socket must be its owner's alone from its first moment.
	before := syscall.Umask(0o177)
	l, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("the command line's socket: %w", err)
	}
	return &deskServer{r, l}, nil
}

// run answers until ctx ends.
func (d *deskServer) run(ctx context.Context) error {
	server := &http.Server{
		Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, peer(c))
		},
		// A backup that is under way ends with the server.
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	return serve(ctx, server, func() error { return server.Serve(d.listener) })
}

func (d *deskServer) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /user/add", answer(d, d.addUser))
	mux.HandleFunc("POST /user/list", answer(d, d.listUsers))
	mux.HandleFunc("POST /user/remove", answer(d, d.removeUser))
	mux.HandleFunc("POST /device/approve", answer(d, d.approveDevice))
	mux.HandleFunc("POST /device/list", answer(d, d.listDevices))
	mux.HandleFunc("POST /device/enrol", answer(d, d.enrolDevice))
	mux.HandleFunc("POST /device/revoke", answer(d, d.revokeDevice))
	mux.HandleFunc("POST /device/wipe", answer(d, d.wipeDevice))
	mux.HandleFunc("POST /device/configure", answer(d, d.configureDevice))
	mux.HandleFunc("POST /device/status", answer(d, d.deviceHealth))
	mux.HandleFunc("POST /alarm/list", answer(d, d.listAlarms))
	mux.HandleFunc("POST /quarantine/list", answer(d, d.listQuarantine))
	mux.HandleFunc("POST /quarantine/release", answer(d, d.release))
	d.listRoutes(mux)
	mux.HandleFunc("POST /search", answer(d, d.search))
	mux.HandleFunc("POST /officer/list", answer(d, d.officers))
	mux.HandleFunc("POST /import", d.importCarried)
	mux.HandleFunc("POST /backup", d.backup)
	return mux
}

// accountHeader names the account that a command acts for.
const accountHeader = "Account"

// maxCommand is the largest command that is read, in bytes.
const maxCommand = 256 << 10

// answer makes a handler of a function from one JSON value to another.
func answer[Q, A any](d *deskServer, do func(context.Context, access.By, Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var question Q
		body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCommand))
		body.DisallowUnknownFields()
		if err := body.Decode(&question); err != nil {
			d.reply(w, http.StatusBadRequest, complaint{Error: err.Error(), Kind: kindInvalid})
			return
		}
		a, err := do(r.Context(), by(r), question)
		if err != nil {
			d.reply(w, http.StatusUnprocessableEntity, complain(err))
			return
		}
		d.reply(w, http.StatusOK, a)
	}
}

func (d *deskServer) reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		d.log.Debug("command line", "error", err)
	}
}

// complaint is an error on its way to the command line.
type complaint struct {
	Error string `json:"error"`
	Kind  string `json:"kind"`
	// Field is the field of the request that is wrong, where it is one.
	Field string `json:"field,omitempty"`
}

// The kinds of complaint, each with its error on the other side.
const (
	kindFailure  = "failure"
	kindRefused  = "refused"
	kindInvalid  = "invalid"
	kindNotFound = "not found"
)

var kinds = map[string]error{kindRefused: ErrRefused, kindInvalid: ErrInvalid, kindNotFound: ErrNotFound}

func complain(err error) complaint {
	kind := kindFailure
	switch {
	case errors.Is(err, access.ErrDenied), errors.Is(err, access.ErrReason), errors.Is(err, access.ErrNotLogged),
		errors.Is(err, access.ErrNoSession), errors.Is(err, access.ErrSignIn), errors.Is(err, access.ErrThrottled):
		kind = kindRefused
	case errors.Is(err, access.ErrAccount), errors.Is(err, access.ErrRelease), errors.Is(err, store.ErrQuery),
		errors.Is(err, fleet.ErrApproval), errors.Is(err, fleet.ErrOrder), errors.Is(err, fleet.ErrRevoked),
		errors.Is(err, lists.ErrInvalid), errors.Is(err, lists.ErrOlder), errors.Is(err, store.ErrExists), errors.Is(err, voi.ErrZIP), errors.Is(err, voi.ErrTooLarge):
		kind = kindInvalid
	case errors.Is(err, store.ErrNotFound), errors.Is(err, errNoRoute):
		kind = kindNotFound
	}
	c := complaint{Error: err.Error(), Kind: kind}
	var wrong *fieldError
	if errors.As(err, &wrong) {
		c.Field = wrong.field
	}
	return c
}

// err gives the complaint back as an error.
func (c complaint) err() error {
	if sentinel, found := kinds[c.Kind]; found {
		return fmt.Errorf("%w: %s", sentinel, c.Error)
	}
	return errors.New(c.Error)
}

type peerKey struct{}

func by(r *http.Request) access.By {
	from, _ := r.Context().Value(peerKey{}).(string) // always set by ConnContext
	return access.By{Account: r.Header.Get(accountHeader), From: from}
}

// peer names the system user at the other end of the socket, as the kernel
// knows it.
func peer(c net.Conn) string {
	const unknown = "command line"
	socket, ok := c.(*net.UnixConn)
	if !ok {
		return unknown
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return unknown
	}
	var who *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) { who, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || credErr != nil {
		return unknown
	}
	id := strconv.FormatUint(uint64(who.Uid), 10)
	if u, err := user.LookupId(id); err == nil {
		id = u.Username + ", " + id
	}
	return fmt.Sprintf("%s (system user %s)", unknown, id)
}

// backup answers with lines: how far it is, and at last how it ended.
func (d *deskServer) backup(w http.ResponseWriter, r *http.Request) {
	var q backupRequest
	if err := json.NewDecoder(io.LimitReader(r.Body, maxCommand)).Decode(&q); err != nil {
		d.reply(w, http.StatusBadRequest, complaint{Error: err.Error(), Kind: kindInvalid})
		return
	}
	who := by(r)
	_, err := d.access.Authorise(r.Context(), access.Request{
		Account: who.Account, From: who.From, Right: access.Backup, Action: "backup", Subject: q.Dir,
	})
	if err != nil {
		d.reply(w, http.StatusUnprocessableEntity, complain(err))
		return
	}
	lines, flush := json.NewEncoder(w), http.NewResponseController(w)
	var last int64
	err = d.store.Backup(r.Context(), q.Dir, func(done, total int64) {
		if done-last < total/200 && done < total {
			return
		}
		last = done
		if errors.Join(lines.Encode(backupLine{Done: done, Total: total}), flush.Flush()) != nil {
			d.log.Debug("nobody watches the backup")
		}
	})
	end := backupLine{Ended: true}
	if err != nil {
		c := complain(err)
		end.Complaint = &c
	}
	if err := lines.Encode(end); err != nil {
		d.log.Debug("command line", "error", err)
	}
}

type backupRequest struct {
	Dir string `json:"dir"`
}

type backupLine struct {
	Done      int64      `json:"done"`
	Total     int64      `json:"total"`
	Ended     bool       `json:"ended,omitempty"`
	Complaint *complaint `json:"complaint,omitempty"`
}
