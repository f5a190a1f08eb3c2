// Package evaluate measures how well plates are read: it reads photographs and
// clips of which people wrote down the truth, and reports the share of plates
// that were captured and read right, with intervals, by syntax, width, light and
// source; which characters are taken for which; whether confidence can be
// believed; what a photograph costs; and the worst misses as pictures.
//
//	report, err := evaluate.Run(ctx, []string{"truth.csv"}, []string{"photographs"}, evaluate.Options{Clock: clock.System()})
//	err = report.Page(file)
//
// [ReadTruth] says how a truth file is written, [Report] what the figures mean.
// A report holds marks and pictures of vehicles: personal data.
package evaluate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"nrd"
	"nrd/capture"
	"nrd/recognise"
	"nrd/recognise/picture"
)

// Options of [Run]; Clock is required.
type Options struct {
	// Engine is one of recognise's readers; "" means networks.
	Engine string
	// Profile gives the longest mark; its zero value sets no limit.
	Profile nrd.Profile
	// LeastConfidence leaves out reads that are less sure; 0 means
	// recognise.DefaultLeastConfidence.
	LeastConfidence int
	// Region is the part of the footage that is looked at; its zero value is
	// all of it. Camera is the name of the camera whose region it is, for the
	// report; may be "".
	Region recognise.Region
	Camera string
	// By are truth columns to group by, beside the usual groups.
	By []string
	// Progress, if set, is told of each file before it is read.
	Progress func(done, total int, file string)
	// Software is the version that the report names.
	Software string
	Clock    nrd.Clock
	Log      *slog.Logger
}

// Run reads the footage at the paths, folders walked, of which the truth files
// tell the plates, and reports how well it was read. With the error ErrSome the
// report is whole, with any other it is nil.
func Run(ctx context.Context, truthFiles, paths []string, o Options) (*Report, error) {
	if o.Engine == "" {
		o.Engine = recognise.EngineNetworks
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	// One thread: what a photograph costs is then the same everywhere.
	recognise.SetThreads(1)
	r := &run{options: o, score: newScore(o.By)}
	defer r.close()
	r.report = &r.score.report
	r.report.Made, r.report.Software = o.Clock.Now().UTC(), o.Software
	r.report.Camera, r.report.Region = o.Camera, o.Region
	truth, err := r.truth(truthFiles)
	if err != nil {
		return nil, err
	}
	found, err := r.match(truth, paths)
	if err != nil {
		return nil, err
	}
	for i, f := range found {
		if o.Progress != nil {
			o.Progress(i+1, len(found), f.path)
		}
		if err := r.footage(ctx, f); err != nil {
			return nil, err
		}
	}
	return r.end()
}

// run is one Run under way. The recognisers are opened when the first file needs
// them.
type run struct {
	options Options
	score   *score
	report  *Report
	misses  misses
	rec     *recognise.Recogniser
}

// source is a file with its truth.
type source struct {
	*Truth
	path string
}

// truth reads the truth files. Two of them must not speak of one file.
func (r *run) truth(files []string) ([]*Truth, error) {
	var all []*Truth
	from := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("truth: %w", err)
		}
		truth, err := ParseTruth(file, data)
		if err != nil {
			return nil, err
		}
		for _, t := range truth {
			if other, twice := from[t.File]; twice {
				return nil, fmt.Errorf("%s: %w: %s is in %s too", file, ErrTruth, t.File, other)
			}
			from[t.File] = file
		}
		digest := sha256.Sum256(data)
		r.report.Truth = append(r.report.Truth, File{Name: file, SHA256: hex.EncodeToString(digest[:])})
		all = append(all, truth...)
	}
	return all, nil
}

// match finds the file of each truth.
func (r *run) match(truth []*Truth, paths []string) ([]source, error) {
	files, err := find(paths)
	if err != nil {
		return nil, err
	}
	var found []source
	for _, t := range truth {
		path, err := files.file(t.File)
		switch {
		case err != nil:
			return nil, err
		case path == "":
			r.report.Missing = append(r.report.Missing, t.File)
		default:
			found = append(found, source{t, path})
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: the first is %s", ErrNothing, truth[0].File)
	}
	return found, nil
}

// errFootage marks an error of the footage, not of the reader.
var errFootage = errors.New("the footage cannot be read")

// footage reads one photograph or clip. One that cannot be read shows nothing.
func (r *run) footage(ctx context.Context, f source) error {
	clip := !capture.IsStills(f.path)
	err := r.open(ctx, f, clip)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.Is(err, errFootage):
		return fmt.Errorf("%s: %w", f.path, err)
	}
	r.options.Log.Warn("footage counts as showing nothing", "error", err)
	r.report.Unreadable = append(r.report.Unreadable, f.File)
	if clip {
		missed, _ := r.score.clip(footage{Truth: f.Truth, clip: true}, nil)
		r.misses.clip(nil, nil, missed, nil)
		return nil
	}
	r.score.photograph(footage{Truth: f.Truth}, nil)
	return nil
}

func (r *run) open(ctx context.Context, f source, clip bool) error {
	from, err := capture.Open(f.path, capture.Options{Clock: r.options.Clock, Log: r.options.Log})
	if err != nil {
		return fmt.Errorf("%w: %w", errFootage, err)
	}
	if clip {
		err = r.clip(ctx, f.Truth, from)
	} else {
		err = r.photograph(ctx, f.Truth, from)
	}
	return errors.Join(err, from.Close())
}

func (r *run) photograph(ctx context.Context, t *Truth, from capture.Source) (err error) {
	rec, err := r.recogniser()
	if err != nil {
		return err
	}
	frame, err := from.Next(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errFootage, err)
	}
	defer func() { err = errors.Join(err, frame.Close()) }()
	began := cpuTime()
	seen, err := rec.Photograph(frame)
	if err != nil {
		return err
	}
	r.score.took(float64(cpuTime()-began)/float64(time.Millisecond), frame.Image.Cols())
	var reads []read
	for _, s := range seen {
		reads = append(reads, read{text: string(s.Read.VRM), confidence: float64(s.Read.Confidence), characters: s.Read.Characters, box: box(s.Plate.Quad)})
	}
	missed, wrong := r.score.photograph(footage{Truth: t, light: lightGroup(picture.Luminance(frame.Image))}, reads)
	return r.misses.photograph(frame.Image, t, missed, wrong)
}

// lookAgain is every how many frames of a clip its light is measured.
const lookAgain = 25

func (r *run) clip(ctx context.Context, t *Truth, from capture.Source) error {
	rec, err := r.recogniser()
	if err != nil {
		return err
	}
	// Whatever ends the clip, the next one begins anew.
	defer rec.Flush()
	var passages []read
	keep := func(records []*nrd.Record) {
		for _, p := range records {
			passages = append(passages, read{text: string(p.Read.VRM), confidence: float64(p.Read.Confidence), characters: p.Read.Characters, box: box(p.Plate), patch: p.Patch.JPEG})
		}
	}
	light, looks := 0.0, 0
	// scene is one frame of the clip, from its second half as far as it has come: a
	// picture for what was not read at all.
	var scene []byte
	next := 0
	for n := 0; ; n++ {
		frame, err := from.Next(ctx)
		if errors.Is(err, capture.ErrEnd) {
			break
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errFootage, err)
		}
		if n%lookAgain == 0 {
			light, looks = light+picture.Luminance(frame.Image), looks+1
		}
		if n == next {
			if scene, err = picture.JPEG(frame.Image, image.Rectangle{}, missWidth, missQuality); err != nil {
				return errors.Join(err, frame.Close())
			}
			next = 2*n + lookAgain
		}
		records, err := rec.Track(frame)
		keep(records)
		if err := errors.Join(err, frame.Close()); err != nil {
			return err
		}
	}
	keep(rec.Flush())
	missed, wrong := r.score.clip(footage{Truth: t, clip: true, light: lightGroup(light / float64(max(looks, 1)))}, passages)
	r.misses.clip(passages, scene, missed, wrong)
	return nil
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
	r.report.Engine = reader.Engine()
	r.rec, err = recognise.New(recognise.Config{
		Localiser: localiser, Reader: reader, Clock: r.options.Clock,
		Profile: r.options.Profile, LeastConfidence: r.options.LeastConfidence, Region: r.options.Region, Log: r.options.Log,
	})
	return r.rec, err
}

func (r *run) close() {
	if r.rec != nil {
		_ = r.rec.Close() // nothing was written
	}
}

func (r *run) end() (*Report, error) {
	report := r.score.finish()
	report.misses = r.misses
	if n := len(report.Missing) + len(report.Unreadable); n > 0 {
		return report, fmt.Errorf("%w: %d missing, %d unreadable", ErrSome, len(report.Missing), len(report.Unreadable))
	}
	return report, nil
}

func box(q nrd.Quad) Box {
	b := q.Bounds()
	return Box{float64(b.X), float64(b.Y), float64(b.W), float64(b.H)}
}

// cpuTime is what the process has used so far, user and system; 0 where the
// kernel does not tell.
func cpuTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
