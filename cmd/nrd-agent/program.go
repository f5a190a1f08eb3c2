package main

import (
	"context"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
	"nrd/internal/commandline"
)

// version is set by the linker.
var version = "development"

// The exit codes beside those of package commandline: see the help.
const (
	exitUnreadable = commandline.Further + iota
	exitUnhealthy
	exitWiped
	exitNotRunning
)

const exitCodes = `
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 wrong configuration or truth file;
4 some photographs or videos could not be read or found; 5 the doctor or the status found something;
6 the unit was wiped on central's order and has to be enrolled again;
7 no agent runs here.`

// program is nrd-agent with its outputs, so that a test can run it.
type program struct {
	commandline.Frame
	config string
}

// run does what the arguments say and gives the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	return p.Execute(ctx, p.root(), version, args)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "nrd-agent",
		Short: "Reads number plates on a roadside or vehicle unit and brings them to central",
		Long: `nrd-agent captures frames, reads number plates, matches them against the lists
on the unit, keeps every record until central has stored it, and uploads it.
` + exitCodes,
	}
	root.AddCommand(p.runCommand(), p.statusCommand(), p.enrolCommand(), p.readCommand(), p.evaluateCommand(), p.aimCommand(), p.doctorCommand(), p.configCommand(), p.keyCommand(), p.bufferCommand(), p.incabCommand(), p.listsCommand())
	return root
}

// needsConfig adds the flag -c and loads the file before f runs.
func (p *program) needsConfig(c *cobra.Command, f func(ctx context.Context, c *agent.Config) error) *cobra.Command {
	c.Flags().StringVarP(&p.config, "config", "c", "/etc/nrd-agent/nrd-agent.toml", "configuration `FILE`")
	c.Args = cobra.NoArgs
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := agent.LoadConfig(p.config)
		if err != nil {
			return commandline.Fail(commandline.WrongConfiguration, err)
		}
		return f(cmd.Context(), settings)
	}
	return c
}
