package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) serveCommand() *cobra.Command {
	return p.needsConfig(&cobra.Command{
		Use: "serve", Short: "Take in records and show the page, until stopped",
		Long: `Take in the devices' records and show the page, until stopped (Ctrl-C, SIGTERM).
The page's address answers https://ADDRESS/healthz with "ok" while all is well.`,
	}, func(ctx context.Context, settings *collector.Config, _ []string) error {
		server := &collector.Central{Config: settings, Log: p.Logger(), OnReady: p.ready}
		return server.Run(ctx)
	})
}

func (p *program) configCommand() *cobra.Command {
	group := &cobra.Command{Use: "config", Short: "Check the configuration or print a sample"}
	check := p.needsConfig(&cobra.Command{Use: "check", Short: "Say whether the configuration, its keys and certificates are right, and where not"},
		func(_ context.Context, settings *collector.Config, _ []string) error {
			if err := settings.CheckFiles(); err != nil {
				return err
			}
			return p.Say(map[string]any{"file": p.config, "ok": true}, "%s is right: devices at %s, page at %s, data in %s\n",
				p.config, settings.Ingest.Listen, settings.Page.Listen, settings.Data)
		})
	sample := &cobra.Command{
		Use: "sample", Short: "Print a commented configuration to start from", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := p.Out.Write(collector.Sample)
			return failed(err)
		},
	}
	group.AddCommand(check, sample)
	return group
}

func (p *program) siteCommand() *cobra.Command {
	group := &cobra.Command{Use: "site", Short: "Make a new site, or issue its certificates"}
	group.AddCommand(p.siteInitCommand(), p.siteBrokerCommand(), p.siteRenewCommand(), p.siteIssuerCommand())
	return group
}

func (p *program) siteInitCommand() *cobra.Command {
	var site collector.NewSite
	c := &cobra.Command{
		Use: "init DIR", Short: "Make a site: its CA, certificates, master key and configuration", Args: cobra.ExactArgs(1),
		Example: "  central site init /etc/central --data /var/lib/central --host central.example.police.uk",
		RunE: func(_ *cobra.Command, args []string) error {
			site.Dir = args[0]
			if err := collector.InitSite(site); err != nil {
				return failed(err)
			}
			return p.Say(map[string]any{"site": site.Dir, "config": site.Dir + "/central.toml"}, "%s", nextSteps(site))
		},
	}
	c.Flags().StringSliceVar(&site.Hosts, "host", []string{"localhost", "127.0.0.1", "::1"}, "name or address under which central is reached (repeat for more)")
	c.Flags().StringVar(&site.Data, "data", "", "folder of the store (default: data in DIR; /var/lib/central for the packaged service)")
	c.Flags().StringVar(&site.Ingest, "listen-devices", ":8883", "where central listens for devices")
	c.Flags().StringVar(&site.Fleet, "listen-fleet", "", "where devices get their certificates (default :8444)")
	c.Flags().StringVar(&site.Lists, "listen-lists", "", "where devices get lists (default :8445)")
	c.Flags().StringVar(&site.Page, "listen-page", ":8443", "where central listens for browsers")
	return c
}

func nextSteps(s collector.NewSite) string {
	return fmt.Sprintf(`The site is made in %[1]s. What comes next:
  1. Keep %[1]s/ca.key and %[1]s/trust/root-*.key away from this machine, and a copy of %[1]s/master.key apart from the backups.
  2. Make the first account:
     central user add NAME -c %[1]s/central.toml --role anpr-manager --full-name "..." --authoriser "..." --generate
  3. Start central:
     central serve -c %[1]s/central.toml
  4. Enrol each unit:
     central device enrol UNIT -c %[1]s/central.toml --account NAME --by "..." --reference "..."
`, s.Dir)
}

func (p *program) siteBrokerCommand() *cobra.Command {
	var hosts []string
	c := &cobra.Command{
		Use: "broker DIR", Short: "Issue the certificates for a broker of another make, and central's own for it", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := collector.IssueBroker(args[0], hosts); err != nil {
				return failed(err)
			}
			return p.Say(map[string]string{"broker": args[0] + "/broker", "certificate": args[0] + "/nrd_central.pem"},
				"Copy %[1]s/broker to the broker; central's own certificate for it is %[1]s/nrd_central.pem\n", args[0])
		},
	}
	c.Flags().StringSliceVar(&hosts, "host", []string{"localhost", "127.0.0.1", "::1"}, "name or address under which the broker is reached (repeat for more)")
	return c
}

func (p *program) siteIssuerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "issuer DIR", Short: "Take central's issuer back and make another: the old one's key may be in other hands", Args: cobra.ExactArgs(1),
		Long: `Put the issuer in DIR on the list of those that were taken back (ca.crl) and make
another. DIR needs the CA's key. Copy issuer.pem, issuer.key and ca.crl to central
and restart it. Within an hour each unit that reaches central's HTTPS obeys no order
of the old issuer any more and has a certificate of the new one. Central itself
takes only certificates that it has on record, so what the old key makes is refused.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := collector.ReplaceIssuer(args[0]); err != nil {
				return failed(err)
			}
			return p.Say(map[string]string{"issuer": args[0] + "/issuer.pem", "revoked": args[0] + "/ca.crl"},
				"%[1]s/issuer.pem is new, the old one is on %[1]s/ca.crl; restart central with both\n", args[0])
		},
	}
}

func (p *program) siteRenewCommand() *cobra.Command {
	var hosts []string
	c := &cobra.Command{
		Use: "renew DIR", Short: "Issue central's own certificate and its issuer's anew", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := collector.RenewServer(args[0], hosts); err != nil {
				return failed(err)
			}
			return p.Say(map[string]string{"certificate": args[0] + "/central.pem"}, "%s/central.pem and issuer.pem are new; restart central\n", args[0])
		},
	}
	c.Flags().StringSliceVar(&hosts, "host", []string{"localhost", "127.0.0.1", "::1"}, "name or address under which central is reached (repeat for more)")
	return c
}
