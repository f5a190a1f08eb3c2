package main

import (
	"errors"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
	"nrd/internal/clock"
	"nrd/internal/commandline"
)

func (p *program) aimCommand() *cobra.Command {
	a := &agent.Aiming{}
	c := &cobra.Command{
		Use: "aim [FOOTAGE]", Short: "Serve a page that helps to aim a camera",
		Long: `Serve a page with a camera's live picture, the plates found in it, their width
and sharpness, advice in plain words, a count of the last minute, and whether
the site can meet its figures. The region of interest is drawn on it and saved
in the configuration file. Without FOOTAGE it is a camera of the configuration,
and the agent must not be running; with FOOTAGE (a device, an rtsp:// address, a
video, photographs) no configuration is needed.

The page is for this machine alone. With another address in --listen it is
served over TLS, and a browser needs the code that is printed here: reach a unit
in the field so, or through ssh -L 8088:127.0.0.1:8088. Nothing is kept, and
marks are shown only with --show-reads.
` + exitCodes,
		Args: cobra.MaximumNArgs(1),
	}
	c.Flags().StringVarP(&p.config, "config", "c", "/etc/nrd-agent/nrd-agent.toml", "configuration `FILE`")
	c.Flags().StringVar(&a.Camera, "camera", "", "the `NAME` of the camera, where the configuration has several")
	c.Flags().StringVar(&a.Listen, "listen", "127.0.0.1:8088", "the page's `ADDRESS`")
	c.Flags().BoolVar(&a.ShowReads, "show-reads", false, "show the marks that are read (personal data)")
	c.Flags().BoolVar(&a.Vehicle, "vehicle", false, "the unit is in a vehicle, whatever the configuration says")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		a.Terminal, a.Clock, a.Log = p.Err, clock.System(), p.Logger()
		if len(args) == 1 {
			a.Footage = args[0]
		} else {
			settings, err := agent.LoadConfig(p.config)
			if err != nil {
				return commandline.Fail(commandline.WrongConfiguration, err)
			}
			a.Config = settings
		}
		err := a.Run(cmd.Context())
		switch {
		case err == nil:
			return nil
		case errors.Is(err, agent.ErrCamera):
			return commandline.Fail(commandline.WrongUsage, err)
		}
		return commandline.Fail(commandline.Failed, err)
	}
	return c
}
