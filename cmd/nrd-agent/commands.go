package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"nrd"
	"nrd/internal/agent"
	"nrd/internal/agent/read"
	"nrd/internal/clock"
	"nrd/internal/commandline"
	"nrd/internal/identity"
)

func (p *program) runCommand() *cobra.Command {
	var follow bool
	c := &cobra.Command{
		Use: "run", Short: "Watch the cameras until stopped, or until the footage is over",
		Long: `Watch the cameras until stopped (Ctrl-C, SIGTERM), or, where every camera is a
file, until the footage is over and central has stored all of it. A summary is
printed at the end.`,
	}
	c.Flags().BoolVar(&follow, "follow", false, "print each hit when it is seen and each read when central has stored it (personal data)")
	return p.needsConfig(c, func(ctx context.Context, settings *agent.Config) error {
		for {
			a := &agent.Agent{Config: settings, Clock: clock.System(), Log: p.Logger(), Software: version}
			if follow {
				a.Follow = p.happening
			}
			summary, err := a.Run(ctx)
			if errors.Is(err, agent.ErrRestart) && ctx.Err() == nil {
				continue // the settings are this file's with those of central over them
			}
			switch {
			case errors.Is(err, identity.ErrWiped):
				err = commandline.Fail(exitWiped, err)
			case err != nil:
				err = commandline.Fail(commandline.Failed, err)
			}
			return errors.Join(err, p.summary(summary))
		}
	})
}

// happening prints one step of a read's life. An output that is gone (a closed
// pipe) must not stop a unit, so errors are dropped.
func (p *program) happening(h agent.Happening) {
	if p.JSON {
		_ = json.NewEncoder(p.Out).Encode(h)
		return
	}
	hit := ""
	if h.Hit != "" {
		hit = "  HIT " + h.Hit
		if h.Again {
			hit = fmt.Sprintf("  again, %d times: %s", h.Times, h.Hit)
		}
	}
	if h.Plate == "" {
		h.Plate = "no read"
	}
	if h.ReadAs != "" {
		hit = "  repaired, read as " + h.ReadAs + hit
	}
	at := h.At.Local().Format("15:04:05")
	switch {
	case h.What == "stored":
		_, _ = fmt.Fprintf(p.Out, "%s  %-10s %3d %%  %s  stored %d ms after it was kept%s\n", at, h.Plate, h.Confidence, h.Camera, h.FromKeptMS, hit)
	case h.What == "provisional" && h.Hit != "":
		_, _ = fmt.Fprintf(p.Out, "%s  %-10s %3d %%  %s  seen, not yet confirmed%s\n", at, h.Plate, h.Confidence, h.Camera, hit)
	}
}

func (p *program) summary(s agent.Summary) error {
	if p.JSON {
		return json.NewEncoder(p.Out).Encode(s)
	}
	_, err := fmt.Fprintf(p.Out, "frames %d, passages %d, unread %d, hits %d, stored %d, waiting %d, lost %d\n",
		s.Frames, s.Passages, s.Unread, s.Hits, s.Stored, s.Waiting, s.Lost)
	if s.FrameToStoredP95 > 0 {
		_, e := fmt.Fprintf(p.Out, "frame to stored: half within %d ms, 95 %% within %d ms (a record is made when its vehicle has gone by)\n", s.FrameToStoredP50, s.FrameToStoredP95)
		err = errors.Join(err, e)
	}
	if s.KeptToStoredP95 > 0 {
		_, e := fmt.Fprintf(p.Out, "kept to stored: half within %d ms, 95 %% within %d ms\n", s.KeptToStoredP50, s.KeptToStoredP95)
		err = errors.Join(err, e)
	}
	return err
}

func (p *program) readCommand() *cobra.Command {
	var engine, profile string
	c := &cobra.Command{
		Use: "read PATH...", Short: "Read the plates in photographs, folders of them and videos",
		Args: cobra.MinimumNArgs(1),
	}
	c.Flags().StringVar(&engine, "engine", "networks", "the reader: networks or tesseract")
	c.Flags().StringVar(&profile, "profile", nrd.DefaultProfile, "the standard whose limits hold")
	c.RunE = func(cmd *cobra.Command, paths []string) error {
		limits, err := nrd.LoadProfile(profile)
		if err != nil {
			return commandline.Fail(commandline.WrongConfiguration, err)
		}
		err = read.Run(cmd.Context(), paths, p.Out, p.Err, read.Options{
			JSON: p.JSON, Engine: engine, Profile: limits, Clock: clock.System(), Log: p.Logger(),
		})
		switch {
		case errors.Is(err, read.ErrSome):
			return commandline.Fail(exitUnreadable, err)
		case err != nil:
			return commandline.Fail(commandline.Failed, err)
		}
		return nil
	}
	return c
}

func (p *program) doctorCommand() *cobra.Command {
	var patience time.Duration
	c := &cobra.Command{Use: "doctor", Short: "Look at camera, clock, position, store, keys, central and lists, and say what to do"}
	c.Flags().DurationVar(&patience, "patience", 10*time.Second, "how long to wait for a part that does not answer")
	return p.needsConfig(c, func(ctx context.Context, settings *agent.Config) error {
		d := &agent.Doctor{Config: settings, Clock: clock.System(), Log: p.Logger(), Patience: patience}
		ill := 0
		for _, f := range d.Examine(ctx) {
			if !f.OK {
				ill++
			}
			if err := p.finding(f); err != nil {
				return commandline.Fail(commandline.Failed, err)
			}
		}
		if ill > 0 {
			return commandline.Fail(exitUnhealthy, fmt.Errorf("%d of the unit's parts need attention", ill))
		}
		return nil
	})
}

func (p *program) finding(f agent.Finding) error {
	if p.JSON {
		return json.NewEncoder(p.Out).Encode(f)
	}
	mark := "ok  "
	if !f.OK {
		mark = "BAD "
	}
	_, err := fmt.Fprintf(p.Out, "%s %-24s %s\n", mark, f.Part, f.Says)
	if f.Do != "" {
		_, err2 := fmt.Fprintf(p.Out, "     %-24s → %s\n", "", f.Do)
		err = errors.Join(err, err2)
	}
	return err
}

func (p *program) configCommand() *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Check the configuration or print a sample"}
	check := p.needsConfig(&cobra.Command{Use: "check", Short: "Say whether the configuration is right, and where not"},
		func(_ context.Context, settings *agent.Config) error {
			if p.JSON {
				return json.NewEncoder(p.Out).Encode(map[string]any{"file": p.config, "ok": true, "device": settings.Device})
			}
			_, err := fmt.Fprintf(p.Out, "%s is right: device %s, %d camera(s), %d list(s)\n", p.config, settings.Device, len(settings.Cameras), len(settings.Lists))
			return err
		})
	sample := &cobra.Command{
		Use: "sample", Short: "Print a commented configuration to start from", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := p.Out.Write(agent.Sample)
			return err
		},
	}
	group.AddCommand(check, sample)
	return group
}
