package collector

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/clock"
)

var quiet = slog.New(slog.DiscardHandler)

const password = "a long enough phrase"

// openDesk opens a site's desk for an account.
func openDesk(t *testing.T, c *Config, account string) *Desk {
	t.Helper()
	d, err := OpenDesk(t.Context(), c, account, quiet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func staffed(t testing.TB) *Config {
	t.Helper()
	c := newSite(t)
	c.Clock = clock.NewManual(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	d, err := OpenDesk(t.Context(), c, "root", quiet)
	if err != nil {
		t.Fatal(err)
	}
	err = d.AddUser(t.Context(), NewUser{Name: "jane.doe", FullName: "Jane Doe", Role: "anpr-manager", Authoriser: "Supt Gray", Password: password})
	if err = errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	return c
}

// log gives the lines of the access log.
func accessLog(t *testing.T, c *Config) []store.Access {
	t.Helper()
	r, err := openRooms(c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := r.store.AccessLog(t.Context(), 1, 1000)
	if err = errors.Join(err, r.store.CheckAccessLog(t.Context()), r.close()); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestTheFirstAccountMustBeOneThatCanMakeOthers(t *testing.T) {
	d := openDesk(t, newSite(t), "root")
	err := d.AddUser(t.Context(), NewUser{Name: "sam.hill", FullName: "Sam Hill", Role: "officer", Authoriser: "Supt Gray", Password: password})
	if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "first account") {
		t.Errorf("got %v", err)
	}
}

func TestACommandActsWithTheRightsOfItsAccount(t *testing.T) {
	c := staffed(t)
	jane := openDesk(t, c, "jane.doe")
	sam := NewUser{Name: "sam.hill", FullName: "Sam Hill", Role: "officer", Authoriser: "Supt Gray", Password: password}
	if err := jane.AddUser(t.Context(), sam); err != nil {
		t.Fatal(err)
	}
	if err := jane.ApproveDevice(t.Context(), Approval{Device: "roadside-0001", By: "ACC Stone", Reference: "DPIA 7"}); err != nil {
		t.Fatal(err)
	}
	devices, err := jane.Devices(t.Context())
	if err != nil || len(devices) != 1 || !devices[0].Review.Equal(c.Clock.Now().AddDate(0, 0, 365)) {
		t.Errorf("devices: %+v, %v", devices, err)
	}
	sams := openDesk(t, c, "sam.hill") // while jane's desk holds the store
	for name, err := range map[string]error{
		"user add":         sams.AddUser(t.Context(), NewUser{Name: "li.wu", FullName: "Li Wu", Role: "it", Authoriser: "X", Password: password}),
		"user remove":      sams.RemoveUser(t.Context(), "jane.doe"),
		"device approve":   sams.ApproveDevice(t.Context(), Approval{Device: "car-7", By: "x", Reference: "y"}),
		"device revoke":    sams.RevokeDevice(t.Context(), "roadside-0001", "lost"),
		"device wipe":      sams.WipeDevice(t.Context(), "roadside-0001", "lost"),
		"device configure": sams.ConfigureDevice(t.Context(), "roadside-0001", `profile = "nasple-2.4"`),
		"backup":           sams.Backup(t.Context(), t.TempDir(), func(_, _ int64) {}),
	} {
		if !errors.Is(err, ErrRefused) {
			t.Errorf("an officer's %s: %v", name, err)
		}
	}
	if _, err := sams.Users(t.Context()); !errors.Is(err, ErrRefused) {
		t.Errorf("an officer's user list: %v", err)
	}
	if _, err := sams.Search(t.Context(), Enquiry{VRM: "AB*"}); !errors.Is(err, ErrRefused) {
		t.Errorf("a search without a reason: %v", err)
	}
	if _, err := sams.Officers(t.Context(), OfficerEnquiry{}); !errors.Is(err, ErrRefused) {
		t.Errorf("officers' actions without a reason: %v", err)
	}
	if _, err := sams.Officers(t.Context(), OfficerEnquiry{VRM: "A_B", Reason: "audit 7"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("officers' actions about no mark: %v", err)
	}
	if events, err := sams.Officers(t.Context(), OfficerEnquiry{VRM: "ab12 cde", Reason: "audit 7"}); err != nil || len(events) != 0 {
		t.Errorf("officers' actions: %+v, %v", events, err)
	}
	if _, err := sams.Search(t.Context(), Enquiry{VRM: "A_B", Reason: "incident 7"}); !errors.Is(err, ErrInvalid) {
		t.Errorf("a search that cannot be: %v", err)
	}
	if _, err := openDesk(t, c, "nobody").Devices(t.Context()); !errors.Is(err, ErrRefused) {
		t.Errorf("nobody's list: %v", err)
	}
	if err := jane.RevokeDevice(t.Context(), "no-such", "lost"); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if err := jane.AddUser(t.Context(), sam); !errors.Is(err, ErrInvalid) {
		t.Errorf("the same name twice: %v", err)
	}
}

func TestTheLogKeepsTheAccountAndTheSystemUser(t *testing.T) {
	c := staffed(t)
	lines := accessLog(t, c)
	if len(lines) != 1 || lines[0].Account != "root" || !strings.Contains(lines[0].Subject, "jane.doe as anpr-manager (the first account)") {
		t.Fatalf("the log has %+v", lines)
	}
	if !strings.HasPrefix(lines[0].From, "command line (system user ") {
		t.Errorf("the line is from %q", lines[0].From)
	}
}

func TestASocketThatWasLeftBehindIsNoServer(t *testing.T) {
	c := staffed(t)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: c.socket(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if users, err := openDesk(t, c, "jane.doe").Users(t.Context()); err != nil || len(users) != 1 {
		t.Errorf("users: %v, %v", users, err)
	}
	if info, err := os.Stat(c.socket()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is %v, %v", info, err)
	}
}

func TestABackupIsRestoredWithEverything(t *testing.T) {
	c := staffed(t)
	r, err := openRooms(c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	key := nrd.Key{Device: "roadside-0001", Epoch: 1, Sequence: 1}
	_, err = r.store.Insert(t.Context(), []store.Item{{Key: key, Kind: store.KindRecord, Digest: [32]byte{1}, Received: c.Clock.Now(), Record: &nrd.Record{
		Key: key, Captured: nrd.Stamp{UTC: c.Clock.Now()}, Read: nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE"},
	}}})
	if err = errors.Join(err, r.close()); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "backup")
	d := openDesk(t, c, "jane.doe")
	var done, total int64
	if err := d.Backup(t.Context(), dir, func(d, t int64) { done, total = d, t }); err != nil || done != total || total == 0 {
		t.Fatalf("%d of %d, %v", done, total, err)
	}
	if err := d.Backup(t.Context(), dir, func(_, _ int64) {}); err == nil {
		t.Error("a backup was written over another")
	}
	restore := func() error {
		return Restore(t.Context(), c, "jane.doe", dir, quiet, func(_, _ int64) {})
	}
	if err := restore(); !errors.Is(err, ErrRunning) {
		t.Errorf("restored while somebody holds the store: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d.close = func() error { return nil } // closed already
	if err := restore(); err == nil {
		t.Error("restored over a store")
	}
	if err := os.Rename(c.store(), c.store()+".old"); err != nil {
		t.Fatal(err)
	}
	if err := restore(); err != nil {
		t.Fatal(err)
	}
	found, err := openDesk(t, c, "jane.doe").Search(t.Context(), Enquiry{VRM: "AB12CDE", Reason: "incident 7"})
	if err != nil || len(found) != 1 || found[0].Key != key.String() {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestARestoreIsLoggedAndAWrongKeyRestoresNothing(t *testing.T) {
	c := staffed(t)
	dir := filepath.Join(t.TempDir(), "backup")
	d := openDesk(t, c, "jane.doe")
	if err := d.Backup(t.Context(), dir, func(_, _ int64) {}); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), newSite(t), "jane.doe", dir, quiet, nil); err == nil {
		t.Error("another site's key opened the backup")
	}
	other := newSite(t)
	other.Key, other.Clock = c.Key, c.Clock
	if err := Restore(t.Context(), other, "jane.doe", dir, quiet, nil); err != nil {
		t.Fatal(err)
	}
	lines := accessLog(t, other)
	if last := lines[len(lines)-1]; last.Action != "restore" || last.Subject != dir || last.Account != "jane.doe" {
		t.Errorf("the log ends with %+v", last)
	}
}
