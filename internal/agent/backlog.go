package agent

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"nrd"
	"nrd/internal/machinekey"
	"nrd/internal/sealed"
	"nrd/uplink"
	"nrd/uplink/carry"
)

// ErrRunning says that the buffer is open in a running agent.
var ErrRunning = errors.New("the agent is running and has the buffer open; stop it first (systemctl stop nrd-agent), or ask nrd-agent status")

// Backlog is the buffer of a unit whose agent is stopped.
type Backlog struct {
	Config *Config
	Clock  nrd.Clock
	Log    *slog.Logger
}

// Entry is an item of the buffer.
type Entry = uplink.Entry

// open opens the buffer under a key. The error is ErrRunning where a running
// agent has it.
func (b *Backlog) open(key *sealed.Key) (*uplink.Buffer, error) {
	buffer, err := uplink.OpenBuffer(b.Config.buffer(key, b.Clock, b.Log))
	if errors.Is(err, uplink.ErrInUse) {
		err = fmt.Errorf("%w: %w", ErrRunning, err)
	}
	return buffer, err
}

// with calls f with the open buffer.
func (b *Backlog) with(f func(*uplink.Buffer) error) error {
	if _, err := os.Stat(filepath.Join(b.Config.Data, "buffer")); err != nil {
		return fmt.Errorf("there is no buffer yet: %w", err)
	}
	key, err := b.Config.storageKey()
	if err != nil {
		return err
	}
	buffer, err := b.open(key)
	if err != nil {
		return err
	}
	return errors.Join(f(buffer), buffer.Close())
}

// Status counts what the buffer holds.
func (b *Backlog) Status() (s uplink.Stats, err error) {
	err = b.with(func(buffer *uplink.Buffer) error {
		s, err = buffer.Stats()
		return err
	})
	return s, err
}

// List calls f with every item.
func (b *Backlog) List(f func(Entry) error) error {
	return b.with(func(buffer *uplink.Buffer) error { return buffer.Each(f) })
}

// Export writes everything that waits to a new file, to be carried to central by
// hand, sealed under the key where one is given. It all stays in the buffer until
// a receipt comes. The number is of items; damaged ones are left out and counted
// apart.
func (b *Backlog) Export(path string, key *sealed.Key) (items, damaged int, err error) {
	err = b.with(func(buffer *uplink.Buffer) error {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		items, damaged, err = export(buffer, f, key)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return errors.Join(err, os.Remove(path))
		}
		return sealed.SyncDir(filepath.Dir(path))
	})
	return items, damaged, err
}

func export(buffer *uplink.Buffer, to io.Writer, key *sealed.Key) (items, damaged int, err error) {
	w, err := carry.NewWriter(to, key)
	if err != nil {
		return 0, 0, err
	}
	err = buffer.Each(func(e uplink.Entry) error {
		switch {
		case e.SetAside:
			return nil
		case e.Damaged:
			damaged++
			return nil
		}
		items++
		return w.Add(e.Kind, e.Payload)
	})
	if err != nil {
		return items, damaged, err
	}
	return items, damaged, w.Close()
}

// Purge lets go of everything, or of what was set aside alone, for a reason.
func (b *Backlog) Purge(reason string, asideOnly bool) (records, images uint64, err error) {
	err = b.with(func(buffer *uplink.Buffer) error {
		records, images, err = buffer.Purge(reason, asideOnly)
		return err
	})
	return records, images, err
}

// RotateKey draws a new storage key, kept in the configured file or sealed by the
// TPM at device, and puts it in the old one's place. Begun again after a power
// cut it ends what it began. The cache of lists is removed: the agent loads the
// lists anew when it starts.
func (b *Backlog) RotateKey(device string) error {
	if os.Getenv("CREDENTIALS_DIRECTORY") != "" {
		return errors.New("the key is a systemd credential: run this outside the service, on the key file that the credential is made from")
	}
	old, err := b.Config.storageKey()
	if err != nil {
		return err
	}
	buffer, err := b.open(old)
	if err != nil {
		return err
	}
	next, err := machinekey.Next(b.Config.Key, device)
	if err == nil {
		err = errors.Join(b.reseal(old.Also(next), next), buffer.Rekey(next))
	}
	if err = errors.Join(err, buffer.Close()); err != nil {
		return err
	}
	if err := machinekey.Promote(b.Config.Key); err != nil {
		return err
	}
	if buffer, err = b.open(next); err != nil { // from here on the old key opens nothing
		return err
	}
	return errors.Join(buffer.Close(), os.RemoveAll(filepath.Join(b.Config.Data, "lists")))
}

// reseal seals what is no buffer under the next key: the unit's identity and what
// central has configured.
func (b *Backlog) reseal(from, next *sealed.Key) error {
	if err := b.Config.Central.files().Reseal(from, next); err != nil {
		return err
	}
	if _, err := os.Stat(b.Config.pushedFile()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	p, err := openPushed(b.Config.pushedFile(), from)
	if err != nil {
		return err
	}
	p.key = next.Derive(purposePushed)
	return p.write()
}

// buffer is the buffer's configuration.
func (c *Config) buffer(key *sealed.Key, clock nrd.Clock, log *slog.Logger) uplink.BufferConfig {
	return uplink.BufferConfig{
		Dir: filepath.Join(c.Data, "buffer"), Device: c.Device, Key: key, MaxBytes: int64(c.Buffer.MaxBytes),
		MaxAge: time.Duration(c.Buffer.MaxAge), Clock: clock, Log: log,
	}
}
