package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) deviceCommand() *cobra.Command {
	group := &cobra.Command{Use: "device", Short: "Enrol, list, configure, revoke and wipe devices"}
	group.AddCommand(
		p.deviceEnrolCommand(), p.deviceApproveCommand(), p.deviceListCommand(), p.deviceStatusCommand(), p.deviceConfigureCommand(), p.deviceRevokeCommand(), p.deviceWipeCommand(),
	)
	return group
}

// approval adds the flags of an approval.
func approval(c *cobra.Command) *collector.Approval {
	a := &collector.Approval{}
	c.Flags().StringVar(&a.By, "by", "", "who confirmed the device")
	c.Flags().StringVar(&a.Reference, "reference", "", "the privacy impact assessment's reference")
	return a
}

// reason adds the flag for what an act is needed for.
func reason(c *cobra.Command) *string {
	return c.Flags().String("reason", "", "why; it goes into the access log")
}

func (p *program) deviceEnrolCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "enrol NAME", Short: "Approve a device and print the token with which it gets its certificate", Args: cobra.ExactArgs(1),
		Long: `Approve a device, with who confirmed it and under which assessment, and print a
token. On the unit, 'nrd-agent enrol' turns the token into a certificate; its key
is made there and never leaves it. The token is good once, for an hour, and is
shown only now. A device that is enrolled again gives up its earlier certificate.`,
		Example: `  central device enrol roadside-0001 --by "ACC Stone" --reference "DPIA 2026/7"`,
	}
	a := approval(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, settings *collector.Config, args []string) error {
		a.Device = args[0]
		e, err := d.EnrolDevice(ctx, *a)
		if err != nil {
			return err
		}
		return p.Say(e, `%s is approved. On the unit, until %s:

  nrd-agent enrol --central https://HOST%s --token %s

HOST is a name of central. The token is shown only now and is good once.
`, e.Device, settings.Moment(&e.Expires), port(settings.Fleet.Listen), e.Token)
	})
}

// port gives the port of an address to listen on, with its colon.
func port(listen string) string {
	if i := strings.LastIndex(listen, ":"); i >= 0 {
		return listen[i:]
	}
	return ""
}

func (p *program) deviceApproveCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "approve NAME", Short: "Let a device's reads in, or note the yearly review of its location", Args: cobra.ExactArgs(1),
		Example: `  central device approve roadside-0001 --by "ACC Stone" --reference "DPIA 2026/7"`,
	}
	a := approval(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		a.Device = args[0]
		if err := d.ApproveDevice(ctx, *a); err != nil {
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
			head := "NAME\tSTATE\tAPPROVED\tBY\tREFERENCE\tREVIEW\tCERTIFICATE UNTIL\tCONFIGURATION\tLAST SEEN\tWAITING\tLISTS\tPROBLEMS"
			return table(p, devices, head, func(s collector.DeviceState) string {
				return row(s.Name, s.State, c.Day(s.Approved), s.ApprovedBy, s.Reference, c.Day(s.Review), c.Day(s.Certificate), s.Configuration,
					c.Moment(s.LastSeen), fmt.Sprint(s.Waiting), heldLists(s.Lists), strings.Join(s.Problems, " "))
			})
		})
}

// heldLists says which versions a device holds and how old they are.
func heldLists(held []collector.HeldList) string {
	var texts []string
	for _, l := range held {
		texts = append(texts, fmt.Sprintf("%s v%d, %s old", l.List, l.Version, (time.Duration(l.AgeSeconds)*time.Second).Round(time.Minute)))
	}
	return strings.Join(texts, "; ")
}

func (p *program) deviceConfigureCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{
		Use: "configure NAME FILE", Short: "Order a device to use the settings in a file instead of its own", Args: cobra.ExactArgs(2),
		Long: `Order a device to use the settings in a TOML file instead of those in its own.
A table such as [position] or [[camera]] replaces the device's whole table. What
names the device, its keys and its folders cannot be set from here. The device
checks the settings and restarts with them; where it cannot reach central within
ten minutes it goes back to what it had. 'central device list' shows what it holds.`,
	}, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		text, err := os.ReadFile(args[1])
		if err != nil {
			return err
		}
		if err := d.ConfigureDevice(ctx, args[0], string(text)); err != nil {
			return err
		}
		return p.Say(map[string]string{"configured": args[0]}, "%s is sent its configuration at its next contact.\n", args[0])
	})
}

func (p *program) deviceRevokeCommand() *cobra.Command {
	c := &cobra.Command{Use: "revoke NAME", Short: "Cut a device off and refuse its reads from now on", Args: cobra.ExactArgs(1)}
	why := reason(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		if err := d.RevokeDevice(ctx, args[0], *why); err != nil {
			return err
		}
		return p.Say(map[string]string{"revoked": args[0]}, "%s is revoked.\n", args[0])
	})
}

func (p *program) deviceWipeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "wipe NAME", Short: "Revoke a lost device and order it to destroy its keys and all it holds", Args: cobra.ExactArgs(1),
		Long: `Revoke a lost device and order it to destroy its keys first, then its lists, its
buffer and its identity. The order waits for the device's next contact and cannot
be taken back. Reads that have not come to central are lost with it.`,
	}
	why := reason(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		if err := d.WipeDevice(ctx, args[0], *why); err != nil {
			return err
		}
		return p.Say(map[string]string{"to be wiped": args[0]}, "%s is revoked, and wipes itself at its next contact.\n", args[0])
	})
}
