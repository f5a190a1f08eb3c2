// Command faults runs the real nrd-agent and the real central as processes, does
// to them all that happens to a unit in its life, and checks that every record
// whose Append returned is, at the end, at central exactly once, or set aside and
// counted as that, and that nothing else is stored.
//
//	go run ./internal/faults                  one mixed plan
//	go run ./internal/faults -time 20m        as many as fit in that time
//	go run ./internal/faults -seed 7          the plan of that seed again
//
// The programs are built from the sources with changes laid over them (see
// edit): a clock that the harness sets, records in the place of cameras, places
// where a program kills itself, and bugs that the harness has to find.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	time       time.Duration
	size       int
	seed       uint64
	json, keep bool
	bug        string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.DurationVar(&o.time, "time", 0, "go on with new seeds for so long")
	flag.IntVar(&o.size, "size", 20, "how many times the unit is killed in a plan")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1e6, "the seed of the first plan")
	flag.BoolVar(&o.json, "json", false, "print the result as JSON")
	flag.BoolVar(&o.keep, "keep", false, "keep the folders also where all is well")
	flag.StringVar(&o.bug, "bug", "", "run with this planted bug")
	flag.Parse()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
}

var errWrong = errors.New("the invariant does not hold")

func run(ctx context.Context, o options, out io.Writer) error {
	dir, err := os.MkdirTemp("", "faults-")
	if err != nil {
		return err
	}
	p, err := build(filepath.Join(dir, "programs"))
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	t := newTally(o.seed)
	for seed, began := o.seed, time.Now(); ; seed++ {
		fmt.Fprintf(os.Stderr, "faults: seed %d\n", seed)
		if err := runOne(ctx, filepath.Join(dir, fmt.Sprint(seed)), p, seed, o, t); err != nil {
			return errors.Join(err, fmt.Errorf("seed %d; everything is in %s", seed, dir))
		}
		if len(t.result.Wrong) > 0 {
			break
		}
		if !o.keep {
			if err := os.RemoveAll(filepath.Join(dir, fmt.Sprint(seed))); err != nil {
				return err
			}
		}
		if time.Since(began) >= o.time {
			break
		}
	}
	if err := t.print(out, o.json); err != nil {
		return err
	}
	if wrong := t.result.Wrong; len(wrong) > 0 {
		for _, w := range wrong {
			fmt.Fprintln(os.Stderr, "faults: WRONG:", w)
		}
		return fmt.Errorf("%w; the same plan again: -seed; everything is in %s", errWrong, dir)
	}
	if o.keep {
		fmt.Fprintln(os.Stderr, "faults: everything is in", dir)
		return nil
	}
	return os.RemoveAll(dir)
}

func runOne(ctx context.Context, dir string, p programs, seed uint64, o options, t *tally) (err error) {
	w, err := newWorld(ctx, dir, p, seed, o.bug, t)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	return w.run(ctx, mixed(seed, o.size))
}
