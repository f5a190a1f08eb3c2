package collector

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"time"

	"nrd/collector/alarm"
	"nrd/collector/ingest"
	"nrd/internal/metrics"
)

// definitions are central's metrics.
var definitions = []metrics.Definition{
	{Name: "nrd_central_items_total", Type: metrics.Counter, Labels: []string{"outcome"}, Help: "items that devices sent since the start, by what became of them: stored, duplicate, quarantined, refused (malformed), retry"},
	{Name: "nrd_central_connections_refused_total", Type: metrics.Counter, Help: "connections that were turned away since the start"},
	{Name: "nrd_central_connections_taken_over_total", Type: metrics.Counter, Help: "connections ended by another one with the same certificate since the start"},
	{Name: "nrd_central_forbidden_total", Type: metrics.Counter, Help: "publishes and subscriptions to what is not the device's own since the start"},
	{Name: "nrd_central_records", Type: metrics.Gauge, Help: "records held"},
	{Name: "nrd_central_hits", Type: metrics.Gauge, Help: "records held that matched a list"},
	{Name: "nrd_central_images", Type: metrics.Gauge, Help: "pictures held"},
	{Name: "nrd_central_quarantined", Type: metrics.Gauge, Help: "items set aside for a person"},
	{Name: "nrd_central_days", Type: metrics.Gauge, Help: "days held"},
	{Name: "nrd_central_alarms", Type: metrics.Gauge, Labels: []string{"kind"}, Help: "alarms that stand: silent, backlog, clock, disk, dropped, full, refused, list, behind, blind, copied, certificate, review, extract, held, publish, keys"},
	{Name: "nrd_central_devices", Type: metrics.Gauge, Labels: []string{"state"}, Help: "devices by state: approved, not approved, revoked"},
	{Name: "nrd_central_device_seen_seconds", Type: metrics.Gauge, Labels: []string{"device"}, Help: "time since a device in use was last heard"},
	{Name: "nrd_central_device_waiting", Type: metrics.Gauge, Labels: []string{"device"}, Help: "records that wait on the device, as it said last"},
	{Name: "nrd_central_device_reads_per_minute", Type: metrics.Gauge, Labels: []string{"device"}, Help: "the device's reads a minute, as it said last"},
	{Name: "nrd_central_device_frames_per_minute", Type: metrics.Gauge, Labels: []string{"device"}, Help: "the device's frames a minute, as it said last"},
}

// source gives central's metrics.
func (r *rooms) source(devices *ingest.Ingest) *metrics.Source {
	return &metrics.Source{Definitions: definitions, Values: func(ctx context.Context, put metrics.Put) error {
		n := devices.Counts()
		for outcome, count := range map[string]uint64{
			"stored": n.Stored, "duplicate": n.Duplicates, "quarantined": n.Quarantined, "refused": n.Malformed, "retry": n.Retried,
		} {
			put("nrd_central_items_total", float64(count), outcome)
		}
		put("nrd_central_connections_refused_total", float64(n.Refused))
		put("nrd_central_connections_taken_over_total", float64(n.Takeovers))
		put("nrd_central_forbidden_total", float64(n.Forbidden))
		if err := r.putTotals(ctx, put); err != nil {
			return err
		}
		if err := r.putAlarms(ctx, put); err != nil {
			return err
		}
		return r.putDevices(ctx, put)
	}}
}

func (r *rooms) putTotals(ctx context.Context, put metrics.Put) error {
	t, err := r.store.Totals(ctx)
	if err != nil {
		return err
	}
	put("nrd_central_records", float64(t.Records))
	put("nrd_central_hits", float64(t.Hits))
	put("nrd_central_images", float64(t.Images))
	put("nrd_central_quarantined", float64(t.Quarantined))
	put("nrd_central_days", float64(t.Days))
	return nil
}

func (r *rooms) putAlarms(ctx context.Context, put metrics.Put) error {
	standing, err := r.store.StandingAlarms(ctx)
	if err != nil {
		return err
	}
	count := map[string]int{}
	for _, a := range standing {
		count[a.Kind]++
	}
	for _, kind := range alarm.Kinds {
		put("nrd_central_alarms", float64(count[kind]), kind)
	}
	return nil
}

func (r *rooms) putDevices(ctx context.Context, put metrics.Put) error {
	devices, err := r.store.Devices(ctx)
	if err != nil {
		return err
	}
	states := map[string]int{"approved": 0, "not approved": 0, "revoked": 0}
	now := r.config.Clock.Now()
	for _, d := range devices {
		switch {
		case !d.Revoked.IsZero():
			states["revoked"]++
			continue
		case d.Approved.IsZero():
			states["not approved"]++
			continue
		}
		states["approved"]++
		if !d.LastSeen.IsZero() {
			put("nrd_central_device_seen_seconds", now.Sub(d.LastSeen).Seconds(), d.Name)
		}
		if s := d.Status; s != nil {
			put("nrd_central_device_waiting", float64(s.Waiting), d.Name)
			put("nrd_central_device_reads_per_minute", s.ReadsPerMinute, d.Name)
			put("nrd_central_device_frames_per_minute", s.FramesPerMinute, d.Name)
		}
	}
	for state, n := range states {
		put("nrd_central_devices", float64(n), state)
	}
	return nil
}

// serveMetrics answers Prometheus on a listener of its own.
func (c *Central) serveMetrics(ctx context.Context, r *rooms, devices *ingest.Ingest, l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", r.source(devices).Handler(c.Log))
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, WriteTimeout: time.Minute, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug),
	}
	return serve(ctx, server, func() error { return server.Serve(l) })
}
