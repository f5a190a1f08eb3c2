package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"nrd/collector"
)

func (p *program) userCommand() *cobra.Command {
	group := &cobra.Command{Use: "user", Short: "Add, list and remove accounts"}
	group.AddCommand(p.userAddCommand(), p.userListCommand(), p.userRemoveCommand())
	return group
}

func (p *program) userAddCommand() *cobra.Command {
	var u collector.NewUser
	var generate bool
	c := &cobra.Command{
		Use: "add NAME", Short: "Make an account for one person", Args: cobra.ExactArgs(1),
		Long: `Make an account for one person; there are no shared accounts. The password is
asked for, or read from the first line of standard input, or made up and printed
once with --generate. The first account of a site must be an anpr-manager's.

Roles: ` + strings.Join(collector.Roles(), ", "),
		Example: `  central user add jane.doe --full-name "Jane Doe" --role anpr-manager --authoriser "Supt Gray" --generate`,
	}
	c.Flags().StringVar(&u.FullName, "full-name", "", "the person's name")
	c.Flags().StringVar(&u.Role, "role", "", "what the person's duty is: "+strings.Join(collector.Roles(), ", "))
	c.Flags().StringVar(&u.Authoriser, "authoriser", "", "who agreed to the access")
	c.Flags().BoolVar(&generate, "generate", false, "make up a password and print it once")
	return p.needsDesk(c, func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
		u.Name = args[0]
		var err error
		if u.Password, err = p.password(generate); err != nil {
			return err
		}
		if err := d.AddUser(ctx, u); err != nil {
			return err
		}
		if generate {
			return p.Say(map[string]string{"user": u.Name, "role": u.Role, "password": u.Password}, "%s is added as %s. Password, shown only now: %s\n", u.Name, u.Role, u.Password)
		}
		return p.Say(map[string]string{"user": u.Name, "role": u.Role}, "%s is added as %s.\n", u.Name, u.Role)
	})
}

// password makes one up, asks for it twice on a terminal, or reads a line.
func (p *program) password(generate bool) (string, error) {
	if generate {
		text := strings.ToLower(rand.Text()[:20]) // 100 bits
		return text[:5] + "-" + text[5:10] + "-" + text[10:15] + "-" + text[15:], nil
	}
	if f, ok := p.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return p.askPassword(int(f.Fd()))
	}
	line, err := bufio.NewReader(p.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func (p *program) askPassword(terminal int) (string, error) {
	var typed [2]string
	for i, question := range []string{"Password: ", "Again: "} {
		if _, err := fmt.Fprint(p.Err, question); err != nil {
			return "", err
		}
		text, err := term.ReadPassword(terminal)
		if err != nil {
			return "", err
		}
		if _, err := fmt.Fprintln(p.Err); err != nil {
			return "", err
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", fmt.Errorf("%w: the two passwords differ", collector.ErrInvalid)
	}
	return typed[0], nil
}

func (p *program) userListCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "list", Short: "List all accounts, the removed ones too"},
		func(ctx context.Context, d *collector.Desk, c *collector.Config, _ []string) error {
			users, err := d.Users(ctx)
			if err != nil {
				return err
			}
			return table(p, users, "NAME\tFULL NAME\tROLE\tAUTHORISER\tREVIEW\tREMOVED", func(u collector.User) string {
				return row(u.Name, u.FullName, u.Role, u.Authoriser, c.Day(&u.Review), c.Day(u.Removed))
			})
		})
}

func (p *program) userRemoveCommand() *cobra.Command {
	return p.needsDesk(&cobra.Command{Use: "remove NAME", Short: "Take away an account's access at once", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, d *collector.Desk, _ *collector.Config, args []string) error {
			if err := d.RemoveUser(ctx, args[0]); err != nil {
				return err
			}
			return p.Say(map[string]string{"removed": args[0]}, "%s is removed.\n", args[0])
		})
}

// table prints a list: JSON, a line each, or columns for people.
func table[T any](p *program, items []T, head string, columns func(T) string) error {
	if p.JSON {
		lines := json.NewEncoder(p.Out)
		for _, item := range items {
			if err := lines.Encode(item); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	_, err := fmt.Fprintln(w, head)
	for _, item := range items {
		_, e := fmt.Fprintln(w, columns(item))
		err = errors.Join(err, e)
	}
	return errors.Join(err, w.Flush())
}

// row joins columns; a tab or a line break inside one would break the table.
func row(columns ...string) string {
	clean := strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")
	for i := range columns {
		if columns[i] = clean.Replace(columns[i]); columns[i] == "" {
			columns[i] = "-"
		}
	}
	return strings.Join(columns, "\t")
}
