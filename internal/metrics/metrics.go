// Package metrics tells Prometheus what a program knows of itself.
//
// A [Source] names its metrics and gives their values when it is asked, so
// nothing is counted twice and nothing runs while nobody asks:
//
//	source := &metrics.Source{Definitions: definitions, Values: func(ctx context.Context, put metrics.Put) error {
//		put("nrd_agent_waiting", 7, "record")
//		return nil
//	}}
//	mux.Handle("GET /metrics", source.Handler(log))
//
// Beside them are the usual ones of the Go runtime and the process. No label
// ever holds a mark, a key or a person's name.
package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Type says how a metric's value is to be read.
type Type string

// A Counter only grows while the program runs; a Gauge is as it is.
const (
	Counter Type = "counter"
	Gauge   Type = "gauge"
)

// Definition is one metric.
type Definition struct {
	Name   string
	Type   Type
	Labels []string
	Help   string
}

// Put gives one value of a metric, with a value for each of its labels.
type Put func(name string, value float64, labels ...string)

// Source is a program's metrics.
type Source struct {
	Definitions []Definition
	// Values is called for each request.
	Values func(ctx context.Context, put Put) error
}

// patience is how long the values may take.
const patience = 10 * time.Second

// Handler answers Prometheus.
func (s *Source) Handler(log *slog.Logger) http.Handler {
	c := &collector{source: s, log: log, defined: map[string]defined{}}
	for _, d := range s.Definitions {
		kind := prometheus.GaugeValue
		if d.Type == Counter {
			kind = prometheus.CounterValue
		}
		c.defined[d.Name] = defined{prometheus.NewDesc(d.Name, d.Help, d.Labels, nil), kind}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError)})
}

type defined struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// collector puts a source in Prometheus's terms.
type collector struct {
	source  *Source
	log     *slog.Logger
	defined map[string]defined
}

// Describe names every metric.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.defined {
		to <- d.desc
	}
}

// Collect asks the source. Values that it could not give are left out.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := c.source.Values(ctx, func(name string, value float64, labels ...string) {
		d, ok := c.defined[name]
		if !ok {
			panic("metrics: " + name + " is not defined") // a mistake of the program's
		}
		to <- prometheus.MustNewConstMetric(d.desc, d.kind, value, labels...)
	})
	if err != nil {
		c.log.Error("some metrics could not be given", "error", err)
	}
}

// Table is the definitions as docs/metrics.md lists them.
func Table(definitions []Definition) string {
	var b strings.Builder
	for _, d := range definitions {
		labels := "–"
		if len(d.Labels) > 0 {
			labels = "`" + strings.Join(d.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", d.Name, d.Type, labels, d.Help)
	}
	return b.String()
}

// Bool is 1 for true and 0 for false.
func Bool(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
