package publish

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"nrd/internal/trust"
)

// signed is the metadata that is served.
type signed struct {
	number  int64
	at      time.Time
	devices []string
	// files are by name, the newest number's first, then those of numbers before,
	// for devices that are in the middle of them.
	files []map[string][]byte
}

// maxSigned is how many numbers are kept.
const maxSigned = 8

func (s signed) isFor(devices []string) bool {
	return slices.Equal(s.devices, slices.Sorted(slices.Values(devices)))
}

// sign signs what a state lets the devices have, and puts both in force. publishing
// is held.
func (p *Publisher) sign(ctx context.Context, next state) error {
	devices, err := p.Devices(ctx)
	if err != nil {
		return err
	}
	devices = slices.Sorted(slices.Values(devices))
	now := p.Clock.Now()
	// The number is a time, so that it goes on above the old one where central
	// was made anew from a backup.
	next.Number = max(next.Number+1, now.Unix())
	roles := map[string][]trust.Target{}
	targets, err := next.targets()
	if err != nil {
		return err
	}
	for _, device := range devices {
		var own []trust.Target
		for _, name := range next.names() {
			if next.Lists[name].For(device) {
				own = append(own, targets[name]...)
			}
		}
		roles[p.role(device)] = own
	}
	files, err := p.Signer.Sign(next.Number, now, roles)
	if err != nil {
		return err
	}
	if err := p.writeState(next); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = next
	kept := append([]map[string][]byte{files}, p.signed.files...)
	p.signed = signed{number: next.Number, at: now, devices: devices, files: kept[:min(len(kept), maxSigned)]}
	return nil
}

// targets gives the targets of each list.
func (s state) targets() (map[string][]trust.Target, error) {
	all := map[string][]trust.Target{}
	for name, l := range s.Lists {
		for _, f := range l.files() {
			custom, err := json.Marshal(f.Publication)
			if err != nil {
				return nil, err
			}
			all[name] = append(all[name], trust.Target{Name: f.name(), Length: f.Length, SHA256: f.SHA256, Custom: custom})
		}
	}
	return all, nil
}

// name tells nothing but files apart: what is in them the metadata says.
func (f file) name() string {
	kind := "snapshot"
	if f.From != 0 {
		kind = "delta"
	}
	return fmt.Sprintf("%x.%s", f.SHA256[:8], kind)
}

// salt is what hides which role is a device's, told to that device alone.
func (p *Publisher) salt(device string) string {
	m := hmac.New(sha256.New, p.key.Derive("salts").Bytes())
	m.Write([]byte(device))
	return hex.EncodeToString(m.Sum(nil))
}

func (p *Publisher) role(device string) string { return trust.RoleName(p.salt(device), device) }

// metadata gives a file of the metadata, where a device may have it.
func (p *Publisher) metadata(device, name string) ([]byte, bool) {
	if common, role := trust.Common(name); !common && role != p.role(device) {
		return nil, false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, files := range p.signed.files {
		if text, ok := files[name]; ok {
			return text, true
		}
	}
	return nil, false
}

// target gives the file on disk of a target, where a device may have it.
func (p *Publisher) target(device, role, name string) (string, bool) {
	if role != p.role(device) {
		return "", false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	for l := range maps.Values(p.state.Lists) {
		if !l.For(device) {
			continue
		}
		for _, f := range l.files() {
			if (trust.Target{Name: f.name(), SHA256: f.SHA256}).File() == name {
				return p.path(f), true
			}
		}
	}
	return "", false
}
