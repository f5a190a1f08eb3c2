package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
)

// version is set by the linker.
var version = "development"

// Exit codes. They are part of the interface: see the help.
const (
	exitOK = iota
	exitFailure
	exitUsage
	exitConfiguration
	exitUnreadable
	exitUnhealthy
)

const exitCodes = `
Exit codes: 0 done; 1 failed; 2 wrong usage; 3 wrong configuration;
4 some photographs or videos could not be read; 5 the doctor found something.`

// failure is an error with its exit code.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// program is nrd-agent with its outputs, so that a test can run it.
type program struct {
	out, err io.Writer
	json     bool
	config   string
	verbose  bool
}

// run does what the arguments say and gives the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
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
	p.complain(err, code)
	return code
}

// complain tells an error as the user asked to be told.
func (p *program) complain(err error, code int) {
	if !p.json {
		fmt.Fprintf(p.err, "nrd-agent: %v\n", err)
		if code == exitUsage {
			fmt.Fprintln(p.err, "Run 'nrd-agent --help' for usage.")
		}
		return
	}
	line, _ := json.Marshal(map[string]any{"error": err.Error(), "code": code}) // a string and a number always marshal
	fmt.Fprintf(p.err, "%s\n", line)
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "nrd-agent",
		Short: "Reads number plates on a roadside or vehicle unit and brings them to central",
		Long: `nrd-agent captures frames, reads number plates, matches them against the lists
on the unit, keeps every record until central has stored it, and uploads it.
` + exitCodes,
		SilenceErrors: true, SilenceUsage: true,
	}
	root.PersistentFlags().BoolVar(&p.json, "json", false, "print JSON, a line each, errors too")
	root.PersistentFlags().BoolVarP(&p.verbose, "verbose", "v", false, "log what happens in detail (holds personal data)")
	root.AddCommand(p.runCommand(), p.readCommand(), p.doctorCommand(), p.configCommand(), p.keyCommand(), p.versionCommand())
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
			if p.json {
				return json.NewEncoder(p.out).Encode(map[string]string{"version": version, "go": built})
			}
			_, err := fmt.Fprintf(p.out, "nrd-agent %s (%s)\n", version, built)
			return err
		},
	}
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
func (p *program) needsConfig(c *cobra.Command, f func(ctx context.Context, c *agent.Config) error) *cobra.Command {
	c.Flags().StringVarP(&p.config, "config", "c", "/etc/nrd-agent/nrd-agent.toml", "configuration `FILE`")
	c.Args = cobra.NoArgs
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := agent.LoadConfig(p.config)
		if err != nil {
			return &failure{exitConfiguration, err}
		}
		return f(cmd.Context(), settings)
	}
	return c
}
