package collector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"syscall"

	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/sealed"
)

// Desk is the command line's way in, on behalf of one account. Its errors are
// ErrRefused, ErrInvalid, ErrNotFound and whatever broke.
type Desk struct {
	account string
	client  *http.Client
	close   func() error
}

// OpenDesk finds the running central of a configuration; where none runs it
// opens the store itself, until Close.
func OpenDesk(ctx context.Context, c *Config, account string, log *slog.Logger) (*Desk, error) {
	d := &Desk{account: account, close: func() error { return nil }}
	d.client = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", c.socket())
		},
	}}
	up, err := running(ctx, c)
	if up || err != nil {
		return d, err
	}
	r, err := openRooms(c, log)
	if err != nil {
		return nil, err
	}
	server, err := listenDesk(ctx, r)
	if err != nil {
		return nil, errors.Join(err, r.close())
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- server.run(ctx) }()
	d.close = func() error {
		stop()
		return errors.Join(<-ended, r.close())
	}
	return d, nil
}

// running reports whether somebody answers on the socket.
func running(ctx context.Context, c *Config) (bool, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", c.socket())
	if err == nil {
		return true, conn.Close()
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return false, nil
	}
	return false, fmt.Errorf("the socket of the running central: %w", err)
}

// Close ends what OpenDesk opened.
func (d *Desk) Close() error {
	d.client.CloseIdleConnections()
	return d.close()
}

// AddUser makes an account.
func (d *Desk) AddUser(ctx context.Context, u NewUser) error {
	return d.ask(ctx, "/user/add", u, &nothing{})
}

// Users lists all accounts, the removed ones too.
func (d *Desk) Users(ctx context.Context) (users []User, err error) {
	return users, d.ask(ctx, "/user/list", nothing{}, &users)
}

// RemoveUser takes an account's access away.
func (d *Desk) RemoveUser(ctx context.Context, name string) error {
	return d.ask(ctx, "/user/remove", named{name}, &nothing{})
}

// ApproveDevice lets a device's reads in.
func (d *Desk) ApproveDevice(ctx context.Context, a Approval) error {
	return d.ask(ctx, "/device/approve", a, &nothing{})
}

// EnrolDevice approves a device and gives the token with which it gets its
// certificate.
func (d *Desk) EnrolDevice(ctx context.Context, a Approval) (e Enrolment, err error) {
	return e, d.ask(ctx, "/device/enrol", a, &e)
}

// RevokeDevice cuts a device off and refuses its reads from now on.
func (d *Desk) RevokeDevice(ctx context.Context, name, reason string) error {
	return d.ask(ctx, "/device/revoke", withReason{name, reason}, &nothing{})
}

// WipeDevice revokes a device and orders it to destroy its keys and all it holds.
func (d *Desk) WipeDevice(ctx context.Context, name, reason string) error {
	return d.ask(ctx, "/device/wipe", withReason{name, reason}, &nothing{})
}

// ConfigureDevice orders a device to use other settings, given as TOML.
func (d *Desk) ConfigureDevice(ctx context.Context, name, toml string) error {
	return d.ask(ctx, "/device/configure", settings{name, toml}, &nothing{})
}

// Devices lists all devices that are known.
func (d *Desk) Devices(ctx context.Context) (devices []DeviceState, err error) {
	return devices, d.ask(ctx, "/device/list", nothing{}, &devices)
}

// Search looks for records, newest first.
func (d *Desk) Search(ctx context.Context, e Enquiry) (found []Found, err error) {
	return found, d.ask(ctx, "/search", e, &found)
}

// Backup writes a consistent, encrypted copy of the store to the empty folder
// dir, as the system user of central, and tells how far it is in bytes.
func (d *Desk) Backup(ctx context.Context, dir string, progress func(done, total int64)) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	body, err := d.post(ctx, "/backup", backupRequest{dir})
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // read to its end or broken already
	for lines := json.NewDecoder(body); ; {
		var line backupLine
		if err := lines.Decode(&line); err != nil {
			return fmt.Errorf("the backup broke off: %w", err)
		}
		switch {
		case line.Complaint != nil:
			return line.Complaint.err()
		case line.Ended:
			return nil
		}
		progress(line.Done, line.Total)
	}
}

// ask sends a question and decodes its answer.
func (d *Desk) ask(ctx context.Context, path string, question, answer any) error {
	body, err := d.post(ctx, path, question)
	if err != nil {
		return err
	}
	return errors.Join(json.NewDecoder(body).Decode(answer), body.Close())
}

// post sends a question and gives the body of an answer that is no complaint.
func (d *Desk) post(ctx context.Context, path string, question any) (io.ReadCloser, error) {
	data, err := json.Marshal(question)
	if err != nil {
		return nil, err
	}
	return d.send(ctx, path, bytes.NewReader(data))
}

// send is post for a body of any kind.
func (d *Desk) send(ctx context.Context, path string, question io.Reader) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://central"+path, question)
	if err != nil {
		return nil, err
	}
	r.Header.Set(accountHeader, d.account)
	reply, err := d.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("central does not answer: %w", err)
	}
	if reply.StatusCode == http.StatusOK {
		return reply.Body, nil
	}
	var c complaint
	err = json.NewDecoder(reply.Body).Decode(&c)
	if err = errors.Join(err, reply.Body.Close()); err != nil {
		return nil, fmt.Errorf("central answers %s: %w", reply.Status, err)
	}
	return nil, c.err()
}

// Restore puts a backup in the place of a store that is not there, checks every
// part of it with the master key, and logs that it was done. Whoever owns the
// data folder and has the key may do it: the accounts come with the backup.
func Restore(ctx context.Context, c *Config, account, from string, log *slog.Logger, progress func(done, total int64)) (err error) {
	if up, err := running(ctx, c); up || err != nil {
		return errors.Join(ErrRunning, err)
	}
	if err := own(c.Data); err != nil {
		return err
	}
	key, err := sealed.LoadKey(c.Key)
	if err != nil {
		return fmt.Errorf("%w:\n%s: key: %w", ErrConfiguration, c.file, err)
	}
	config := sqlite.Config{Dir: c.store(), Key: key, Clock: c.Clock, Log: log}
	if err := sqlite.Restore(ctx, config, from, progress); err != nil {
		return err
	}
	st, err := sqlite.Open(config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	if err := st.CheckAccessLog(ctx); err != nil {
		return err
	}
	_, err = st.Log(ctx, store.Access{At: c.Clock.Now(), Account: account, Action: "restore", Subject: from, From: "command line", Outcome: "ok"})
	return err
}

// Roles lists the roles that an account can have.
func Roles() []string { return access.RoleNames() }
