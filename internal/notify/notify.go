// Package notify tells the service manager (systemd) that a program is ready,
// that it still works, and that it is stopping. Where no service manager asked
// to be told, all of it does nothing.
//
//	notify.Ready()
//	group.Go(func() error { return notify.Watch(ctx, agent.Healthy) })
//	...
//	notify.Stopping()
//
// The protocol is sd_notify(3): datagrams to the socket named by NOTIFY_SOCKET.
package notify

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Ready says that the program has started and does its work.
func Ready() error { return send("READY=1") }

// Stopping says that the program was told to end and is ending.
func Stopping() error { return send("STOPPING=1") }

// Watch reports twice in every interval of the watchdog that the program works,
// as long as healthy answers nil; when it does not for a whole interval, the
// service manager starts the program anew. Watch ends with ctx, and at once
// where no watchdog is set.
func Watch(ctx context.Context, healthy func() error) error {
	interval, err := watchdogInterval()
	if err != nil || interval == 0 {
		return err
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		if healthy() == nil {
			if err := send("WATCHDOG=1"); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// watchdogInterval is 0 where none is set or it is meant for another process.
func watchdogInterval() (time.Duration, error) {
	text := os.Getenv("WATCHDOG_USEC")
	if text == "" {
		return 0, nil
	}
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	microseconds, err := strconv.ParseUint(text, 10, 40)
	if err != nil || microseconds == 0 {
		return 0, fmt.Errorf("WATCHDOG_USEC is %q, not a number of microseconds", text)
	}
	return time.Duration(microseconds) * time.Microsecond, nil
}

func send(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	if strings.HasPrefix(name, "@") { // the abstract namespace
		name = "\x00" + name[1:]
	}
	socket, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("telling the service manager %s: %w", state, err)
	}
	if _, err := socket.Write([]byte(state)); err != nil {
		_ = socket.Close()
		return fmt.Errorf("telling the service manager %s: %w", state, err)
	}
	return socket.Close()
}
