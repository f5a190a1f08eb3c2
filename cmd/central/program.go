package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"nrd/collector"
)

// version is set by the linker.
var version = "development"

// Exit codes. They are part of the interface: see the help.
const (
	exitOK = iota
	exitFailure
	exitUsage
	exitConfiguration
	exitRefused
	exitNotFound
)

const exitCodes = `
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 wrong configuration; 4 refused,
because the account has no right to it or gave no reason; 5 not known.`

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// failed gives an error of package collector its exit code.
func failed(err error) error {
	code := exitFailure
	switch {
	case err == nil:
		return nil
	case errors.Is(err, collector.ErrConfiguration):
		code = exitConfiguration
	case errors.Is(err, collector.ErrRefused):
		code = exitRefused
	case errors.Is(err, collector.ErrInvalid):
		code = exitUsage
	case errors.Is(err, collector.ErrNotFound):
		code = exitNotFound
	}
	return &failure{code, err}
}

// program is central with its inputs and outputs, so that a test can run it.
type program struct {
	in       io.Reader
	out, err io.Writer
	json     bool
	verbose  bool
	config   string
	account  string
	// ready is told the addresses once serve listens; a test listens to it.
	ready func(page, devices net.Addr)
}

// run does what the arguments say and gives the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := exitUsage
	var f *failure
	if errors.As(err, &f) {
		code = f.code
	}
	// Where the arguments are wrong, cobra may not have come to this flag.
	p.json = p.json || slices.Contains(args, "--json")
	p.complain(err, code)
	return code
}

// complain tells an error as the user asked to be told.
func (p *program) complain(err error, code int) {
	if !p.json {
		fmt.Fprintf(p.err, "central: %v\n", err)
		if code == exitUsage {
			fmt.Fprintln(p.err, "Run 'central --help' for usage.")
		}
		return
	}
	line, _ := json.Marshal(map[string]any{"error": err.Error(), "code": code}) // a string and a number always marshal
	fmt.Fprintf(p.err, "%s\n", line)
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
		SilenceErrors: true, SilenceUsage: true,
	}
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON, a line each, errors too")
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false, "log what happens in detail (holds personal data)")
	root.AddCommand(
		p.serveCommand(), p.searchCommand(), p.userCommand(), p.deviceCommand(), p.backupCommand(), p.restoreCommand(),
		p.siteCommand(), p.configCommand(), p.versionCommand(),
	)
	return root
}

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			built := "unknown Go"
			if info, ok := debug.ReadBuildInfo(); ok {
				built = info.GoVersion
			}
			return p.say(map[string]string{"version": version, "go": built}, "central %s (%s)\n", version, built)
		},
	}
}

// say prints a value as JSON, or a sentence for people.
func (p *program) say(value any, format string, args ...any) error {
	var err error
	if p.json {
		err = json.NewEncoder(p.out).Encode(value)
	} else {
		_, err = fmt.Fprintf(p.out, format, args...)
	}
	return failed(err)
}

// logger writes to standard error: text for people, JSON under --json.
func (p *program) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if p.verbose {
		options.Level = slog.LevelDebug
	}
	if p.json {
		return slog.New(slog.NewJSONHandler(p.err, options))
	}
	return slog.New(slog.NewTextHandler(p.err, options))
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
		desk, err := collector.OpenDesk(ctx, settings, p.actor(), p.logger())
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
