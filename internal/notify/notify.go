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
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// Ready says that the program has started and does its work.
func Ready() error { return send(daemon.SdNotifyReady) }

// Stopping says that the program was told to end and is ending.
func Stopping() error { return send(daemon.SdNotifyStopping) }

// Watch reports twice in every interval of the watchdog that the program works,
// as long as healthy answers nil; when it does not for a whole interval, the
// service manager starts the program anew. Watch ends with ctx, and at once
// where no watchdog is set.
func Watch(ctx context.Context, healthy func() error) error {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("the service manager's watchdog: %w", err)
	}
	if interval == 0 {
		return nil
	}
	ticker := time.NewTicker(interval / 2)
	defer ticker.Stop()
	for {
		if healthy() == nil {
			if err := send(daemon.SdNotifyWatchdog); err != nil {
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

func send(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("telling the service manager %s: %w", state, err)
	}
	return nil
}
