package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) deviceStatusCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "status", Short: "Say how every device is, those with alarms first"},
		func(ctx context.Context, d *collector.Desk, c *collector.Config, _ []string) error {
			health, err := d.Health(ctx)
			if err != nil {
				return err
			}
			head := "NAME\tSTATE\tLAST SEEN\tWAITING\tDROPPED\tSET ASIDE\tDISK FREE\tTEMPERATURE\tCLOCK\tLISTS\tFRAMES/MIN\tREADS/MIN\tSOFTWARE\tALARMS"
			return table(p, health, head, func(h collector.DeviceHealth) string {
				return row(h.Name, h.State, c.Moment(h.LastSeen), waiting(h), dropped(h.Dropped), fmt.Sprint(h.DeadLetters),
					fmt.Sprintf("%.1f GB", float64(h.DiskFree)/1e9), degrees(h.Temperature), clockOf(h), age(h.OldestList),
					fmt.Sprintf("%.0f", h.FramesPerMinute), fmt.Sprintf("%.1f", h.ReadsPerMinute), h.Software, strings.Join(h.Alarms, "; "))
			})
		})
}

func waiting(h collector.DeviceHealth) string {
	if h.Waiting == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, %s", h.Waiting, age(h.OldestWaiting))
}

func age(seconds int64) string { return (time.Duration(seconds) * time.Second).String() }

func degrees(t *float64) string {
	if t == nil {
		return ""
	}
	return fmt.Sprintf("%.0f °C", *t)
}

func clockOf(h collector.DeviceHealth) string {
	if !h.ClockProved {
		return "unproved " + h.ClockSource
	}
	return fmt.Sprintf("%s %+.1f ms", h.ClockSource, h.ClockErrorMS)
}

func dropped(counts map[string]uint64) string {
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, counts[kind]))
	}
	return strings.Join(kinds, ", ")
}

func (p *program) alarmCommand() *cobra.Command {
	group := &cobra.Command{Use: "alarm", Short: "List the alarms about devices"}
	var cleared int
	c := &cobra.Command{Use: "list", Short: "List the alarms that stand, or those that are over"}
	c.Flags().IntVar(&cleared, "cleared", 0, "list so many of those that are over instead, newest first")
	group.AddCommand(p.needsDesk(c, func(ctx context.Context, d *collector.Desk, c *collector.Config, _ []string) error {
		alarms, err := d.Alarms(ctx, cleared)
		if err != nil {
			return err
		}
		return table(p, alarms, "RAISED\tCLEARED\tDEVICE\tKIND\tSAYS", func(a collector.AlarmState) string {
			return row(c.Moment(&a.Raised), c.Moment(a.Cleared), a.Device, a.Kind, a.Text)
		})
	}))
	return group
}
