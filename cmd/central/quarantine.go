package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) quarantineCommand() *cobra.Command {
	group := &cobra.Command{Use: "quarantine", Short: "List what was set aside, and give records their time"}
	group.AddCommand(p.quarantineListCommand(), p.quarantineReleaseCommand())
	return group
}

func (p *program) quarantineListCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "list", Short: "List what was set aside and why, newest first"},
		func(ctx context.Context, d *collector.Desk, c *collector.Config, _ []string) error {
			items, err := d.Quarantine(ctx)
			if err != nil {
				return err
			}
			return table(p, items, "KEY\tKIND\tRECEIVED\tUNIT'S CLOCK\tSINCE BOOT\tBOOT\tHIT\tWHY", func(q collector.Quarantined) string {
				since := ""
				if q.AfterBoot != 0 {
					since = (time.Duration(q.AfterBoot) * time.Millisecond).String()
				}
				return row(q.Key, q.Kind, c.Moment(&q.Received), c.Moment(q.UnitTime), since, q.Boot, q.Hit, q.Why)
			})
		})
}

func (p *program) quarantineReleaseCommand() *cobra.Command {
	var f collector.Freeing
	var at string
	c := &cobra.Command{
		Use: "release KEY", Short: "File a quarantined record under the time at which it was captured", Args: cobra.ExactArgs(1),
		Long: `File a quarantined record under the time at which it was captured. The record
itself does not change: the time stands beside it, with your name and the reason.
With --whole all other records of the same start of the unit get their time from
this one, by the unit's clock that never jumps, those that are still to come too.`,
		Example: `  central quarantine release car-7/6a09e667f3bcc908/12 --time 2026-11-23T14:30:05 --whole --reason "seen on CCTV, incident 1234"`,
	}
	c.Flags().StringVar(&at, "time", "", "when it was captured, such as 2026-11-23T14:30:05")
	c.Flags().StringVar(&f.Reason, "reason", "", "how that is known; it goes into the access log")
	c.Flags().BoolVar(&f.Whole, "whole", false, "and all other records of the same start of the unit")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, settings *collector.Config, args []string) error {
		var err error
		f.Key = args[0]
		if f.At, err = settings.Time(at); err != nil {
			return err
		}
		if f.At.IsZero() {
			return fmt.Errorf("%w: --time is missing", collector.ErrInvalid)
		}
		n, err := d.Release(ctx, f)
		return errors.Join(err, p.released(n))
	})
}

func (p *program) released(n int) error {
	if n == 0 {
		return nil
	}
	return p.Say(map[string]int{"released": n}, "%d released.\n", n)
}
