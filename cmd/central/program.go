package main

import (
	"context"
	"errors"
	"net"
	"os"
	"os/user"

	"github.com/spf13/cobra"

	"nrd/collector"
	"nrd/collector/store"
	"nrd/internal/commandline"
)

// version is set by the linker.
var version = "development"

// The exit codes beside those of package commandline: see the help.
const (
	exitRefused = commandline.Further + iota
	exitNotFound
	exitFull
)

const exitCodes = `
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 wrong configuration; 4 refused,
because the account has no right to it or gave no reason; 5 not known; 6 the
store's disk is full.`

// failed gives an error of package collector its exit code.
func failed(err error) error {
	code := commandline.Failed
	switch {
	case err == nil:
		return nil
	case errors.Is(err, collector.ErrConfiguration):
		code = commandline.WrongConfiguration
	case errors.Is(err, collector.ErrRefused):
		code = exitRefused
	case errors.Is(err, collector.ErrInvalid):
		code = commandline.WrongUsage
	case errors.Is(err, collector.ErrNotFound):
		code = exitNotFound
	case errors.Is(err, store.ErrFull):
		code = exitFull
	}
	return commandline.Fail(code, err)
}

// program is central with its inputs and outputs, so that a test can run it.
type program struct {
	commandline.Frame
	config  string
	account string
	// ready is told the addresses once serve listens; a test listens to it.
	ready func(page, devices net.Addr)
}

// run does what the arguments say and gives the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	return p.Execute(ctx, p.root(), version, args)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "central",
		Short: "Takes in what the devices read, keeps it, and shows it to those who may see it",
		Long: `central receives the records of a force's number plate reading devices, keeps
them encrypted, and shows them on a web page to people with an account, each
look with its line in the access log.

The commands work while 'central serve' runs, and without it. They act for the
account named by --account, or else by your system user name; its role gives
the rights, and the access log keeps both names.
` + exitCodes,
	}
	root.AddCommand(
		p.serveCommand(), p.searchCommand(), p.officerCommand(), p.userCommand(), p.deviceCommand(), p.listCommand(), p.alarmCommand(), p.quarantineCommand(), p.importCommand(), p.backupCommand(), p.restoreCommand(),
		p.siteCommand(), p.trustCommand(), p.configCommand(),
	)
	return root
}

// needsConfig adds the flag -c and loads the file before f runs.
func (p *program) needsConfig(c *cobra.Command, f func(ctx context.Context, c *collector.Config, args []string) error) *cobra.Command {
	c.Flags().StringVarP(&p.config, "config", "c", "/etc/central/central.toml", "configuration `FILE`")
	if c.Args == nil {
		c.Args = cobra.NoArgs
	}
	c.RunE = func(cmd *cobra.Command, args []string) error {
		settings, err := collector.LoadConfig(p.config)
		if err != nil {
			return failed(err)
		}
		return failed(f(cmd.Context(), settings, args))
	}
	return c
}

// needsDesk adds the flags -c and --account and opens the way in before f runs.
func (p *program) needsDesk(c *cobra.Command, f func(ctx context.Context, d *collector.Desk, c *collector.Config, args []string) error) *cobra.Command {
	c.Flags().StringVar(&p.account, "account", "", "the account to act for, when not the one with your system user name")
	return p.needsConfig(c, func(ctx context.Context, settings *collector.Config, args []string) error {
		desk, err := collector.OpenDesk(ctx, settings, p.actor(), p.Logger())
		if err != nil {
			return err
		}
		return errors.Join(f(ctx, desk, settings, args), desk.Close())
	})
}

// actor is the account that a command acts for.
func (p *program) actor() string {
	if p.account != "" {
		return p.account
	}
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
