package main

import (
	"context"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
	"nrd/internal/clock"
	"nrd/internal/commandline"
	"nrd/internal/machinekey"
)

func (p *program) keyCommand() *cobra.Command {
	group := &cobra.Command{Use: "key", Short: "Make or replace the key that everything on the unit is sealed with"}
	group.AddCommand(p.keyCreateCommand(), p.keyRotateCommand())
	return group
}

// tpmFlag adds the flag that puts a key in the hands of a TPM.
func tpmFlag(c *cobra.Command, device *string) {
	c.Flags().StringVar(device, "tpm", "", "let the TPM 2.0 at `DEVICE` (/dev/tpmrm0) seal the key, so that it opens on this machine only")
}

func (p *program) keyCreateCommand() *cobra.Command {
	var device string
	c := &cobra.Command{
		Use: "create FILE", Short: "Make a new storage key; an existing file is never overwritten", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := machinekey.Create(args[0], device); err != nil {
				return commandline.Fail(commandline.Failed, err)
			}
			return nil
		},
	}
	tpmFlag(c, &device)
	return c
}

func (p *program) keyRotateCommand() *cobra.Command {
	var device string
	c := p.needsConfig(&cobra.Command{
		Use: "rotate", Short: "Put a new storage key in the old one's place, while the agent is stopped",
		Long: `Put a new storage key in the place of the configured one, while the agent is
stopped. What is in the buffer stays and opens under the new key only; what comes
later is sealed under keys that the old one never opened. Where the power goes in
between, the unit works on, and the command can be given again. With --tpm the
new key is sealed by the TPM; without, it is in the file.`,
	}, func(_ context.Context, settings *agent.Config) error {
		b := &agent.Backlog{Config: settings, Clock: clock.System(), Log: p.Logger()}
		if err := b.RotateKey(device); err != nil {
			return commandline.Fail(commandline.Failed, err)
		}
		return p.Say(map[string]any{"file": settings.Key, "rotated": true}, "%s holds a new key\n", settings.Key)
	})
	tpmFlag(c, &device)
	return c
}
