package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nrd/collector"
)

func (p *program) listCommand() *cobra.Command {
	group := &cobra.Command{
		Use: "list", Short: "Make, change, load and look at lists of vehicles of interest",
		Long: `Lists come in files, such as the national extract, or are the force's own. Files
that are laid into the inbox are loaded by themselves. See docs/lists.md.`,
	}
	group.AddCommand(
		p.listShowCommand(), p.listCreateCommand(), p.listChangeCommand(), p.listReviewCommand(), p.listWithdrawCommand(),
		p.listEntriesCommand(), p.listAddCommand(), p.listRemoveCommand(), p.listImportCommand(), p.listExportCommand(),
		p.listImportsCommand(), p.listReportCommand(), p.listDecideCommand("approve", "Put a file that waits for a person in force", true),
		p.listDecideCommand("reject", "Give up a file that waits for a person", false), p.listHitsCommand(), p.listAcknowledgeCommand(),
		p.listShareCommand(), p.listUnshareCommand(),
	)
	return group
}

func (p *program) listShowCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "show", Short: "Show all lists with their use in the last 30 days"},
		func(ctx context.Context, d *collector.Desk, c *collector.Config, _ []string) error {
			all, err := d.Lists(ctx)
			if err != nil {
				return err
			}
			return table(p, all, "NAME\tKIND\tPURPOSE\tOWNER\tENTRIES\tVERSION\tISSUED\tPUBLISHED\tUNITS\tMATCHING\tHITS\tBECAME\tHELD\tREVIEWED\tREVIEW\tPROBLEM", func(l collector.ListState) string {
				kind, units, review := "local", "all", c.Day(&l.Review)
				if l.Source != "" {
					kind = "files " + l.Source
				}
				if len(l.Recipients) > 0 {
					units = strings.Join(l.Recipients, " ")
				}
				if l.Overdue {
					review += " overdue"
				}
				if l.Withdrawn != nil {
					kind += ", withdrawn"
				}
				matching := "exact"
				switch {
				case l.NearRefused:
					matching = "exact (too large for look-alikes)"
				case l.Near:
					matching = "look-alikes too"
				case l.Status:
					matching = "exact (statuses)"
				}
				var became []string
				for _, what := range slices.Sorted(maps.Keys(l.Dispositions)) {
					became = append(became, fmt.Sprintf("%s %d", what, l.Dispositions[what]))
				}
				return row(l.Name, kind, l.Purpose, l.Owner, fmt.Sprint(l.Entries), fmt.Sprint(l.Version), c.Moment(l.Issued), fmt.Sprint(l.Published), units,
					matching, fmt.Sprint(l.Hits), strings.Join(became, ", "), fmt.Sprint(l.Held), c.Day(l.Reviewed), review, l.Problem)
			})
		})
}

// listSettings adds the flags of a list's settings.
func listSettings(c *cobra.Command) (s *collector.ListSettings, days *listDays, every *time.Duration) {
	s, days = &collector.ListSettings{}, &listDays{}
	c.Flags().StringVar(&s.Owner, "owner", "", "who answers for the list")
	c.Flags().StringVar(&s.Purpose, "purpose", "response", "what it is for: response or intelligence")
	c.Flags().StringSliceVar(&s.Recipients, "device", nil, "a device that has it (repeat for more; default: every approved one)")
	c.Flags().BoolVar(&s.Near, "near", false, "match look-alikes too, where the list has at most 50,000 entries")
	c.Flags().StringVar(&days.review, "review", "", "the `DAY` on which it must be looked at again (default: in a year)")
	every = c.Flags().Duration("every", 0, "how often a file of a list that comes in files is due, such as 8h (default: 24h)")
	return s, days, every
}

// listDays are days as flags have them.
type listDays struct{ weed, review string }

func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return t, fmt.Errorf("%w: %q is no day such as 2027-01-31", collector.ErrInvalid, text)
	}
	return t, nil
}

func (p *program) listCreateCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "create NAME", Short: "Make a list", Args: cobra.ExactArgs(1),
		Long: `Make a list. With --source it is one that comes in files: those in the inbox
whose names begin with SOURCE_LIST are loaded into it. Without, it is a local list,
whose entries are made here; it goes to devices of this site only.`,
		Example: `  central list create national --source NAT_WANTED --every 8h --owner "National desk"
  central list create uninsured --source NAT_UNINSURED --status --every 24h --owner "Roads policing"
  central list create burglars --owner "DI Gray" --purpose intelligence --device car-7`,
	}
	s, days, every := listSettings(c)
	c.Flags().StringVar(&s.Source, "source", "", "what its files are named, `SOURCE_LIST` of SOURCE_LIST_R.dat")
	c.Flags().BoolVar(&s.Status, "status", false, "for tens of millions of entries that say few different things, such as no insurance; it stays")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) (err error) {
		s.Name, s.Every = args[0], int64(every.Seconds())
		if s.Review, err = day(days.review); err != nil {
			return err
		}
		if err := d.CreateList(ctx, *s); err != nil {
			return err
		}
		return p.Say(map[string]string{"created": s.Name}, "The list %s is made.\n", s.Name)
	})
}

func (p *program) listChangeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "change NAME", Short: "Give a list other settings; those that are not given stay", Args: cobra.ExactArgs(1),
		Long: `Give a list other settings; those that are not given stay as they are. With
--device "" every approved device has it, with --near=false it is matched exactly.`,
		Example: `  central list change national --owner "Insp Kerr"`,
	}
	s, days, every := listSettings(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) (err error) {
		s.Every = int64(every.Seconds())
		if s.Review, err = day(days.review); err != nil {
			return err
		}
		if err := d.ChangeList(ctx, listChange(c, args[0], s)); err != nil {
			return err
		}
		return p.Say(map[string]string{"changed": args[0]}, "The list %s has its new settings.\n", args[0])
	})
}

// listChange takes of the settings those whose flags were given.
func listChange(c *cobra.Command, name string, s *collector.ListSettings) collector.ListChange {
	change := collector.ListChange{Name: name}
	for flag, take := range map[string]func(){
		"owner":   func() { change.Owner = &s.Owner },
		"purpose": func() { change.Purpose = &s.Purpose },
		"device":  func() { change.Recipients = &s.Recipients },
		"near":    func() { change.Near = &s.Near },
		"review":  func() { change.Review = &s.Review },
		"every":   func() { change.Every = &s.Every },
	} {
		if c.Flags().Changed(flag) {
			take()
		}
	}
	return change
}

func (p *program) listReviewCommand() *cobra.Command {
	c := &cobra.Command{Use: "review NAME", Short: "Note that somebody looked whether a list is still needed", Args: cobra.ExactArgs(1)}
	why := reason(c)
	next := c.Flags().String("next", "", "the `DAY` of the next review (default: in a year)")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		when, err := day(*next)
		if err != nil {
			return err
		}
		if err := d.ReviewList(ctx, args[0], *why, when); err != nil {
			return err
		}
		return p.Say(map[string]string{"reviewed": args[0]}, "The review of %s is noted.\n", args[0])
	})
}

func (p *program) listWithdrawCommand() *cobra.Command {
	c := &cobra.Command{Use: "withdraw NAME", Short: "Take a list out of force for good, here and on all devices, with its entries", Args: cobra.ExactArgs(1)}
	why := reason(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		if err := d.WithdrawList(ctx, args[0], *why); err != nil {
			return err
		}
		return p.Say(map[string]string{"withdrawn": args[0]}, "The list %s is withdrawn.\n", args[0])
	})
}

func (p *program) listEntriesCommand() *cobra.Command {
	var vrm string
	c := &cobra.Command{Use: "entries NAME", Short: "Show the entries of a local list", Args: cobra.ExactArgs(1)}
	c.Flags().StringVar(&vrm, "vrm", "", "only those for this number plate")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		entries, err := d.ListEntries(ctx, collector.ListQuery{List: args[0], VRM: vrm})
		if err != nil {
			return err
		}
		return table(p, entries, "ID\tVRM\tREFERENCE\tPRIORITY\tMARKERS\tREASON\tRATIONALE\tCREATOR\tREVIEW\tWEED\tSTATE\tCOVERT", func(e collector.ListedEntry) string {
			covert := ""
			if e.Covert {
				covert = "covert"
			}
			return row(fmt.Sprint(e.ID), e.VRM, e.Reference, e.Priority, strings.Join(e.Markers, " "), e.Reason, e.Rationale, e.Creator,
				e.Review.Format(time.DateOnly), e.Weed.Format(time.DateOnly), e.State, covert)
		})
	})
}

func (p *program) listAddCommand() *cobra.Command {
	var e collector.ListedEntry
	var days listDays
	c := &cobra.Command{
		Use: "add NAME VRM", Short: "Add an entry to a local list, or with --id change one", Args: cobra.ExactArgs(2),
		Example: `  central list add burglars "AB12 CDE" --priority high --rationale "seen at three burglaries" --reason "Stop and search" --weed 2027-01-31`,
	}
	c.Flags().Uint64Var(&e.ID, "id", 0, "the entry that is changed; all that it says is replaced")
	c.Flags().StringVar(&e.Reference, "reference", "", "tells entries for one number plate apart")
	c.Flags().StringVar(&e.Priority, "priority", "none", "the response asked for: high, medium, low or none")
	c.Flags().StringVar(&e.Rationale, "rationale", "", "why it has this priority")
	c.Flags().StringSliceVar(&e.Markers, "marker", nil, "a warning marker such as WE (repeat for more)")
	c.Flags().StringVar(&e.Reason, "reason", "", "shown to the officer")
	c.Flags().StringVar(&e.Information, "information", "", "what to do")
	c.Flags().StringVar(&e.Intelligence, "intelligence", "", "the 5x5x5 grading")
	c.Flags().StringVar(&e.Instructions, "instructions", "", "operational instructions")
	c.Flags().StringVar(&e.Make, "make", "", "the vehicle's make")
	c.Flags().StringVar(&e.Model, "model", "", "the vehicle's model")
	c.Flags().StringVar(&e.Colour, "colour", "", "the vehicle's colour")
	c.Flags().StringVar(&e.Force, "force", "", "force and area")
	c.Flags().StringVar(&e.Marking, "marking", "", "protective marking")
	c.Flags().StringVar(&e.CAD, "cad", "", "CAD information")
	c.Flags().BoolVar(&e.Covert, "covert", false, "matched at central only; it goes to no vehicle, and stays so for good")
	c.Flags().StringVar(&days.weed, "weed", "", "the last `DAY` on which it matches")
	c.Flags().StringVar(&days.review, "review", "", "the `DAY` on which it must be looked at again (default: in 4 weeks)")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) (err error) {
		e.List, e.VRM = args[0], args[1]
		if e.Weed, err = day(days.weed); err != nil {
			return err
		}
		if e.Review, err = day(days.review); err != nil {
			return err
		}
		if err := d.PutListEntry(ctx, e); err != nil {
			return err
		}
		return p.Say(map[string]string{"list": e.List, "vrm": e.VRM}, "The entry is in force.\n")
	})
}

func (p *program) listRemoveCommand() *cobra.Command {
	c := &cobra.Command{Use: "remove NAME ID", Short: "Take an entry off a local list", Args: cobra.ExactArgs(2)}
	why := reason(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		id, err := number(args[1])
		if err != nil {
			return err
		}
		if err := d.RemoveListEntry(ctx, args[0], id, *why); err != nil {
			return err
		}
		return p.Say(map[string]uint64{"removed": id}, "The entry %d is removed.\n", id)
	})
}

func number(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no number", collector.ErrInvalid, text)
	}
	return n, nil
}

func (p *program) listImportCommand() *cobra.Command {
	var f collector.ListFile
	var days listDays
	c := &cobra.Command{
		Use: "import NAME FILE", Short: "Load a file into a list: sixteen columns, plain or zipped", Args: cobra.ExactArgs(2),
		Long: `Load a file into a list and print what became of it, with line numbers. A file
named SOURCE_LIST_I.dat inserts, one named SOURCE_LIST_D.dat deletes, any other
replaces all. Central reads the file itself, so its system user must be able to.`,
	}
	c.Flags().StringVar(&f.Rationale, "rationale", "", "local lists: why the entries have their priority")
	c.Flags().StringVar(&days.weed, "weed", "", "local lists: the weed `DAY` of lines that have none")
	c.Flags().StringVar(&days.review, "review", "", "local lists: the `DAY` on which the entries must be looked at again")
	c.Flags().BoolVar(&f.Covert, "covert", false, "local lists: the entries go to no vehicle, and stay so for good")
	c.Flags().BoolVar(&f.Sure, "sure", false, "local lists: even if the list loses much, or the file ends within a line")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) (err error) {
		f.List, f.Path = args[0], args[1]
		if f.Weed, err = day(days.weed); err != nil {
			return err
		}
		if f.Review, err = day(days.review); err != nil {
			return err
		}
		i, err := d.ImportList(ctx, f)
		if err != nil {
			return err
		}
		return p.sayImport(&i)
	})
}

// sayImport prints an import; one that was refused is a failure.
func (p *program) sayImport(i *collector.ListImport) error {
	text := fmt.Sprintf("Import %d: %s is %s.", i.ID, i.File, i.State)
	if i.Why != "" {
		text += " " + i.Why + "."
	}
	text += fmt.Sprintf(" %d lines accepted, %d refused; the list had %d entries, with this file %d", i.Accepted, i.Refused, i.Before, i.Entries)
	if i.Expired > 0 {
		text += fmt.Sprintf(", of which %d have expired", i.Expired)
	}
	text += ".\n"
	if i.Unsearched != "" {
		text += "  " + i.Unsearched + "\n"
	}
	for _, line := range i.Report {
		text += "  " + line + "\n"
	}
	if err := p.Say(i, "%s", text); err != nil {
		return err
	}
	if i.State == "refused" {
		return fmt.Errorf("the file was refused, and the list stays as it was: %s", i.Why)
	}
	return nil
}

func (p *program) listExportCommand() *cobra.Command {
	c := &cobra.Command{Use: "export NAME", Short: "Print a local list in the sixteen columns; a spreadsheet may open it", Args: cobra.ExactArgs(1)}
	why := reason(c)
	to := c.Flags().String("to", "", "the law enforcement agency that it goes to, which list share has named; covert entries are left out")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		text, err := d.ExportList(ctx, args[0], *to, *why)
		if err != nil {
			return err
		}
		return p.Say(map[string]string{"list": args[0], "csv": text}, "%s", text)
	})
}

func (p *program) listImportsCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "imports [NAME]", Short: "Show the files that came, newest first", Args: cobra.MaximumNArgs(1)},
		func(ctx context.Context, d *collector.Desk, c *collector.Config, args []string) error {
			all, err := d.ListImports(ctx, strings.Join(args, ""))
			if err != nil {
				return err
			}
			return table(p, all, "IMPORT\tCAME\tLIST\tFILE\tOPERATION\tBY\tSTATE\tREFUSED LINES\tENTRIES\tWHY", func(i collector.ListImport) string {
				return row(fmt.Sprint(i.ID), c.Moment(&i.Received), i.List, i.File, i.Operation, i.By, i.State, fmt.Sprint(i.Refused), fmt.Sprint(i.Entries), i.Why)
			})
		})
}

func (p *program) listReportCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "report IMPORT", Short: "Show what became of a file, line by line", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
			id, err := number(args[0])
			if err != nil {
				return err
			}
			i, err := d.ListImport(ctx, id)
			if err != nil {
				return err
			}
			if i.State == "refused" { // it was shown all the same
				i.State = "refused, the list stays as it was"
			}
			return p.sayImport(&i)
		})
}

func (p *program) listDecideCommand(use, short string, approve bool) *cobra.Command {
	c := &cobra.Command{Use: use + " IMPORT", Short: short, Args: cobra.ExactArgs(1)}
	why := reason(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		id, err := number(args[0])
		if err != nil {
			return err
		}
		if err := d.DecideImport(ctx, id, approve, *why); err != nil {
			return err
		}
		return p.Say(map[string]any{"import": id, "approved": approve}, "Import %d: done (%s).\n", id, use)
	})
}

func (p *program) listHitsCommand() *cobra.Command {
	c := &cobra.Command{Use: "hits [NAME]", Short: "Show the newest hit alarms, of a list or of all, for a reason", Args: cobra.MaximumNArgs(1)}
	why := reason(c)
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, settings *collector.Config, args []string) error {
		hits, err := d.ListHits(ctx, strings.Join(args, ""), *why)
		if err != nil {
			return err
		}
		return table(p, hits, "RECORD\tCAPTURED\tVRM\tLIST\tENTRY\tREFERENCE\tPRIORITY\tREASON\tDEVICE\tCAMERA\tFOUND BY\tACKNOWLEDGED\tNOTE", func(h collector.ListHit) string {
			seen := h.AcknowledgedBy
			if seen != "" {
				seen += " " + settings.Moment(h.Acknowledged)
			}
			return row(h.Record, settings.Moment(&h.Captured), h.VRM, h.List, h.Entry, h.Reference, h.Priority, h.Reason, h.Device, h.Camera, h.FoundBy, seen, h.Note)
		})
	})
}

func (p *program) listAcknowledgeCommand() *cobra.Command {
	var s collector.SeenHit
	c := &cobra.Command{
		Use: "acknowledge RECORD LIST ENTRY", Short: "Note that you have seen a hit", Args: cobra.ExactArgs(3),
		Long: `Note that you have seen a hit, as list hits shows it: its record, list and the
number plate of the entry. Whoever was first stays.`,
		Example: `  central list acknowledge car-7/6a09e667f3bcc908/12 burglars AB12CDE --note "patrol sent"`,
	}
	c.Flags().StringVar(&s.Reference, "reference", "", "the entry's, where it has one")
	c.Flags().StringVar(&s.Note, "note", "", "what there is to say about it")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, settings *collector.Config, args []string) error {
		s.Record, s.List, s.Entry = args[0], args[1], args[2]
		hit, err := d.AcknowledgeHit(ctx, s)
		if err != nil {
			return err
		}
		return p.Say(hit, "The hit is acknowledged by %s, %s.\n", hit.AcknowledgedBy, settings.Moment(hit.Acknowledged))
	})
}

func (p *program) listShareCommand() *cobra.Command {
	var a collector.ListAgency
	c := &cobra.Command{
		Use: "share NAME", Short: "Name another law enforcement agency that exports of a local list may go to", Args: cobra.ExactArgs(1),
		Example: `  central list share burglars --to "Example Constabulary" --purpose "joint operation Foo" --until 2027-01-31`,
	}
	c.Flags().StringVar(&a.Name, "to", "", "the agency; never a national one")
	c.Flags().StringVar(&a.Purpose, "purpose", "", "what they need it for")
	until := c.Flags().String("until", "", "the last `DAY` on which an export may go there, a year from now at the most")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) (err error) {
		a.List = args[0]
		if a.Until, err = day(*until); err != nil {
			return err
		}
		if err := d.ShareList(ctx, a); err != nil {
			return err
		}
		return p.Say(a, "Exports of %s may go to %s until %s.\n", a.List, a.Name, *until)
	})
}

func (p *program) listUnshareCommand() *cobra.Command {
	c := &cobra.Command{Use: "unshare NAME", Short: "End that exports of a local list go to an agency", Args: cobra.ExactArgs(1)}
	why := reason(c)
	to := c.Flags().String("to", "", "the agency")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		if err := d.UnshareList(ctx, args[0], *to, *why); err != nil {
			return err
		}
		return p.Say(map[string]string{"list": args[0], "to": *to}, "Exports of %s go to %s no more.\n", args[0], *to)
	})
}
