// Package collector is central: it puts the rooms together into one program.
//
// [Central] is the server: devices come in through collector/ingest (MQTT over
// mutual TLS) and collector/fleet (HTTPS, for their certificates), people through collector/console (HTTPS), and both lead to
// collector/store, people by way of collector/access, which writes down what
// they look at. [LoadConfig] reads its configuration.
//
// [Desk] is the command line's way in. While central runs it holds the store
// alone, so a command speaks to it over a socket in the data folder; when it
// does not run, the command opens the store and serves itself. Both ways the
// same handlers answer, the same rights hold, and the same lines are logged.
//
// [InitSite] makes what a new site needs: its CA, certificates, master key and
// configuration.
package collector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"nrd"
	"nrd/collector/alarm"
	"nrd/collector/console"
	"nrd/collector/fleet"
	"nrd/collector/ingest"
	"nrd/collector/store"
	"nrd/internal/identity"
	"nrd/internal/limit"
	"nrd/internal/notify"
)

// Central is the server. Fill the fields and call Run.
type Central struct {
	Config *Config
	Log    *slog.Logger
	// OnReady is called once everything listens, with the address of the page
	// and of the devices' way in. It may be nil.
	OnReady func(page, devices net.Addr)

	https, lists atomic.Pointer[net.Addr]
}

// Run serves until ctx ends, then lets what is under way finish, and closes the
// store last. The error says what could not be opened, or what broke.
func (c *Central) Run(ctx context.Context) (err error) {
	if err := c.Config.CheckFiles(); err != nil {
		return err
	}
	r, err := openRooms(c.Config, c.Log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	page := &console.Console{Access: r.access, Fleet: r.fleet, Lists: r.lists, Store: r.store, Profile: c.Config.profile, Zone: c.Config.zone, Clock: c.Config.Clock, Log: c.Log}
	if err := page.Initialize(ctx); err != nil {
		return err
	}
	r.lists.OnHit = page.Found
	devices, err := c.ingest(r, page)
	if err != nil {
		return err
	}
	pageListener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Config.Page.Listen)
	if err != nil {
		return fmt.Errorf("%s: page.listen: %w", c.Config.file, err)
	}
	fleetListener, err := c.listenFleet(ctx)
	if err != nil {
		return errors.Join(err, pageListener.Close())
	}
	published, err := c.publisher(ctx, r, devices)
	if err != nil {
		return errors.Join(err, pageListener.Close(), fleetListener.Close())
	}
	desk, err := listenDesk(ctx, r)
	if err != nil {
		return errors.Join(err, pageListener.Close(), fleetListener.Close(), published.close())
	}
	watch := c.watch(r)
	err = watch.Initialize(ctx)
	var metricsListener net.Listener
	if err == nil && c.Config.Metrics.Listen != "" {
		if metricsListener, err = new(net.ListenConfig).Listen(ctx, "tcp", c.Config.Metrics.Listen); err != nil {
			err = fmt.Errorf("%s: metrics.listen: %w", c.Config.file, err)
		}
	}
	if err != nil {
		return errors.Join(err, pageListener.Close(), fleetListener.Close(), published.close(), desk.listener.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return devices.Run(ctx) })
	g.Go(func() error { return c.servePage(ctx, r, page, pageListener) })
	g.Go(func() error { return c.serveFleet(ctx, r, fleetListener) })
	g.Go(func() error { return desk.run(ctx) })
	g.Go(func() error { return watch.Run(ctx) })
	if c.Config.Broker.External != "" {
		g.Go(func() error { return r.fleet.KeepRevoked(ctx, c.Config.revoked()) })
	}
	g.Go(func() error { return r.lists.Run(ctx) })
	if published != nil {
		g.Go(func() error { return published.Run(ctx) })
		g.Go(func() error { return c.servePublished(ctx, published) })
	}
	if metricsListener != nil {
		c.Log.Info("Prometheus is answered", "address", metricsListener.Addr().String())
		g.Go(func() error { return c.serveMetrics(ctx, r, devices, metricsListener) })
	}
	g.Go(func() error { return notify.Watch(ctx, func() error { return healthy(ctx, r) }) })
	g.Go(func() error { return c.ready(ctx, devices, pageListener.Addr()) })
	err = g.Wait()
	c.Log.Info("central has ended")
	return err
}

func (c *Central) ingest(r *rooms, page *console.Console) (*ingest.Ingest, error) {
	s := c.Config.Ingest
	tls, err := identity.ServerTLS(s.CA, s.Certificate, s.Key)
	if err != nil {
		return nil, fmt.Errorf("%w:\n%s: ingest: %w", ErrConfiguration, c.Config.file, err)
	}
	broker, err := c.Config.Broker.client(s.CA)
	if err != nil {
		return nil, fmt.Errorf("%w:\n%s: broker: %w", ErrConfiguration, c.Config.file, err)
	}
	return &ingest.Ingest{
		Listen: s.Listen, TLS: tls, Broker: broker, Store: r.store, Profile: c.Config.profile, Clock: c.Config.Clock, Log: c.Log,
		OnStored: func(record store.StoredRecord) { page.Stored(record); r.lists.Stored(record) }, OnImage: page.ImageStored, OnOfficer: func(e nrd.OfficerEvent) { page.OfficerStored(e); r.lists.Told(e) }, Admit: r.fleet.Admit,
	}, nil
}

// watch raises alarms about devices.
func (c *Central) watch(r *rooms) *alarm.Watch {
	limits := c.Config.Alarm
	return &alarm.Watch{
		Store: r.store, Profile: c.Config.profile, Zone: c.Config.zone, Clock: c.Config.Clock, Log: c.Log,
		Limits: alarm.Limits{
			Silent: time.Duration(limits.Silent), Backlog: time.Duration(limits.Backlog), Clock: time.Duration(limits.Clock), DiskFree: uint64(limits.DiskFree),
		},
	}
}

// ready says so once devices can come in.
func (c *Central) ready(ctx context.Context, devices *ingest.Ingest, page net.Addr) error {
	for devices.Addr() == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(10 * time.Millisecond):
		}
	}
	c.Log.Info("central is ready", "page", page.String(), "devices", devices.Addr().String(), "fleet", c.Fleet().String())
	if c.OnReady != nil {
		c.OnReady(page, devices.Addr())
	}
	if err := notify.Ready(); err != nil {
		return err
	}
	<-ctx.Done()
	return notify.Stopping()
}

// Fleet is where devices get their certificates, once OnReady was called.
func (c *Central) Fleet() net.Addr {
	if a := c.https.Load(); a != nil {
		return *a
	}
	return nil
}

func (c *Central) listenFleet(ctx context.Context) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Config.Fleet.Listen)
	if err != nil {
		return nil, fmt.Errorf("%s: fleet.listen: %w", c.Config.file, err)
	}
	address := l.Addr()
	c.https.Store(&address)
	return l, nil
}

// serveFleet serves devices over HTTPS.
func (c *Central) serveFleet(ctx context.Context, r *rooms, l net.Listener) error {
	s := c.Config.Ingest
	tls, err := identity.ServiceTLS(s.CA, s.Certificate, s.Key)
	if err != nil {
		return errors.Join(fmt.Errorf("%w:\n%s: ingest: %w", ErrConfiguration, c.Config.file, err), l.Close())
	}
	server := &http.Server{
		Handler: r.fleet.Service(), TLSConfig: tls, MaxHeaderBytes: 8 << 10,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	l = limit.Listener(server, l, fleet.MaxConnections, limit.Certified)
	return serve(ctx, server, func() error { return server.ServeTLS(l, "", "") })
}

// maxVisitors is how many connections people may have to the page at once: a
// browser has a few.
const maxVisitors = 1000

// servePage serves the console and the health check over HTTPS.
func (c *Central) servePage(ctx context.Context, r *rooms, page *console.Console, l net.Listener) error {
	s := c.Config.Page
	secure, err := identity.PageTLS(s.Certificate, s.Key)
	if err != nil {
		return errors.Join(fmt.Errorf("%w:\n%s: page: %w", ErrConfiguration, c.Config.file, err), l.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", page)
	mux.Handle(apiPath+"/", r.api())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, q *http.Request) {
		if err := healthy(q.Context(), r); err != nil {
			c.Log.Error("health", "error", err)
			http.Error(w, "central cannot read its store", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if _, err := w.Write([]byte("ok\n")); err != nil {
			c.Log.Debug("health", "error", err)
		}
	})
	server := &http.Server{
		Handler: mux, TLSConfig: secure, MaxHeaderBytes: 32 << 10,
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	server.RegisterOnShutdown(page.Close)
	l = limit.Listener(server, l, maxVisitors, limit.Anyone)
	return serve(ctx, server, func() error { return server.ServeTLS(l, "", "") })
}

// healthy reports whether the store answers.
func healthy(ctx context.Context, r *rooms) error {
	_, err := r.store.Account(ctx, "")
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// shutdownPatience is how long requests that are under way have to finish.
const shutdownPatience = 5 * time.Second

// serve runs an HTTP server until ctx ends, and waits for what is under way.
func serve(ctx context.Context, server *http.Server, listen func() error) error {
	failed := make(chan error, 1)
	go func() { failed <- listen() }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
	defer cancel()
	err := server.Shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if e := <-failed; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	return err
}
