// Package commandline is what both programs' command lines share: outputs that a
// test can take the place of, exit codes, errors for people or as JSON, the log,
// and a clean end on Ctrl-C.
//
//	type program struct{ commandline.Frame; … }
//	func main() { commandline.Main(func(ctx context.Context, f commandline.Frame, args []string) int { … }) }
package commandline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes that both programs have. Each adds its own after them, and its
// help tells all.
const (
	Done = iota
	Failed
	WrongUsage
	WrongConfiguration
	// Further is the first code that is a program's own.
	Further
)

// failure is an error with its exit code. An error without one is of cobra's:
// wrong usage.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// Fail gives an error the exit code with which the program ends.
func Fail(code int, err error) error { return &failure{code, err} }

// Frame is a program's surroundings.
type Frame struct {
	In       io.Reader
	Out, Err io.Writer
	// JSON asks for JSON, a line each, errors too; Verbose for the log in
	// detail. They are flags.
	JSON, Verbose bool
}

// Main runs a program in the process's own surroundings until it ends or the
// user ends it, and then ends the process.
func Main(run func(ctx context.Context, f Frame, args []string) int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, Frame{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code)
}

// Execute does what the arguments say and gives the exit code. It adds to root
// the flags of the frame and the command version.
func (f *Frame) Execute(ctx context.Context, root *cobra.Command, version string, args []string) int {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentFlags().BoolVar(&f.JSON, "json", false, "print JSON, a line each, errors too")
	root.PersistentFlags().BoolVarP(&f.Verbose, "verbose", "v", false, "log what happens in detail (holds personal data)")
	root.AddCommand(f.versionCommand(root.Name(), version))
	root.SetArgs(args)
	root.SetIn(f.In)
	root.SetOut(f.Out)
	root.SetErr(f.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return Done
	}
	code := WrongUsage
	var told *failure
	if errors.As(err, &told) {
		code = told.code
	}
	// Where the arguments are wrong, cobra may not have come to this flag.
	f.JSON = f.JSON || slices.Contains(args, "--json")
	f.complain(root.Name(), err, code)
	return code
}

// complain tells an error as the user asked to be told.
func (f *Frame) complain(program string, err error, code int) {
	if !f.JSON {
		fmt.Fprintf(f.Err, "%s: %v\n", program, err)
		if code == WrongUsage {
			fmt.Fprintf(f.Err, "Run '%s --help' for usage.\n", program)
		}
		return
	}
	line, _ := json.Marshal(map[string]any{"error": err.Error(), "code": code}) // a string and a number always marshal
	fmt.Fprintf(f.Err, "%s\n", line)
}

func (f *Frame) versionCommand(program, version string) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			built := "unknown Go"
			if info, ok := debug.ReadBuildInfo(); ok {
				built = info.GoVersion
			}
			return f.Say(map[string]string{"version": version, "go": built}, "%s %s (%s)\n", program, version, built)
		},
	}
}

// Say prints a value as a line of JSON, or a sentence for people.
func (f *Frame) Say(value any, format string, args ...any) error {
	var err error
	if f.JSON {
		err = json.NewEncoder(f.Out).Encode(value)
	} else {
		_, err = fmt.Fprintf(f.Out, format, args...)
	}
	if err != nil {
		return Fail(Failed, err)
	}
	return nil
}

// Logger writes to standard error: text for people, JSON under --json.
func (f *Frame) Logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	if f.Verbose {
		options.Level = slog.LevelDebug
	}
	if f.JSON {
		return slog.New(slog.NewJSONHandler(f.Err, options))
	}
	return slog.New(slog.NewTextHandler(f.Err, options))
}
