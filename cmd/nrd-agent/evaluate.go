package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"nrd"
	"nrd/internal/agent"
	"nrd/internal/clock"
	"nrd/internal/commandline"
	"nrd/recognise/evaluate"
)

func (p *program) evaluateCommand() *cobra.Command {
	var truth []string
	var page, profile, config, camera string
	var o evaluate.Options
	c := &cobra.Command{
		Use:   "evaluate --truth FILE PATH...",
		Short: "Measure how well photographs and clips are read whose plates are known",
		Long: `Measure how well photographs and clips are read whose plates people wrote down.

A truth file is CSV with a header. For photographs each row is a plate: file,
plate and, where they are known, x, y, w, h (the plate's box in pixels); an
empty plate says that there is none to read. For clips each row is a clip: file
and plates, separated by |. Further columns are kept: light, source, region and
syntax take the place of what is found out otherwise, and --by groups by any.

With --config the engine, the profile, the least confidence and the region of
interest are those of the unit's camera: what is measured is what the site reads.
What lies outside of the region is not looked at.

The page and the JSON hold marks and pictures of vehicles: personal data. The
page is written for its owner alone. docs/evaluation.md tells what each figure
means.
` + exitCodes,
		Args: cobra.MinimumNArgs(1),
	}
	c.Flags().StringArrayVar(&truth, "truth", nil, "CSV `FILE` of what the footage shows; may be given more than once")
	c.Flags().StringVar(&page, "html", "", "write a page with charts and the worst misses to `FILE`")
	c.Flags().StringArrayVar(&o.By, "by", nil, "group by this `COLUMN` of the truth file too; may be given more than once")
	c.Flags().StringVar(&o.Engine, "engine", "networks", "the reader: networks or tesseract")
	c.Flags().StringVar(&profile, "profile", nrd.DefaultProfile, "the standard whose limits hold")
	c.Flags().IntVar(&o.LeastConfidence, "minimum-confidence", 0, "leave out reads that are less sure, 1-100; 0: as read does")
	c.Flags().StringVarP(&config, "config", "c", "", "read as a camera of this configuration `FILE` does")
	c.Flags().StringVar(&camera, "camera", "", "the `NAME` of the camera, where the configuration has several")
	if err := c.MarkFlagRequired("truth"); err != nil {
		panic(err) // the flag is there
	}
	for _, told := range []string{"engine", "profile", "minimum-confidence"} {
		c.MarkFlagsMutuallyExclusive("config", told)
	}
	c.RunE = func(cmd *cobra.Command, paths []string) error {
		var err error
		switch {
		case config != "":
			err = asCamera(&o, config, camera)
		case camera != "":
			err = fmt.Errorf("%w: --camera goes with --config", agent.ErrCamera)
		default:
			o.Profile, err = nrd.LoadProfile(profile)
		}
		switch {
		case errors.Is(err, agent.ErrCamera):
			return commandline.Fail(commandline.WrongUsage, err)
		case err != nil:
			return commandline.Fail(commandline.WrongConfiguration, err)
		}
		progress := commandline.NewProgress(p.Err)
		o.Clock, o.Log, o.Software, o.Progress = clock.System(), p.Logger(), version, progress.Show
		report, err := evaluate.Run(cmd.Context(), truth, paths, o)
		progress.Clear()
		if report != nil {
			err = errors.Join(p.evaluation(report, page), err)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, evaluate.ErrTruth):
			return commandline.Fail(commandline.WrongConfiguration, err)
		case errors.Is(err, evaluate.ErrSome):
			return commandline.Fail(exitUnreadable, err)
		}
		return commandline.Fail(commandline.Failed, err)
	}
	return c
}

// asCamera makes the options those with which a unit's camera is read.
func asCamera(o *evaluate.Options, config, camera string) error {
	settings, err := agent.LoadConfig(config)
	if err != nil {
		return err
	}
	r, err := settings.Recognition(camera)
	if err != nil {
		return err
	}
	o.Camera, o.Engine, o.Profile, o.LeastConfidence, o.Region = r.Camera, r.Engine, r.Profile, r.LeastConfidence, r.Region
	return nil
}

// evaluation prints a report and writes its page, if one is asked for.
func (p *program) evaluation(report *evaluate.Report, page string) error {
	if page != "" {
		if err := writePage(page, report.Page); err != nil {
			return err
		}
	}
	if p.JSON {
		return json.NewEncoder(p.Out).Encode(report)
	}
	return report.Text(p.Out)
}

// writePage writes a file that only its owner may read, whole or not at all.
func writePage(path string, write func(io.Writer) error) (err error) {
	// A temporary file is made for its owner alone.
	file, err := os.CreateTemp(filepath.Dir(path), ".evaluation-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := errors.Join(write(file), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
