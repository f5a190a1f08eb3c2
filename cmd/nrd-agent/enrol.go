package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"nrd/internal/clock"
	"nrd/internal/commandline"
	"nrd/internal/identity"
	"nrd/internal/machinekey"
	"nrd/internal/sealed"
)

// enrolment is what the flags of enrol say.
type enrolment struct{ central, token, dir, key string }

func (p *program) enrolCommand() *cobra.Command {
	var e enrolment
	c := &cobra.Command{
		Use: "enrol", Short: "Turn a token of central's into this unit's identity", Args: cobra.NoArgs,
		Long: `Turn a token that 'central device enrol' printed into this unit's identity. The
private key is made here and never leaves the unit; it is sealed under the storage
key, which is made too if it is not there. Central is trusted by the token alone.
The lines for the configuration file are printed.`,
		Example: "  nrd-agent enrol --central https://central.example.police.uk:8444 --token roadside-0001.x2Qm...",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if e.token == "" {
				line, err := bufio.NewReader(p.In).ReadString('\n')
				if err != nil && !errors.Is(err, io.EOF) {
					return commandline.Fail(commandline.Failed, err)
				}
				e.token = line
			}
			token, err := identity.ParseToken(e.token)
			if err != nil {
				return commandline.Fail(commandline.WrongUsage, err)
			}
			storage, err := storageKey(e.key)
			if err == nil {
				err = identity.Enrol(cmd.Context(), e.central, token, e.dir, storage, clock.System())
			}
			if err == nil {
				err = giveAway(e.dir)
			}
			if err != nil {
				return commandline.Fail(commandline.Failed, err)
			}
			return p.enrolled(e, token.Device)
		},
	}
	c.Flags().StringVar(&e.central, "central", "", "central's `ADDRESS` for devices, as https://host:8444")
	c.Flags().StringVar(&e.token, "token", "", "the token; left out, it is read from standard input")
	c.Flags().StringVar(&e.dir, "dir", "/var/lib/nrd-agent/identity", "folder for the identity")
	c.Flags().StringVar(&e.key, "key", "/etc/nrd-agent/storage.key", "file with the unit's storage key")
	return c
}

// storageKey reads the unit's storage key, or makes it.
func storageKey(file string) (*sealed.Key, error) {
	key, err := machinekey.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		return sealed.CreateKey(file)
	}
	return key, err
}

// giveAway gives what root has made to the owner of the folder around it, whom the
// service runs as.
func giveAway(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	})
}

func (p *program) enrolled(e enrolment, device string) error {
	central, err := url.Parse(e.central)
	if err != nil {
		return commandline.Fail(commandline.Failed, err)
	}
	broker := "tls://" + net.JoinHostPort(central.Hostname(), "8883")
	ca, certificate := filepath.Join(e.dir, identity.CAFile), filepath.Join(e.dir, identity.DeviceFile)
	https := strings.TrimSuffix(e.central, "/")
	lists := "https://" + net.JoinHostPort(central.Hostname(), "8445")
	said := map[string]string{"lists": lists, "device": device, "broker": broker, "https": https, "ca": ca, "certificate": certificate, "key": e.key}
	return p.Say(said, `# %[1]s is enrolled. These lines belong into its configuration:
device = %[1]q
key = %[2]q
[central]
broker = %[3]q
https = %[4]q
ca = %[5]q
certificate = %[6]q
[lists]
address = %[7]q
`, device, e.key, broker, https, ca, certificate, lists)
}
