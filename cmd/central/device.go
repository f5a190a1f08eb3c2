package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) deviceCommand() *cobra.Command {
	group := &cobra.Command{Use: "device", Short: "Approve, list and revoke devices"}
	group.AddCommand(p.deviceApproveCommand(), p.deviceListCommand(), p.deviceRevokeCommand())
	return group
}

func (p *program) deviceApproveCommand() *cobra.Command {
	var a collector.Approval
	c := &cobra.Command{
		Use: "approve NAME", Short: "Let a device's reads in, with who confirmed it and under which assessment", Args: cobra.ExactArgs(1),
		Example: `  central device approve roadside-0001 --by "ACC Stone" --reference "DPIA 2026/7"`,
	}
	c.Flags().StringVar(&a.By, "by", "", "who confirmed the device")
	c.Flags().StringVar(&a.Reference, "reference", "", "the privacy impact assessment's reference")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		a.Device = args[0]
		if err := d.ApproveDevice(ctx, a); err != nil {
			return err
		}
		return p.Say(map[string]string{"approved": a.Device}, "%s is approved.\n", a.Device)
	})
}

func (p *program) deviceListCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "list", Short: "List all devices that are known, approved or not"},
		func(ctx context.Context, d *collector.Desk, c *collector.Config, _ []string) error {
			devices, err := d.Devices(ctx)
			if err != nil {
				return err
			}
			head := "NAME\tAPPROVED\tBY\tREFERENCE\tREVIEW\tREVOKED\tLAST SEEN\tWAITING\tPROBLEMS"
			return table(p, devices, head, func(s collector.DeviceState) string {
				return row(s.Name, c.Day(s.Approved), s.ApprovedBy, s.Reference, c.Day(s.Review), c.Day(s.Revoked), c.Moment(s.LastSeen), fmt.Sprint(s.Waiting), strings.Join(s.Problems, " "))
			})
		})
}

func (p *program) deviceRevokeCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "revoke NAME", Short: "Refuse a device's reads from now on", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
			if err := d.RevokeDevice(ctx, args[0]); err != nil {
				return err
			}
			return p.Say(map[string]string{"revoked": args[0]}, "%s is revoked.\n", args[0])
		})
}
