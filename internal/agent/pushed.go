package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"time"

	"nrd"
	"nrd/internal/config"
	"nrd/internal/sealed"
)

// ErrRestart says that the unit is to be started anew with the configuration that
// central has set, or without one that did not work.
var ErrRestart = errors.New("central has changed the configuration")

// A configuration from central is on trial until central has answered to it. It
// has so long for that, and so many starts, because it may be what ends them.
const (
	trialTime   = 10 * time.Minute
	trialStarts = 3
)

// pushed is what central has set on the unit, kept sealed in one file, the
// settings before it beside it, so that each change is one step.
type pushed struct {
	file string
	key  *sealed.Key
	base *Config // the unit's own file

	mu   sync.Mutex
	kept keptSettings
}

// keptSettings is the content of the file. Current and Previous are TOML, "" for
// the unit's own settings alone.
type keptSettings struct {
	Order             uint64
	State, Reason     string
	Current, Previous string
	Starts            int
}

const purposePushed = "configuration from central"

func (c *Config) pushedFile() string { return filepath.Join(c.Data, "configuration") }

// openPushed reads what central has set. A file that does not open is no reason
// to leave the road: the unit's own settings hold, and central sends its own again.
func openPushed(file string, key *sealed.Key) (*pushed, error) {
	p := &pushed{file: file, key: key.Derive(purposePushed)}
	box, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := p.key.Open(box, nil)
	if err == nil {
		err = json.Unmarshal(text, &p.kept)
	}
	if err != nil {
		p.kept = keptSettings{}
		return p, nil //nolint:nilerr // as said above
	}
	return p, nil
}

// inForce gives the unit's settings with those of central over them. One on trial
// that was started too often is rolled back first.
func (p *pushed) inForce(base *Config, log *slog.Logger) (*Config, error) {
	p.base = base
	if p.onTrial() {
		p.mu.Lock()
		p.kept.Starts++
		starts := p.kept.Starts
		p.mu.Unlock()
		if err := p.write(); err != nil {
			return nil, err
		}
		if starts > trialStarts {
			if err := p.rollBack(fmt.Sprintf("the unit was started %d times without reaching central", trialStarts)); err != nil {
				return nil, err
			}
		}
	}
	p.mu.Lock()
	text := p.kept.Current
	p.mu.Unlock()
	c, err := base.with(text)
	if err != nil {
		// It was right when it came; another version of the program sees it
		// otherwise.
		log.Error("the configuration from central is not used", "error", err)
		return base, p.rollBack(err.Error())
	}
	return c, nil
}

// with gives a copy of the settings with others over them: a setting or a table
// that text has replaces the whole one.
func (c *Config) with(text string) (*Config, error) {
	if text == "" {
		return c, nil
	}
	const file = "central's configuration"
	if err := config.CheckPushed(file, []byte(text)); err != nil {
		return nil, err
	}
	n := *c
	into, usual := reflect.ValueOf(&n).Elem(), reflect.ValueOf(defaults()).Elem()
	for i := range into.NumField() {
		name := into.Type().Field(i).Tag.Get("toml")
		// Of central's own table only some can be set: the rest stays.
		if name != "" && name != "central" && config.Has([]byte(text), name) {
			into.Field(i).Set(usual.Field(i))
		}
	}
	if err := config.Parse(file, []byte(text), &n); err != nil {
		return nil, err
	}
	n.resolve()
	return &n, n.check()
}

func (p *pushed) onTrial() bool { return p.status().State == nrd.ConfigurationTrial }

// status is what central is told.
func (p *pushed) status() nrd.ConfigurationState {
	if p == nil {
		return nrd.ConfigurationState{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return nrd.ConfigurationState{Order: p.kept.Order, State: p.kept.State, Reason: p.kept.Reason}
}

func (p *pushed) try(order uint64, toml string) error {
	return p.change(func(k *keptSettings) {
		*k = keptSettings{Order: order, State: nrd.ConfigurationTrial, Current: toml, Previous: k.Current}
	})
}

func (p *pushed) confirm() error {
	return p.change(func(k *keptSettings) { k.State, k.Starts = nrd.ConfigurationInForce, 0 })
}

func (p *pushed) refuse(order uint64, reason string) error {
	return p.change(func(k *keptSettings) {
		*k = keptSettings{Order: order, State: nrd.ConfigurationRefused, Reason: reason, Current: k.Current, Previous: k.Previous}
	})
}

func (p *pushed) rollBack(reason string) error {
	return p.change(func(k *keptSettings) {
		*k = keptSettings{Order: k.Order, State: nrd.ConfigurationRolledBack, Reason: reason, Current: k.Previous, Previous: k.Previous}
	})
}

func (p *pushed) change(f func(*keptSettings)) error {
	p.mu.Lock()
	f(&p.kept)
	p.mu.Unlock()
	return p.write()
}

func (p *pushed) write() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	text, err := json.Marshal(p.kept)
	if err != nil {
		return err
	}
	return sealed.WriteFile(p.file, p.key.Seal(text, nil), 0o600)
}
