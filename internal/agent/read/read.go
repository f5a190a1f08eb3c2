// Package read is the subcommand nrd-agent read: it recognises the plates in
// photographs, folders of them and videos, and prints what it read.
//
// With Options.JSON it prints a line a photograph,
//
//	{"file":…,"reads":[{"plate":"AB12CDE","raw":…,"confidence":0-100,"box":[x,y,w,h],
//	"syntax":…,"repaired":bool,"alternatives":[[plate,confidence],…]}],"ms":…,"cpu_ms":…}
//
// where the times are those of recognition without decoding, and of a video a
// line a passage, with plate, raw, confidence, first_frame, last_frame, frame (the
// one that was read best), box, syntax, repaired and alternatives. Otherwise it
// prints a table for a person.
package read

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"nrd"
	"nrd/capture"
	"nrd/internal/commandline"
	"nrd/recognise"
)

// ErrSome says that some of the files could not be read. Each was named when its
// turn came, and the others were read.
var ErrSome = errors.New("not every file could be read")

// Options of Run; Clock is required.
type Options struct {
	// JSON prints a line of JSON a photograph or passage instead of a table.
	JSON bool
	// Engine is one of recognise's readers; "" means networks.
	Engine string
	// Profile gives the longest mark; its zero value sets no limit.
	Profile nrd.Profile
	// LeastConfidence leaves out reads that are less sure; 0 means
	// recognise.DefaultLeastConfidence.
	LeastConfidence int
	Clock           nrd.Clock
	Log             *slog.Logger
}

// Run reads the photographs and videos at the paths, folders walked, and prints
// to out what it read and to errw what it could not. It goes on after a file that
// cannot be read and then returns ErrSome.
func Run(ctx context.Context, paths []string, out, errw io.Writer, o Options) error {
	if o.Engine == "" {
		o.Engine = recognise.EngineNetworks
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	// One thread: what a photograph costs is then the same everywhere.
	recognise.SetThreads(1)
	r := &run{options: o, out: newPrinter(out, o.JSON), errw: errw}
	defer r.close()
	files, failed := list(paths, r.complain)
	bar := commandline.NewProgress(errw)
	for i, f := range files {
		bar.Show(i+1, len(files), f.path)
		err := r.file(ctx, f)
		bar.Clear()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			failed++
			r.complain(err)
		}
		if r.out.err != nil {
			return r.out.err
		}
	}
	if err := r.out.flush(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%w: %d failed", ErrSome, failed)
	}
	return nil
}

// run is one Run under way. The recognisers are opened when the first file needs
// them.
type run struct {
	options Options
	out     *printer
	errw    io.Writer
	rec     *recognise.Recogniser
}

func (r *run) complain(err error) { fmt.Fprintln(r.errw, "nrd-agent read:", err) }

func (r *run) close() {
	if r.rec != nil {
		_ = r.rec.Close() // nothing was written
	}
}

// recogniser opens the recogniser if it is not open yet.
func (r *run) recogniser() (*recognise.Recogniser, error) {
	if r.rec != nil {
		return r.rec, nil
	}
	localiser, err := recognise.NewNetworkLocaliser()
	if err != nil {
		return nil, err
	}
	reader, err := recognise.NewReader(r.options.Engine)
	if err != nil {
		return nil, errors.Join(err, localiser.Close())
	}
	r.rec, err = recognise.New(recognise.Config{
		Localiser: localiser, Reader: reader, Clock: r.options.Clock,
		Profile: r.options.Profile, LeastConfidence: r.options.LeastConfidence, Log: r.options.Log,
	})
	return r.rec, err
}

// file reads one photograph or video.
func (r *run) file(ctx context.Context, f file) error {
	source, err := capture.Open(f.path, capture.Options{Clock: r.options.Clock, Log: r.options.Log})
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if f.photograph {
		err = r.photograph(ctx, f.path, source)
	} else {
		err = r.video(ctx, f.path, source)
	}
	if err = errors.Join(err, source.Close()); err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	return nil
}

func (r *run) photograph(ctx context.Context, path string, source capture.Source) (err error) {
	frame, err := source.Next(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, frame.Close()) }()
	rec, err := r.recogniser()
	if err != nil {
		return err
	}
	watch := startWatch(r.options.Clock)
	seen, err := rec.Photograph(frame)
	if err != nil {
		return err
	}
	ms, cpu := watch.stop()
	r.out.photograph(path, seen, ms, cpu)
	return nil
}

func (r *run) video(ctx context.Context, path string, source capture.Source) error {
	rec, err := r.recogniser()
	if err != nil {
		return err
	}
	// What is still in view is told whatever ended the video.
	defer func() { r.out.passages(path, rec.Flush()) }()
	for {
		frame, err := source.Next(ctx)
		switch {
		case errors.Is(err, capture.ErrEnd):
			return nil
		case err != nil:
			return err
		}
		records, err := rec.Track(frame)
		r.out.passages(path, records)
		if err := errors.Join(err, frame.Close()); err != nil {
			return err
		}
	}
}
