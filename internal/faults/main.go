// Command faults runs the real nrd-agent and the real central as processes, does
// to them all that happens to a unit in its life, and checks that every record
// whose Append returned is, at the end, at central exactly once, or set aside and
// counted as that, and that nothing else is stored.
//
//	faults -short        one plan and one planted bug, in a minute
//	faults -time 20m     each kind of fault alone, then mixed plans for so long
//	faults -kills 1000   the same, until so many processes have been killed
//	faults -seed 7       the mixed plan of that seed, again
//	faults -planted      bugs are planted, and each must be found
//	faults -only TEXT    the scenarios whose names have TEXT in them
//
// It must run in the module's folder, as root: it mounts disks. The programs are
// built from the sources with changes laid over them (see edit): a clock that the
// harness sets, records in the place of cameras, places where a program kills
// itself, and bugs, asleep, that the harness has to find.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options are the command line's.
type options struct {
	time                 time.Duration
	size, kills          int
	seed                 uint64
	seeded               bool
	short, planted, json bool
	built                string
	only                 string
}

func main() { os.Exit(command()) }

// command does what the command line says and gives the exit code.
func command() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var o options
	flag.DurationVar(&o.time, "time", 0, "go on with new seeds for so long")
	flag.IntVar(&o.kills, "kills", 0, "go on with new seeds until so many processes have been killed")
	flag.IntVar(&o.size, "size", 30, "how many times the unit is killed in a mixed plan; central three times as often")
	flag.Uint64Var(&o.seed, "seed", 0, "the seed of the first mixed plan (default: drawn)")
	flag.BoolVar(&o.short, "short", false, "one plan and one planted bug, in a minute")
	flag.BoolVar(&o.planted, "planted", false, "plant bugs, each of which must be found")
	flag.StringVar(&o.only, "only", "", "only the scenarios whose names have this text in them")
	flag.BoolVar(&o.json, "json", false, "print the result as JSON")
	flag.StringVar(&o.built, "programs", "", "a folder for the programs; those that are there already are used")
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { o.seeded = o.seeded || f.Name == "seed" })
	if !o.seeded {
		o.seed = uint64(time.Now().UnixNano()) % 1e6
	}
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	return 0
}

// harness makes worlds in a folder.
type harness struct {
	options
	dir      string
	programs programs
	tally    *tally
}

var errWrong = errors.New("the invariant does not hold")

func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "faults-")
	if err != nil {
		return err
	}
	p, err := build(ctx, cmp.Or(o.built, filepath.Join(dir, "programs")))
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	h := &harness{options: o, dir: dir, programs: p, tally: newTally(o.seed)}
	switch {
	case o.planted:
		err = h.findBugs(ctx, func(bug) bool { return true })
	case o.short:
		if err = h.must(ctx, "short", short(o.seed), o.seed); err == nil {
			err = h.findBugs(ctx, func(b bug) bool { return b.name == shortBug })
		}
	default:
		err = h.everything(ctx)
	}
	if err != nil {
		err = fmt.Errorf("%w\nseed %d; everything is in %s", err, o.seed, dir)
	} else {
		err = os.RemoveAll(dir)
	}
	if !o.planted {
		err = errors.Join(err, h.tally.print(os.Stdout, o.json))
	}
	return err
}

// everything runs each kind of fault alone, then mixed plans.
func (h *harness) everything(ctx context.Context) error {
	began := time.Now()
	if !h.seeded || h.only != "" {
		for _, s := range h.chosen() {
			if err := h.must(ctx, s.name, s.plan, h.seed); err != nil {
				return err
			}
		}
	}
	for seed := h.seed; h.only == ""; seed++ {
		if err := h.must(ctx, fmt.Sprintf("mixed, seed %d", seed), mixed(seed, h.size), seed); err != nil {
			return fmt.Errorf("%w\nthe same plan again: -seed %d -size %d", err, seed, h.size)
		}
		if time.Since(began) >= h.time && h.tally.kills() >= h.kills {
			break
		}
	}
	return nil
}

func (h *harness) chosen() (chosen []scenario) {
	for _, s := range scenarios(h.seed) {
		if strings.Contains(s.name, h.only) {
			chosen = append(chosen, s)
		}
	}
	return chosen
}

// must runs a plan in which nothing may be wrong.
func (h *harness) must(ctx context.Context, name string, p plan, seed uint64) error {
	wrong, err := h.world(ctx, name, p, seed, "")
	if err != nil || len(wrong) == 0 {
		return err
	}
	return fmt.Errorf("%s: %w:\n  %s\nthe plan was:\n%s", name, errWrong, strings.Join(wrong, "\n  "), p)
}

// findBugs runs scenarios with their bugs, each of which the harness has to find.
func (h *harness) findBugs(ctx context.Context, wanted func(bug) bool) error {
	var errs []error
	for _, s := range h.chosen() {
		for _, b := range s.bugs {
			if !wanted(b) {
				continue
			}
			wrong, err := h.world(ctx, b.name, s.plan, h.seed, b.name)
			if err != nil {
				return err
			}
			found := slices.IndexFunc(wrong, regexp.MustCompile(b.complaint).MatchString)
			if found < 0 {
				errs = append(errs, fmt.Errorf("the planted bug %q was not found; the harness said %q", b.name, wrong))
				continue
			}
			fmt.Printf("found: %s\n       %s\n", b.name, wrong[found])
		}
	}
	return errors.Join(errs...)
}

// world lets a plan happen and gives what is wrong. Its folder stays where
// something is and should not be, or the other way round.
func (h *harness) world(ctx context.Context, name string, p plan, seed uint64, bug string) (wrong []string, err error) {
	fmt.Fprintf(os.Stderr, "faults: %s\n", name)
	dir := filepath.Join(h.dir, strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name))
	counts := h.tally
	if bug != "" {
		counts = newTally(seed) // what is wrong then is no finding
	}
	w, err := newWorld(ctx, dir, h.programs, seed, bug, p, counts)
	if err != nil {
		return nil, err
	}
	wrong, err = w.run(ctx)
	if err = errors.Join(err, w.close()); err != nil || (len(wrong) > 0) != (bug != "") {
		return wrong, err
	}
	return wrong, os.RemoveAll(dir)
}
