package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrNotRunning says that no agent runs on a unit's data folder.
var ErrNotRunning = errors.New("no agent is running here")

// local is where the unit itself is answered: a socket in the data folder, for
// its owner only, and where it is configured an address of the loopback for
// Prometheus. It tells GET /status and GET /metrics, neither with a mark.
type local []net.Listener

func (c *Config) socket() string { return filepath.Join(c.Data, "agent.sock") }

// listenLocal opens both. The buffer belongs to this process alone by now, so a
// socket that is there was left behind.
func (a *Agent) listenLocal(ctx context.Context) (local, error) {
	path := a.Config.socket()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// The socket must be its owner's alone from its first moment.
	before := syscall.Umask(0o177)
	socket, err := new(net.ListenConfig).Listen(ctx, "unix", path)
	syscall.Umask(before)
	if err != nil {
		return nil, fmt.Errorf("the unit's own socket: %w", err)
	}
	listeners := local{socket}
	if a.Config.Metrics.Listen == "" {
		return listeners, nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.Config.Metrics.Listen)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: metrics.listen: %w", a.Config.file, err), socket.Close())
	}
	a.Log.Info("Prometheus is answered", "address", l.Addr().String())
	return append(listeners, l), nil
}

// serveLocal answers until ctx ends.
func (a *Agent) serveLocal(ctx context.Context, listeners local) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.source().Handler(a.Log))
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(a.report()); err != nil {
			a.Log.Debug("status", "error", err)
		}
	})
	a.handleScreen(mux)
	a.handleLists(mux)
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(a.Log.Handler(), slog.LevelDebug),
	}
	errs := make([]error, len(listeners))
	var serving sync.WaitGroup
	for i, l := range listeners {
		serving.Go(func() { errs[i] = server.Serve(l) })
	}
	<-ctx.Done()
	err := server.Close()
	serving.Wait()
	for _, e := range errs {
		if !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}
	return err
}

func (l local) close() error {
	var errs []error
	for _, listener := range l {
		errs = append(errs, listener.Close())
	}
	return errors.Join(errs...)
}

// local speaks to the agent that runs with this configuration.
func (c *Config) local() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", c.socket())
	}}}
}

// Ask gets the report of the agent that runs with this configuration. The error
// is ErrNotRunning where none does.
func Ask(ctx context.Context, c *Config) (Report, error) {
	var r Report
	return r, c.ask(ctx, http.MethodGet, "/status", &r)
}
