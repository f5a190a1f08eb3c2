package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
	"nrd/internal/commandline"
)

func (p *program) statusCommand() *cobra.Command {
	return p.needsConfig(&cobra.Command{
		Use: "status", Short: "Say how the agent that runs here is: backlog, drops, disk, clock, lists, reads a minute, link",
		Long: `Ask the agent that runs with this configuration how it is. The exit code is 0
where all is well, and where not says so.`,
	}, func(ctx context.Context, settings *agent.Config) error {
		report, err := agent.Ask(ctx, settings)
		switch {
		case errors.Is(err, agent.ErrNotRunning):
			return commandline.Fail(exitNotRunning, err)
		case err != nil:
			return commandline.Fail(commandline.Failed, err)
		}
		if err := p.report(report); err != nil {
			return commandline.Fail(commandline.Failed, err)
		}
		if !report.Well() {
			return commandline.Fail(exitUnhealthy, errors.New("the unit needs attention"))
		}
		return nil
	})
}

func (p *program) report(r agent.Report) error {
	if p.JSON {
		return json.NewEncoder(p.Out).Encode(r)
	}
	for _, line := range r.Words() {
		if _, err := fmt.Fprintf(p.Out, "%-12s %s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}
