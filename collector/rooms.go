package collector

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"nrd/collector/access"
	"nrd/collector/fleet"
	"nrd/collector/lists"
	"nrd/collector/store/sqlite"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

// rooms are what the server and a command without a server have in common: the
// store and the door to it.
type rooms struct {
	config *Config
	log    *slog.Logger
	store  *sqlite.Store
	access *access.Service
	fleet  *fleet.Fleet
	lists  *lists.Lists
}

// openRooms opens the store; it makes an empty one where there is none. The
// errors are ErrConfiguration, ErrOwner and the store's.
func openRooms(c *Config, log *slog.Logger) (*rooms, error) {
	key, err := sealed.LoadKey(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%w:\n%s: key: %w", ErrConfiguration, c.file, err)
	}
	issuer, err := identity.OpenIssuer(c.Ingest.CA, c.Fleet.Certificate, c.Fleet.Key, c.Clock)
	if err != nil {
		return nil, fmt.Errorf("%w:\n%s: fleet: %w", ErrConfiguration, c.file, err)
	}
	revoked, err := os.ReadFile(c.revokedIssuers())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w:\n%s: ingest.ca: %w", ErrConfiguration, c.file, err)
	}
	if err := own(c.Data); err != nil {
		return nil, err
	}
	st, err := sqlite.Open(sqlite.Config{Dir: c.store(), Key: key, Clock: c.Clock, Log: log})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	door := &access.Service{
		Store: st, Profile: c.profile, Clock: c.Clock, Log: log,
		Idle: time.Duration(c.Session.Idle), Absolute: time.Duration(c.Session.Absolute),
	}
	if err := door.Initialize(); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	devices := &fleet.Fleet{
		Store: st, Access: door, Issuer: issuer, RevokedIssuers: revoked, ReviewDays: c.profile.DeviceReviewDays, Clock: c.Clock, Log: log,
	}
	l := &lists.Lists{
		Store: st, Access: door, Dir: c.lists(), Inbox: c.Lists.Inbox, Key: key, Profile: c.profile, Clock: c.Clock, Log: log,
		Limits: lists.Limits{Shrink: c.Lists.Shrink, Late: time.Duration(c.Lists.Late), Retrospect: time.Duration(c.Lists.Retrospect), Expired: time.Duration(c.Lists.Expired)},
	}
	if err := l.Initialize(context.Background()); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return &rooms{config: c, log: log, store: st, access: door, fleet: devices, lists: l}, nil
}

func (r *rooms) close() error {
	r.lists.Close()
	return r.store.Close()
}

// own makes the data folder, or makes sure that it is this system user's: what
// root makes in it, central could not open afterwards.
func own(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: %w", dir, ErrOwner)
	}
	return nil
}
