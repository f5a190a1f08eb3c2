package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nrd"
	"nrd/internal/agent"
	"nrd/internal/clock"
	"nrd/internal/commandline"
	"nrd/internal/identity"
	"nrd/internal/machinekey"
	"nrd/internal/sealed"
	"nrd/uplink"
	"nrd/uplink/carry"
)

// unit makes the configuration of a unit whose buffer holds a hit and a read.
func unit(t *testing.T) (file string, open func() *uplink.Buffer) {
	t.Helper()
	dir := t.TempDir()
	site, err := identity.NewSite(dir, clock.System())
	if err == nil {
		err = site.IssueDevice(dir, "roadside-0001")
	}
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "nrd-agent.toml")
	text := string(agent.Sample)
	for from, to := range map[string]string{
		`data = "/var/lib/nrd-agent"`: `data = "data"`, "/etc/nrd-agent/": "", "/var/lib/nrd-agent/identity/": "",
	} {
		text = strings.ReplaceAll(text, from, to)
	}
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), machinekey.Create(filepath.Join(dir, "storage.key"), "")); err != nil {
		t.Fatal(err)
	}
	open = func() *uplink.Buffer {
		key, err := machinekey.Load(filepath.Join(dir, "storage.key"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := uplink.OpenBuffer(uplink.BufferConfig{
			Dir: filepath.Join(dir, "data", "buffer"), Device: "roadside-0001", Key: key, MaxBytes: 1 << 30,
			Clock: clock.System(), Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sealIdentity(t, dir)
	b := open()
	for _, vrm := range []nrd.VRM{"SECRET1", "SECRET2"} {
		r := &nrd.Record{Camera: nrd.Camera{Name: "front"}, Captured: clock.System().Stamp(), Read: nrd.Read{VRM: vrm, Raw: string(vrm), Confidence: 90}}
		if vrm == "SECRET1" {
			r.Hits = []nrd.Hit{{Entry: nrd.Entry{List: "wanted", VRM: vrm, Priority: nrd.PriorityHigh}, Match: nrd.MatchExact}}
		}
		if _, err := b.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return file, open
}

// sealIdentity makes of the unit's certificate and key what enrolling leaves: one
// file, the key sealed under the storage key.
func sealIdentity(t *testing.T, dir string) {
	t.Helper()
	storage, err := machinekey.Load(filepath.Join(dir, "storage.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, keyErr := os.ReadFile(filepath.Join(dir, "roadside-0001.key"))
	chain, chainErr := os.ReadFile(filepath.Join(dir, "roadside-0001.pem"))
	block, _ := pem.Decode(key)
	if err := errors.Join(keyErr, chainErr); err != nil || block == nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "SEALED PRIVATE KEY", Bytes: storage.Derive("device identity").Seal(block.Bytes, nil)})
	if err := os.WriteFile(filepath.Join(dir, "device.pem"), append(text, chain...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// mustCall runs the program and wants it to succeed.
func mustCall(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := call(t, args...)
	if code != commandline.Done {
		t.Fatalf("%v: exit code %d: %s", args, code, errs)
	}
	return out
}

func TestTheBufferIsCountedAndListedWithoutMarks(t *testing.T) {
	file, _ := unit(t)
	if out := mustCall(t, "buffer", "status", "-c", file, "--json"); !strings.Contains(out, `"records":2`) || !strings.Contains(out, `"dead_letters":0`) || !strings.Contains(out, `"damaged_items":0`) || !strings.Contains(out, `"refused_records":0`) {
		t.Errorf("status: %s", out)
	}
	out := mustCall(t, "buffer", "list", "-c", file, "--json")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"hit":true`) || !strings.Contains(lines[1], `"state":"waiting"`) || strings.Contains(out, "SECRET") {
		t.Errorf("list: %s", out)
	}
	if out := mustCall(t, "buffer", "list", "-c", file, "--vrm"); !strings.Contains(out, "SECRET1") || !strings.Contains(out, "SECRET2") {
		t.Errorf("list --vrm: %s", out)
	}
}

func TestTheBufferIsExportedSealedOrInTheClear(t *testing.T) {
	file, _ := unit(t)
	dir := t.TempDir()
	path, keyPath := filepath.Join(dir, "reads"), filepath.Join(dir, "reads.key")
	mustCall(t, "buffer", "export", "-c", file, "-o", path, "--key", keyPath)
	data, err := os.ReadFile(path)
	if err != nil || bytes.Contains(data, []byte("SECRET")) {
		t.Fatalf("the sealed file shows what was read, %v", err)
	}
	key, err := sealed.LoadKey(keyPath)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := carry.Read(bytes.NewReader(data), key, func(kind string, payload []byte) error {
		if n++; kind != "record" || !bytes.Contains(payload, []byte("SECRET")) {
			t.Errorf("%s: %q", kind, payload)
		}
		return nil
	}); err != nil || n != 2 {
		t.Errorf("%d records, %v", n, err)
	}
	for name, args := range map[string][]string{
		"neither sealed nor clear": {"-o", filepath.Join(dir, "a")},
		"a file that is there":     {"-o", path, "--clear"},
		"a key that is there":      {"-o", filepath.Join(dir, "b"), "--key", keyPath},
	} {
		if code, _, _ := call(t, append([]string{"buffer", "export", "-c", file}, args...)...); code != commandline.Failed {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
	mustCall(t, "buffer", "export", "-c", file, "-o", filepath.Join(dir, "clear"), "--clear")
	if out := mustCall(t, "buffer", "status", "-c", file, "--json"); !strings.Contains(out, `"records":2`) {
		t.Errorf("after an export: %s", out)
	}
}

func TestAPurgeNeedsAReasonAndTheDevicesName(t *testing.T) {
	file, _ := unit(t)
	if code, _, errs := call(t, "buffer", "purge", "-c", file, "--yes"); code != commandline.Failed || !strings.Contains(errs, "--reason") {
		t.Errorf("without a reason: %d, %s", code, errs)
	}
	answer := func(text string) int {
		var o, e bytes.Buffer
		p := &program{Frame: commandline.Frame{In: strings.NewReader(text), Out: &o, Err: &e}}
		return p.run(context.Background(), []string{"buffer", "purge", "-c", file, "--reason", "sold"})
	}
	if code := answer("yes\n"); code != commandline.Failed {
		t.Errorf("purged without the name: %d", code)
	}
	if code := answer("roadside-0001\n"); code != commandline.Done {
		t.Errorf("not purged: %d", code)
	}
	out := mustCall(t, "buffer", "status", "-c", file, "--json")
	if !strings.Contains(out, `"records":0`) || !strings.Contains(out, `"dropped_records":2`) || !strings.Contains(out, `"events":1`) {
		t.Errorf("afterwards: %s", out)
	}
}

func TestANewStorageKeyOpensEverythingAndTheOldOneNothing(t *testing.T) {
	file, open := unit(t)
	dir := filepath.Dir(file)
	old, err := machinekey.Load(filepath.Join(dir, "storage.key"))
	if err != nil {
		t.Fatal(err)
	}
	files := identity.Files{CA: filepath.Join(dir, "ca.pem"), Certificate: filepath.Join(dir, "device.pem")}
	for range 2 {
		mustCall(t, "key", "rotate", "-c", file)
		next, err := machinekey.Load(filepath.Join(dir, "storage.key"))
		if err != nil || bytes.Equal(next.Bytes(), old.Bytes()) {
			t.Fatalf("the key is the same: %v", err)
		}
		if _, err := identity.OpenCredential(files, next, clock.System()); err != nil {
			t.Errorf("the identity under the new key: %v", err)
		}
		if _, err := identity.OpenCredential(files, old, clock.System()); !errors.Is(err, identity.ErrSealed) {
			t.Errorf("the identity under the old key: %v", err)
		}
		if out := mustCall(t, "buffer", "list", "-c", file, "--vrm"); !strings.Contains(out, "SECRET1") || !strings.Contains(out, "SECRET2") {
			t.Errorf("the buffer under the new key: %s", out)
		}
		if _, err := uplink.OpenBuffer(uplink.BufferConfig{
			Dir: filepath.Join(dir, "data", "buffer"), Device: "roadside-0001", Key: old, MaxBytes: 1 << 30,
			Clock: clock.System(), Log: slog.New(slog.DiscardHandler),
		}); !errors.Is(err, uplink.ErrKey) {
			t.Errorf("the buffer under the old key: %v", err)
		}
		old = next
	}
	b := open()
	if code, _, errs := call(t, "key", "rotate", "-c", file); code != commandline.Failed || !strings.Contains(errs, "stop it first") {
		t.Errorf("beside a running agent: %d, %s", code, errs)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestARunningAgentKeepsItsBufferToItself(t *testing.T) {
	file, open := unit(t)
	b := open()
	for _, c := range []string{"status", "list"} {
		if code, _, errs := call(t, "buffer", c, "-c", file); code != commandline.Failed || !strings.Contains(errs, "stop it first") {
			t.Errorf("%s: %d, %s", c, code, errs)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
