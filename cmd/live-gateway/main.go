// Command live-gateway is a small live gateway (docs/live-lookup.md) that answers
// from list files: for tests and demonstrations, and to see what a force's own must
// do.
//
//	live-gateway -ca ca.pem -certificate server.pem -key server.key -list national=national.dat -questions asked.jsonl
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"nrd"
	"nrd/hotlist/live"
	"nrd/hotlist/live/gateway"
	"nrd/hotlist/voi"
	"nrd/internal/clock"
	"nrd/internal/identity"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], slog.New(slog.NewTextHandler(os.Stderr, nil)), nil)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "live-gateway:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends; ready, where set, is told the address.
func run(ctx context.Context, args []string, log *slog.Logger, ready func(net.Addr)) error {
	flags := flag.NewFlagSet("live-gateway", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8450", "`address` to listen on")
	name := flags.String("name", "demonstration gateway", "how it calls itself to officers")
	ca := flags.String("ca", "", "PEM `file` of the CA of the units' certificates")
	certificate := flags.String("certificate", "", "PEM `file` of its own certificate")
	key := flags.String("key", "", "PEM `file` of that certificate's key")
	questions := flags.String("questions", "", "`file` to which each question is appended, as JSON: who asked about which mark and why")
	lists := map[string]string{}
	flags.Func("list", "a `NAME=FILE` that it answers from, in the sixteen columns; may be given several times", func(text string) error {
		list, file, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("give NAME=FILE")
		}
		lists[list] = file
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := identity.ServerTLS(*ca, *certificate, *key)
	if err != nil {
		return err
	}
	g := &gateway.Gateway{Name: *name, Clock: clock.System()}
	for list, file := range lists {
		entries, err := read(list, file, g.Clock.Now())
		if err != nil {
			return err
		}
		g.Put(list, entries)
		log.Info("a list is answered for", "list", list, "entries", len(entries))
	}
	if *questions != "" {
		kept, err := os.OpenFile(*questions, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		g.Asked = keep(kept, log)
		return errors.Join(serve(ctx, g, *listen, config, log, ready), kept.Close())
	}
	return serve(ctx, g, *listen, config, log, ready)
}

// keep appends each question to a file.
func keep(file *os.File, log *slog.Logger) func(live.Query) {
	var mu sync.Mutex
	lines := json.NewEncoder(file)
	return func(q live.Query) {
		mu.Lock()
		defer mu.Unlock()
		if err := lines.Encode(q); err != nil {
			log.Error("a question could not be kept", "error", err)
		}
	}
}

func read(list, path string, now time.Time) (entries []nrd.Entry, err error) {
	file, err := voi.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = voi.Parse(file, voi.Options{File: path, List: list, Now: now}, func(e nrd.Entry) error {
		entries = append(entries, e)
		return nil
	})
	return entries, err
}

func serve(ctx context.Context, g *gateway.Gateway, address string, config *tls.Config, log *slog.Logger, ready func(net.Addr)) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: g, TLSConfig: config, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { closed <- server.Close() })
	log.Info("units are answered", "address", listener.Addr().String())
	if ready != nil {
		ready(listener.Addr())
	}
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	return <-closed
}
