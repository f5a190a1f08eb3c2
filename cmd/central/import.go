package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) importCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "import FILE", Short: "Store what was carried here by hand from a unit whose link is dead", Args: cobra.ExactArgs(1),
		Long: `Store what 'nrd-agent buffer export' wrote on a unit whose link is dead, as if it
had come over the network. What central has already is stored once, so a file may
be given again, and the unit may send the same when its link is back. The units
that a file names must be approved; nothing proves that they wrote it, so who
imports it vouches for it, with a reason in the access log.`,
		Example: `  central import car-7.carried --key car-7.key --reason "workshop, modem broken, job 1234"`,
	}
	c.Flags().StringVar(&key, "key", "", "`FILE` with the key that the file is sealed under")
	why := reason(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		got, err := d.Import(ctx, args[0], key, *why)
		if err != nil && got.Items() == 0 {
			return err
		}
		return errors.Join(err, p.Say(got, "%s", imported(got)))
	})
}

// imported tells a person what became of a file.
func imported(got collector.Imported) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d stored, %d held before, %d quarantined, %d refused, %d left for later\n",
		got.Stored, got.Duplicates, got.Quarantined, got.Refused, got.Later)
	for _, why := range slices.Sorted(maps.Keys(got.Reasons)) {
		fmt.Fprintf(&b, "  %d: %s\n", got.Reasons[why], why)
	}
	return b.String()
}
