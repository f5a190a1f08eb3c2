package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
	"nrd/internal/commandline"
)

func (p *program) listsCommand() *cobra.Command {
	group := &cobra.Command{Use: "lists", Short: "Say which lists the agent that runs here holds, or have it get what central has published"}
	status := p.needsConfig(&cobra.Command{Use: "status", Short: "Say which lists are in force, how old they are, and how the last sync with central went"},
		func(ctx context.Context, settings *agent.Config) error {
			r, err := agent.AskLists(ctx, settings)
			return p.lists(r, err)
		})
	sync := p.needsConfig(&cobra.Command{
		Use: "sync", Short: "Bring the lists to what central has published, now",
		Long: `Bring the lists to what central has published, now, and say what came of it. The
agent does so by itself on central's notice and three times a day. The exit code is 0
where all lists are central's newest.`,
	}, func(ctx context.Context, settings *agent.Config) error {
		r, err := agent.SyncLists(ctx, settings)
		return p.lists(r, err)
	})
	group.AddCommand(status, sync)
	return group
}

func (p *program) lists(r agent.ListsReport, err error) error {
	switch {
	case errors.Is(err, agent.ErrNotRunning):
		return commandline.Fail(exitNotRunning, err)
	case err != nil:
		return commandline.Fail(commandline.Failed, err)
	}
	if err := p.sayLists(r); err != nil {
		return commandline.Fail(commandline.Failed, err)
	}
	if r.Central.Problem != "" {
		return commandline.Fail(exitUnhealthy, errors.New(r.Central.Problem))
	}
	return nil
}

func (p *program) sayLists(r agent.ListsReport) error {
	if p.JSON {
		return json.NewEncoder(p.Out).Encode(r)
	}
	for _, l := range r.Lists {
		age := time.Duration(l.AgeSeconds * float64(time.Second)).Round(time.Minute)
		if _, err := fmt.Fprintf(p.Out, "%-20s version %d, %d entries, %s old: %s\n", l.List, l.Version, l.Entries, age, l.Freshness); err != nil {
			return err
		}
	}
	central := "lists come from files only"
	switch c := r.Central; {
	case c.Configured && c.At.IsZero():
		central = "no sync with central has ended yet"
	case c.Configured && c.Problem == "":
		central = fmt.Sprintf("synced with central at %s: %d loaded, %d removed, %d bytes", c.At.Format(time.RFC3339), len(c.Loaded), len(c.Removed), c.Bytes)
	case c.Configured:
		central = fmt.Sprintf("the sync with central at %s did not bring all", c.At.Format(time.RFC3339))
	}
	_, err := fmt.Fprintln(p.Out, central)
	return err
}
