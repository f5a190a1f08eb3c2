package agent

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"nrd"
	"nrd/hotlist/live"
	"nrd/internal/config"
	"nrd/internal/identity"
	"nrd/internal/metrics"
)

// LiveConfig is the way to a live gateway, which is asked about each read while it
// answers.
type LiveConfig struct {
	// URL is where questions are posted to, over HTTPS; without one nobody is asked.
	URL string `toml:"url"`
	// CA, Certificate and Key are PEM files: whom the gateway must be vouched for
	// by, and what the unit shows it.
	CA          string `toml:"ca"`
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
	// Timeout is how long an answer may take.
	Timeout config.Duration `toml:"timeout"`
}

func (c LiveConfig) check(say func(key, format string, args ...any)) {
	if c.URL == "" {
		return
	}
	if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" || u.Host == "" {
		say("live.url", "must be an address such as https://live.example.police.uk/lookup")
	}
	for _, needed := range []struct{ key, value string }{{"live.ca", c.CA}, {"live.certificate", c.Certificate}, {"live.key", c.Key}} {
		if needed.value == "" {
			say(needed.key, "is missing")
		}
	}
	if t := time.Duration(c.Timeout); t < 50*time.Millisecond || t > 10*time.Second {
		say("live.timeout", "must be 50ms to 10s, is %s", t)
	}
}

// openLive makes the way to the gateway where one is configured.
func (a *Agent) openLive() error {
	c := a.Config.Live
	if c.URL == "" {
		return nil
	}
	tls, err := identity.ClientTLS(c.CA, c.Certificate, c.Key)
	if err != nil {
		return fmt.Errorf("%s: live: %w", a.Config.file, err)
	}
	client := &live.Client{URL: c.URL, TLS: tls, Device: a.Config.Device, Timeout: time.Duration(c.Timeout), Clock: a.Clock}
	client.Initialize()
	a.live = &live.Lookups{Client: client, Answered: a.looked, Log: a.Log}
	return nil
}

// runLive asks until ctx ends.
func (a *Agent) runLive(ctx context.Context) error {
	defer a.live.Client.Close()
	return quiet(a.live.Run(ctx))
}

// looked tells officers and central where a gateway knows better than the lists on
// the unit did when a record was made. The record stays as it is.
func (a *Agent) looked(rec *nrd.Record, answer live.Answer) {
	now := answer.Over(rec.Hits)
	gone, come := hitsWithout(rec.Hits, now), hitsWithout(now, rec.Hits)
	looked := *rec
	looked.Hits = now
	if len(now) > 0 || len(gone) > 0 {
		as := a.tally.note(&looked)
		if a.screen != nil {
			a.screen.Looked(rec, now, answer.Gateway, as)
		}
	}
	a.tellLooked(rec, nrd.OfficersWithdrawn, gone, "no longer of interest, says "+answer.Gateway)
	a.tellLooked(rec, nrd.OfficersAlerted, come, "of interest, says "+answer.Gateway)
}

// tellLooked keeps for central which hits of a record a gateway took back or added.
func (a *Agent) tellLooked(rec *nrd.Record, action nrd.OfficerAction, hits []nrd.Hit, reason string) {
	if len(hits) == 0 {
		return
	}
	lists := listsOf(hits)
	a.Log.Info("a live lookup knows better than the lists", "key", rec.Key.String(), "action", string(action), "lists", lists)
	err := a.buffer.Tell(nrd.OfficerEvent{
		Action: action, At: a.Clock.Now(), Role: nrd.RoleUnit, Record: rec.Key, VRM: rec.Read.VRM, Reason: reason, Lists: lists, Told: hits,
	})
	if err != nil {
		a.Log.Error("what a live lookup said could not be kept for central", "key", rec.Key.String(), "error", err)
	}
}

// hitsWithout gives the hits whose entry is not among others.
func hitsWithout(hits, others []nrd.Hit) []nrd.Hit {
	var left []nrd.Hit
	for i := range hits {
		h := &hits[i]
		if !slices.ContainsFunc(others, func(o nrd.Hit) bool { return o.SameEntry(h) }) {
			left = append(left, *h)
		}
	}
	return left
}

// listsOf names the lists that hits are of, each once.
func listsOf(hits []nrd.Hit) []string {
	var names []string
	for i := range hits {
		if name := hits[i].List.List; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// matchNow gives the hits of a mark by the unit's lists, with those that a gateway added
// or confirmed lately. What it took back stays among them: that is told first and
// then withdrawn where everybody sees it, by [Agent.looked].
func (a *Agent) matchNow(v nrd.VRM) []nrd.Hit {
	hits := a.match(v)
	if a.live != nil {
		hits = a.live.With(v, hits)
	}
	return hits
}

// check gives the hits of a mark that an officer checks; live says that a gateway
// has been asked.
func (a *Agent) check(ctx context.Context, v nrd.VRM, officer, reason string) (hits []nrd.Hit, asked bool) {
	hits = a.match(v)
	if a.live == nil {
		return hits, false
	}
	return a.live.Check(ctx, v, officer, reason, hits)
}

// putLive gives the metrics of a unit that asks a gateway.
func (a *Agent) putLive(put metrics.Put) {
	if a.live == nil {
		return
	}
	n := a.live.Counts()
	for outcome, count := range map[string]uint64{"answered": n.Answered, "failed": n.Failed, "skipped": n.Skipped, "dropped": n.Dropped} {
		put("nrd_agent_live_lookups_total", float64(count), outcome)
	}
	put("nrd_agent_live_open", metrics.Bool(n.Open))
}
