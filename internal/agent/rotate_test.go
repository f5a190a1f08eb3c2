package agent

import (
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nrd"
	"nrd/internal/clock"
	"nrd/internal/identity"
	"nrd/internal/machinekey"
	"nrd/internal/powercut"
	"nrd/internal/sealed"
	"nrd/uplink"
)

// keyed is a stopped unit with something under its storage key of each kind.
func keyed(t *testing.T, dir string) *Backlog {
	t.Helper()
	must(t, sealed.MakeDir(dir))
	storage, err := sealed.CreateKey(filepath.Join(dir, "storage.key"))
	must(t, err)
	issued := t.TempDir()
	site, err := identity.NewSite(issued, clock.System())
	must(t, err)
	must(t, site.IssueDevice(issued, "car-7"))
	key, err := os.ReadFile(filepath.Join(issued, "car-7.key"))
	must(t, err)
	chain, err := os.ReadFile(filepath.Join(issued, "car-7.pem"))
	must(t, err)
	block, _ := pem.Decode(key)
	text := pem.EncodeToMemory(&pem.Block{Type: "SEALED PRIVATE KEY", Bytes: storage.Derive("device identity").Seal(block.Bytes, nil)})
	must(t, sealed.WriteFile(filepath.Join(dir, "device.pem"), append(text, chain...), 0o600))
	ca, err := os.ReadFile(filepath.Join(issued, "ca.pem"))
	must(t, err)
	must(t, sealed.WriteFile(filepath.Join(dir, "ca.pem"), ca, 0o600))
	must(t, sealed.WriteFile(filepath.Join(dir, "nrd-agent.toml"), []byte(`device = "car-7"
controller = "Test Constabulary"
data = "data"
key = "storage.key"
[[camera]]
footage = "rtsp://127.0.0.1:9/none"
[central]
broker = "tls://127.0.0.1:9"
ca = "ca.pem"
certificate = "device.pem"
`), 0o600))
	b := backlogIn(t, dir)
	buffer, err := b.open(storage)
	must(t, err)
	for _, vrm := range []nrd.VRM{"ONE", "TWO"} {
		_, err := buffer.Append(&nrd.Record{Camera: nrd.Camera{Name: "front"}, Captured: clock.System().Stamp(), Read: nrd.Read{VRM: vrm, Raw: string(vrm)}})
		must(t, err)
	}
	must(t, buffer.Close())
	p, err := openPushed(b.Config.pushedFile(), storage)
	must(t, err)
	must(t, p.refuse(7, "a test"))
	return b
}

func backlogIn(t testing.TB, dir string) *Backlog {
	t.Helper()
	c, err := LoadConfig(filepath.Join(dir, "nrd-agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return &Backlog{Config: c, Clock: clock.System(), Log: slog.New(slog.DiscardHandler)}
}

// opens checks that a key opens everything that the unit holds.
func (b *Backlog) opens(key *sealed.Key) error {
	if _, err := identity.OpenCredential(b.Config.Central.files(), key, b.Clock); err != nil {
		return fmt.Errorf("the identity: %w", err)
	}
	if p, err := openPushed(b.Config.pushedFile(), key); err != nil || p.status().Order != 7 {
		return fmt.Errorf("central's configuration: %v, %w", p, err)
	}
	buffer, err := b.open(key)
	if err != nil {
		return err
	}
	var marks []string
	err = buffer.Each(func(e uplink.Entry) error {
		marks = append(marks, string(e.VRM))
		return nil
	})
	if err = errors.Join(err, buffer.Close()); err == nil && strings.Join(marks, " ") != "ONE TWO" {
		err = fmt.Errorf("the buffer holds %q", marks)
	}
	return err
}

// TestKeyRotateProgram is what runs while the power is cut.
func TestKeyRotateProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		t.Skip("run by TestAPowerCutDuringAKeyRotationCostsNothing")
	}
	b := keyed(t, filepath.Join(disk, "unit"))
	key, err := b.Config.storageKey()
	must(t, err)
	must(t, powercut.Promise(disk, "old "+hex.EncodeToString(key.Bytes())))
	must(t, b.RotateKey(""))
	must(t, powercut.Promise(disk, "rotated"))
}

func TestAPowerCutDuringAKeyRotationCostsNothing(t *testing.T) {
	check := func(disk string, promises []string) error {
		if len(promises) == 0 {
			return nil // the unit was not made yet
		}
		raw, err := hex.DecodeString(strings.TrimPrefix(promises[0], "old "))
		if err != nil {
			return err
		}
		old, err := sealed.ParseKey(raw)
		if err != nil {
			return err
		}
		b := backlogIn(t, filepath.Join(disk, "unit"))
		key, err := b.Config.storageKey()
		if err != nil {
			return err
		}
		if err := b.opens(key); err != nil {
			return fmt.Errorf("what the unit is left with: %w", err)
		}
		if err := b.RotateKey(""); err != nil {
			return fmt.Errorf("given again: %w", err)
		}
		if key, err = machinekey.Load(b.Config.Key); err != nil {
			return err
		}
		if err := b.opens(key); err != nil {
			return fmt.Errorf("after it was given again: %w", err)
		}
		if _, err := b.open(old); !errors.Is(err, uplink.ErrKey) {
			return fmt.Errorf("the buffer under the old key: %w", err)
		}
		if _, err := identity.OpenCredential(b.Config.Central.files(), old, b.Clock); !errors.Is(err, identity.ErrSealed) {
			return fmt.Errorf("the identity under the old key: %w", err)
		}
		return nil
	}
	trace := powercut.Watch(t, "TestKeyRotateProgram")
	for _, wrong := range trace.Check(t, 60, check) {
		t.Error(wrong)
	}
}
