package main

import (
	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) trustCommand() *cobra.Command {
	group := &cobra.Command{Use: "trust", Short: "Make or renew the keys that lists are signed with"}
	var keys, threshold int
	initialise := &cobra.Command{
		Use: "init DIR", Short: "Make the keys of the signed repository for a site that has none", Args: cobra.ExactArgs(1),
		Long: `Make the keys of the signed repository of the site in DIR, in its folder trust:
root-1.key and so on, of which so many must sign together, and online.key, which
central signs lists with. The CA's key must be in DIR; it vouches for the first
root. Take the root's keys away from this machine afterwards, each to another place.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := collector.InitTrust(args[0], keys, threshold); err != nil {
				return failed(err)
			}
			return p.Say(map[string]any{"trust": args[0] + "/trust", "keys": keys, "threshold": threshold},
				"The keys are in %[1]s/trust. Take %[1]s/trust/root-*.key away from this machine, and restart central.\n", args[0])
		},
	}
	initialise.Flags().IntVar(&keys, "keys", 3, "how many keys the root has")
	initialise.Flags().IntVar(&threshold, "threshold", 2, "how many of them must sign together")
	var other bool
	renew := &cobra.Command{
		Use: "renew DIR", Short: "Sign the root anew, for five years", Args: cobra.ExactArgs(1),
		Long: `Sign the root of the signed repository of the site in DIR anew, for five years. As
many of the root's keys as must sign together have to lie in its folder trust. With
--new-online-key central gets another key, and the one before counts for nothing at
each unit that has heard of it: for when it may have been stolen.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := collector.RenewTrust(args[0], other); err != nil {
				return failed(err)
			}
			return p.Say(map[string]any{"trust": args[0] + "/trust", "new online key": other}, "The root is signed anew. Take the root's keys away again, and restart central.\n")
		},
	}
	renew.Flags().BoolVar(&other, "new-online-key", false, "give central another key")
	group.AddCommand(initialise, renew)
	return group
}
