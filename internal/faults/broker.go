package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"nrd/internal/clock"
	"nrd/internal/identity"
)

// makeBroker sets mosquitto up as packaging says, and central as its client.
func (w *world) makeBroker(ctx context.Context) error {
	site, err := identity.OpenSite(w.site(), clock.System())
	if err != nil {
		return err
	}
	if err := site.IssueServer(w.site(), "broker", []string{"127.0.0.1"}); err != nil {
		return err
	}
	if err := site.IssueCentral(w.site()); err != nil {
		return err
	}
	revoked, err := os.ReadFile(filepath.Join(w.site(), identity.RevokedFile))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.site(), "revoked.crl"), revoked, 0o600); err != nil {
		return err
	}
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	config, err := os.ReadFile(filepath.Join(w.programs.root, "packaging", "mosquitto", "nrd.conf"))
	if err != nil {
		return err
	}
	acl, err := os.ReadFile(filepath.Join(w.programs.root, "packaging", "mosquitto", "acl"))
	if err != nil {
		return err
	}
	// As root it would change to a user who cannot read the site.
	text := strings.NewReplacer("listener 8883", fmt.Sprintf("listener %d 127.0.0.1", port),
		"/etc/mosquitto/nrd/acl", filepath.Join(w.dir, "acl"), "/etc/mosquitto/nrd", w.site()).Replace(string(config)) + "user root\n"
	if err := os.WriteFile(filepath.Join(w.dir, "acl"), acl, 0o600); err != nil {
		return err
	}
	path := filepath.Join(w.dir, "mosquitto.conf")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	w.port = port
	w.broker = &program{name: "broker", line: func(string) {}, command: func() (*exec.Cmd, error) {
		program, err := exec.LookPath("mosquitto")
		if err != nil {
			program = "/usr/sbin/mosquitto"
		}
		cmd := exec.Command(program, "-c", path) //nolint:noctx // the plan ends it
		cmd.Env = os.Environ()
		return cmd, nil
	}}
	return appendTo(filepath.Join(w.site(), "central.toml"), "[broker]", fmt.Sprintf("external = \"tls://127.0.0.1:%d\"\ncertificate = %q\nkey = %q", port, identity.Central+".pem", identity.Central+".key"))
}

// appendTo puts lines behind the heading of a configuration file.
func appendTo(path, heading, lines string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if n := strings.Count(string(text), "\n"+heading+"\n"); n != 1 {
		return fmt.Errorf("%s has %d headings %s", path, n, heading)
	}
	return os.WriteFile(path, []byte(strings.Replace(string(text), "\n"+heading+"\n", "\n"+heading+"\n"+lines+"\n", 1)), 0o600)
}
