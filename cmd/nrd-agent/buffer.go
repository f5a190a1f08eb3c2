package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nrd/internal/agent"
	"nrd/internal/clock"
	"nrd/internal/commandline"
	"nrd/internal/sealed"
)

func (p *program) bufferCommand() *cobra.Command {
	group := &cobra.Command{Use: "buffer", Short: "Look at what waits for central, carry it there by hand, or let it go, while the agent is stopped"}
	group.AddCommand(p.bufferStatusCommand(), p.bufferListCommand(), p.bufferExportCommand(), p.bufferPurgeCommand())
	return group
}

// backlog makes a command that works on the stopped agent's buffer.
func (p *program) backlog(c *cobra.Command, f func(*agent.Backlog) error) *cobra.Command {
	return p.needsConfig(c, func(_ context.Context, settings *agent.Config) error {
		err := f(&agent.Backlog{Config: settings, Clock: clock.System(), Log: p.Logger()})
		if err != nil {
			err = commandline.Fail(commandline.Failed, err)
		}
		return err
	})
}

func (p *program) bufferStatusCommand() *cobra.Command {
	return p.backlog(&cobra.Command{Use: "status", Short: "Count what waits, what was set aside and what was dropped"}, func(b *agent.Backlog) error {
		s, err := b.Status()
		if err != nil {
			return err
		}
		oldest := ""
		if !s.OldestWaiting.IsZero() {
			oldest = s.OldestWaiting.Format(time.RFC3339)
		}
		return p.Say(map[string]any{
			"records": s.Records, "images": s.Images, "events": s.Events, "oldest": oldest, "dead_letters": s.DeadLetters,
			"dropped_records": s.Dropped["record"], "dropped_images": s.Dropped["image"], "refused_records": s.Dropped["refused"], "damaged_items": s.Dropped["damaged"],
			"bytes": s.Bytes, "disk_free": s.DiskFree,
		}, "waiting: %d records, %d images, %d events; the oldest record: %s\nset aside: %d\ndropped since the buffer was made: %d records, %d images; refused for lack of room: %d records; damaged with their keys: %d items\ndisk: %d bytes taken, %d free\n",
			s.Records, s.Images, s.Events, oldest, s.DeadLetters, s.Dropped["record"], s.Dropped["image"], s.Dropped["refused"], s.Dropped["damaged"], s.Bytes, s.DiskFree)
	})
}

func (p *program) bufferListCommand() *cobra.Command {
	var vrm bool
	c := p.backlog(&cobra.Command{Use: "list", Short: "List every item in the order in which it would be sent, then what was set aside"}, func(b *agent.Backlog) error {
		return b.List(func(e agent.Entry) error {
			line := listed{Key: e.Key.String(), Kind: e.Kind, Hit: e.Hit, State: "waiting", Reason: e.Reason, Bytes: len(e.Payload)}
			switch {
			case e.SetAside:
				line.State = "set aside"
			case e.Damaged:
				line.State = "damaged"
			}
			if !e.Captured.IsZero() {
				line.Captured = e.Captured.Format(time.RFC3339Nano)
			}
			if vrm {
				line.VRM = string(e.VRM)
			}
			return p.Say(line, "%s\n", line)
		})
	})
	c.Flags().BoolVar(&vrm, "vrm", false, "show the marks that were read (personal data)")
	return c
}

// listed is a line of buffer list.
type listed struct {
	Key      string `json:"key"`
	Kind     string `json:"kind"`
	Hit      bool   `json:"hit"`
	State    string `json:"state"`
	Captured string `json:"captured,omitempty"`
	VRM      string `json:"vrm,omitempty"`
	Bytes    int    `json:"bytes"`
	Reason   string `json:"reason,omitempty"`
}

func (l listed) String() string {
	hit := ""
	if l.Hit {
		hit = "hit"
	}
	return strings.TrimRight(fmt.Sprintf("%-40s %-8s %-3s %-9s %6d  %-30s %s %s", l.Key, l.Kind, hit, l.State, l.Bytes, l.Captured, l.VRM, l.Reason), " ")
}

func (p *program) bufferExportCommand() *cobra.Command {
	var file, keyFile string
	var inClear bool
	c := p.backlog(&cobra.Command{
		Use: "export", Short: "Write what waits to a file, to be carried to central by hand; it stays in the buffer too",
		Long: `Write everything that waits to a new file, to be carried to central by hand where
the link is dead. It stays in the buffer until a receipt comes, and what central
gets twice it stores once. The file is sealed under a new key, written to the
file that --key names: carry the two apart. docs/protocol.md has the format.`,
	}, func(b *agent.Backlog) error {
		if (keyFile == "") != inClear {
			return errors.New("either name a --key FILE for the new key, or say --clear for a file that anybody can read")
		}
		var key *sealed.Key
		if !inClear {
			var err error
			if key, err = sealed.CreateKey(keyFile); err != nil {
				return err
			}
		}
		items, damaged, err := b.Export(file, key)
		if err != nil {
			return err
		}
		return p.Say(map[string]any{"file": file, "items": items, "damaged": damaged}, "%d items are in %s, %d damaged ones are not\n", items, file, damaged)
	})
	c.Flags().StringVarP(&file, "output", "o", "", "the new `FILE`")
	c.Flags().StringVar(&keyFile, "key", "", "a new `FILE` for the key that the file is sealed under")
	c.Flags().BoolVar(&inClear, "clear", false, "do not seal the file")
	_ = c.MarkFlagRequired("output") // the flag is there
	return c
}

func (p *program) bufferPurgeCommand() *cobra.Command {
	var reason string
	var asideOnly, yes bool
	c := p.backlog(&cobra.Command{
		Use: "purge", Short: "Let go of everything that waits and was set aside, hits too; central is told how much and why",
	}, func(b *agent.Backlog) error {
		if strings.TrimSpace(reason) == "" {
			return errors.New("a --reason is needed: it goes to central with the numbers")
		}
		if !yes {
			s, err := b.Status()
			if err != nil {
				return err
			}
			if err := p.confirm(b.Config.Device, s.Records, s.Images, s.DeadLetters, asideOnly); err != nil {
				return err
			}
		}
		records, images, err := b.Purge(reason, asideOnly)
		if err != nil {
			return err
		}
		return p.Say(map[string]any{"records": records, "images": images}, "%d records and %d images are gone\n", records, images)
	})
	c.Flags().StringVar(&reason, "reason", "", "why, in words")
	c.Flags().BoolVar(&asideOnly, "set-aside", false, "only what was set aside")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// confirm asks for the device's name before anything is lost.
func (p *program) confirm(device string, records, images, aside int, asideOnly bool) error {
	what := fmt.Sprintf("%d records and %d images that central does not have, and %d items that were set aside,", records, images, aside)
	if asideOnly {
		what = fmt.Sprintf("%d items that were set aside", aside)
	}
	_, err := fmt.Fprintf(p.Err, "%s will be lost for good. Type %s to go on: ", what, device)
	if err != nil {
		return err
	}
	if p.In == nil {
		return errors.New("nobody can be asked: say --yes")
	}
	line, err := bufio.NewReader(p.In).ReadString('\n')
	if strings.TrimSpace(line) != device {
		return errors.Join(errors.New("nothing was purged"), err)
	}
	return nil
}
