package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nrd/collector"
)

func (p *program) backupCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{
		Use: "backup DIR", Short: "Write a consistent, encrypted copy of everything to an empty folder", Args: cobra.ExactArgs(1),
		Long: `Write a consistent copy of everything to an empty folder, while central goes on.
The copy stays encrypted under the master key, which is not in it: keep a copy of
the key elsewhere. While central runs, the folder is written by its system user.`,
	}, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		if err := d.Backup(ctx, args[0], p.progress()); err != nil {
			return err
		}
		return p.Say(map[string]string{"backup": args[0]}, "The backup is in %s.\n", args[0])
	})
}

func (p *program) restoreCommand() *cobra.Command {
	return p.needsConfig(&cobra.Command{
		Use: "restore DIR", Short: "Put a backup in the place of a store that is not there", Args: cobra.ExactArgs(1),
		Long: `Put the backup in DIR in the place of a store that is not there, and check every
part of it with the master key. central must not run, and nothing is overwritten:
move the folder "store" in the data folder away first.`,
	}, func(ctx context.Context, settings *collector.Config, args []string) error {
		if err := collector.Restore(ctx, settings, p.actor(), args[0], p.Logger(), p.progress()); err != nil {
			return err
		}
		return p.Say(map[string]string{"restored": args[0]}, "The backup in %s is restored.\n", args[0])
	})
}

// progress tells on standard error how far long work is: JSON lines, a line that
// renews itself on a terminal, and else a line for each tenth. An output that is
// gone must not stop a backup, so errors are dropped.
func (p *program) progress() func(done, total int64) {
	f, ok := p.Err.(*os.File)
	terminal := ok && term.IsTerminal(int(f.Fd()))
	told := int64(-1)
	return func(done, total int64) {
		if total <= 0 {
			return
		}
		percent := min(100, 100*done/total)
		step := percent
		if !terminal {
			step = percent / 10
		}
		if step == told {
			return
		}
		told = step
		switch {
		case p.JSON:
			_ = json.NewEncoder(p.Err).Encode(map[string]int64{"done": done, "total": total})
		case terminal:
			_, _ = fmt.Fprintf(p.Err, "\r%3d %% of %d MB", percent, total/1e6)
			if percent == 100 {
				_, _ = fmt.Fprintln(p.Err)
			}
		default:
			_, _ = fmt.Fprintf(p.Err, "%3d %%\n", percent)
		}
	}
}
