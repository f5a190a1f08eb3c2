package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) searchCommand() *cobra.Command {
	var e collector.Enquiry
	var from, to string
	c := &cobra.Command{
		Use: "search", Short: "Look for records, for a reason",
		Long: `Look for records, newest first. The search and its reason go into the access log
before anything is shown; without a reason it is refused, and that is logged too.`,
		Example: `  central search --vrm 'AB12*' --from 2026-11-23 --reason "incident 1234"`,
	}
	c.Flags().StringVar(&e.VRM, "vrm", "", "number plate `PATTERN`: ? stands for one character, * for any number")
	c.Flags().StringVar(&from, "from", "", "captured at or after this `TIME`, such as 2026-11-23T14:30")
	c.Flags().StringVar(&to, "to", "", "captured before this `TIME`")
	c.Flags().StringVar(&e.Camera, "camera", "", "only this camera's")
	c.Flags().StringVar(&e.Device, "device", "", "only this device's")
	c.Flags().BoolVar(&e.HitsOnly, "hits", false, "only what matched a list")
	c.Flags().IntVar(&e.Limit, "limit", 100, "at most so many records, up to 10000")
	c.Flags().StringVar(&e.Reason, "reason", "", "what this is needed for")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, settings *collector.Config, _ []string) error {
		var fromErr, toErr error
		e.From, fromErr = settings.Time(from)
		e.To, toErr = settings.Time(to)
		if err := errors.Join(fromErr, toErr); err != nil {
			return err
		}
		found, err := d.Search(ctx, e)
		if err != nil {
			return err
		}
		return table(p, found, "CAPTURED\tVRM\tSURE\tCAMERA\tDEVICE\tHIT", func(f collector.Found) string {
			hit := ""
			for _, h := range f.Hits {
				hit += fmt.Sprintf("%s: %s (%s) ", h.Priority, h.Reason, h.List)
			}
			if f.VRM == "" {
				f.VRM = "no read"
			}
			return row(settings.Moment(&f.Captured), f.VRM, fmt.Sprintf("%d %%", f.Confidence), f.Camera, f.Device, hit)
		})
	})
}
