package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd/hotlist/live"
	"nrd/internal/clock"
	"nrd/internal/identity"
)

func TestItAnswersFromItsListsAndKeepsWhoAsked(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca, err := identity.NewSite(dir, clock.System())
	must(t, err)
	must(t, ca.IssueServer(dir, "server", []string{"127.0.0.1"}))
	must(t, ca.IssueDevice(dir, "car-7"))
	must(t, os.WriteFile(file("list.dat"), []byte("AB12CDE,FORD,FOCUS,BLUE,High,WE,Stolen,B22,Stop,Test,2039-12-31,,OFFICIAL,,,1\n"), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	addresses, ended := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{
			"-listen", "127.0.0.1:0", "-ca", file("ca.pem"), "-certificate", file("server.pem"), "-key", file("server.key"),
			"-list", "national=" + file("list.dat"), "-questions", file("asked.jsonl"),
		}, slog.New(slog.DiscardHandler), func(a net.Addr) { addresses <- a })
	}()
	var address net.Addr
	select {
	case address = <-addresses:
	case err := <-ended:
		t.Fatal(err)
	}
	tls, err := identity.ClientTLS(file("ca.pem"), file("car-7.pem"), file("car-7.key"))
	must(t, err)
	client := &live.Client{URL: "https://" + address.String(), TLS: tls, Device: "car-7", Timeout: 10 * time.Second, Clock: clock.System()}
	client.Initialize()
	answer, err := client.Ask(t.Context(), live.Query{VRM: "AB12CDE", Purpose: live.PurposeCheck, Officer: "1234", Reason: "at the scene"})
	must(t, err)
	hits := answer.Over(nil)
	if len(hits) != 1 || hits[0].Entry.Reason != "Stolen" || hits[0].Entry.Markers[0] != "WE" || hits[0].Entry.Weed.Year() != 2039 {
		t.Errorf("answered %+v", answer)
	}
	client.Close()
	cancel()
	must(t, <-ended)
	asked, err := os.ReadFile(file("asked.jsonl"))
	if err != nil || !strings.Contains(string(asked), `"officer":"1234","reason":"at the scene"`) {
		t.Errorf("kept %s, %v", asked, err)
	}
}

func TestItDoesNotStartWithoutCertificates(t *testing.T) {
	if err := run(t.Context(), []string{"-ca", "missing.pem"}, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("it serves without a certificate")
	}
	if err := run(t.Context(), []string{"-list", "national"}, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("a list without a file is taken")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
