package main

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) officerCommand() *cobra.Command {
	c := &cobra.Command{Use: "officer", Short: "What officers did at units' screens"}
	c.AddCommand(p.officerListCommand())
	return c
}

func (p *program) officerListCommand() *cobra.Command {
	var e collector.OfficerEnquiry
	var from, to string
	c := &cobra.Command{
		Use: "list", Short: "Show what officers did, for a reason",
		Long: `Show what officers did at units' screens, newest first: who signed on under which
authority, what became of hits, which marks were checked and why. Asking goes into
the access log with its reason before anything is shown.`,
		Example: `  central officer list --from 2026-11-23 --collar 1234 --reason "audit 7"`,
	}
	c.Flags().StringVar(&from, "from", "", "at or after this `TIME`, such as 2026-11-23T14:30")
	c.Flags().StringVar(&to, "to", "", "before this `TIME`")
	c.Flags().StringVar(&e.Device, "device", "", "only at this device")
	c.Flags().StringVar(&e.Collar, "collar", "", "only by the officer with this collar `NUMBER`")
	c.Flags().StringVar(&e.VRM, "vrm", "", "only about this `MARK`")
	c.Flags().StringVar(&e.Action, "action", "", "only this: signed on, confirmed, signed off, acknowledged, acted, checked, alerted, withdrawn")
	c.Flags().IntVar(&e.Limit, "limit", 100, "at most so many, up to 10000")
	c.Flags().StringVar(&e.Reason, "reason", "", "what this is needed for")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, settings *collector.Config, _ []string) error {
		var fromErr, toErr error
		e.From, fromErr = settings.Time(from)
		e.To, toErr = settings.Time(to)
		if err := errors.Join(fromErr, toErr); err != nil {
			return err
		}
		events, err := d.Officers(ctx, e)
		if err != nil {
			return err
		}
		return table(p, events, "WHEN\tDEVICE\tOFFICER\tAUTHORITY\tDID\tVRM\tLISTS\tWHY", func(o collector.OfficerEvent) string {
			return row(settings.Moment(&o.At), o.Device, cmp.Or(o.Collar, o.Role), o.Reference, cmp.Or(o.Disposition, o.Action), o.VRM, strings.Join(o.Lists, " "), o.Reason)
		})
	})
}
