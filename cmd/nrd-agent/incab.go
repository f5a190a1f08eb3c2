package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
	"nrd/internal/commandline"
)

func (p *program) incabCommand() *cobra.Command {
	group := &cobra.Command{Use: "incab", Short: "Pair tablets with the officer's screen, or forget them, while the agent runs"}
	var role string
	pair := p.needsConfig(&cobra.Command{
		Use: "pair", Short: "Show a code that lets one tablet in, once, within two minutes",
		Long: `Show a code that lets one tablet in, once, within two minutes, and where the page
is. The driver's tablet shows symbols only while the vehicle moves. Where the
unit has made its own certificate the browser warns until the unit's issuer is
installed on the tablet: the fingerprints must be those that are shown.`,
	}, func(ctx context.Context, settings *agent.Config) error {
		i, err := agent.PairTablet(ctx, settings, role)
		if err != nil {
			return screenFailure(err)
		}
		text := fmt.Sprintf("Open %s and give the code %s within %s.\nThe certificate's SHA-256 fingerprint: %s\n", i.Address, i.Code, i.Good, strings.ToUpper(i.Fingerprint))
		if i.Issuer != "" {
			text += fmt.Sprintf("The issuer for the tablet to trust is at %sissuer.crt, its SHA-256 fingerprint: %s\n", i.Address, strings.ToUpper(i.Issuer))
		}
		return p.Say(i, "%s", text)
	})
	pair.Flags().StringVar(&role, "role", "observer", "whose tablet it is: driver or observer")
	forget := p.needsConfig(&cobra.Command{Use: "forget", Short: "Let no tablet in any more that was paired, and sign their officers off"},
		func(ctx context.Context, settings *agent.Config) error {
			n, err := agent.ForgetTablets(ctx, settings)
			if err != nil {
				return screenFailure(err)
			}
			return p.Say(map[string]int{"forgotten": n}, "%d tablet(s) are forgotten\n", n)
		})
	group.AddCommand(pair, forget)
	return group
}

func screenFailure(err error) error {
	if errors.Is(err, agent.ErrNotRunning) {
		return commandline.Fail(exitNotRunning, err)
	}
	return commandline.Fail(commandline.Failed, err)
}
