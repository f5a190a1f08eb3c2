package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"nrd"
	"nrd/hotlist/voi"
	"nrd/internal/clock"
	"nrd/internal/faults/generate"
	"nrd/internal/faults/plant"
	"nrd/internal/identity"
	"nrd/internal/sealed"
)

const (
	device = "unit-1"
	// cameras append at the same time.
	cameras = 3
	// usualQuota is more than a unit makes in a plan.
	usualQuota = "1GB"
)

// world is a site with one unit, as processes.
type world struct {
	dir      string
	programs programs
	seed     uint64
	bug      string
	plan     plan
	books    *books
	tally    *tally

	// broker is nil where the unit's link leads to central's own.
	unit, central, broker       *program
	unitControl, centralControl *plant.Control
	unitDisk, centralDisk       *disk
	network                     *network
	// port is where devices come in, behind the network.
	port int

	// flipped is how many bytes of the buffer were corrupted.
	flipped int

	mu    sync.Mutex
	wrong []string
}

// newWorld makes the site in a folder, with central and the unit ready to start.
func newWorld(ctx context.Context, dir string, p programs, seed uint64, bug string, plan plan, t *tally) (_ *world, err error) {
	w := &world{dir: dir, programs: p, seed: seed, bug: bug, plan: plan, books: newBooks(), tally: t}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if w.unitControl, err = plant.OpenControl(filepath.Join(dir, "unit.control")); err != nil {
		return nil, err
	}
	if w.centralControl, err = plant.OpenControl(filepath.Join(dir, "central.control")); err != nil {
		return nil, err
	}
	if w.port, err = freePort(ctx); err != nil {
		return nil, err
	}
	if err := w.makeSite(ctx); err != nil {
		return nil, err
	}
	if plan.broker {
		if err := w.makeBroker(ctx); err != nil {
			return nil, err
		}
	}
	if w.network, err = openNetwork(w.port); err != nil {
		return nil, err
	}
	if err := w.makeUnit(); err != nil {
		return nil, err
	}
	if w.unitDisk, err = mountDisk(plan.unitDisk, w.buffer()); err != nil {
		return nil, err
	}
	if w.centralDisk, err = mountDisk(plan.centralDisk, filepath.Join(w.site(), "data", "store")); err != nil {
		return nil, errors.Join(err, w.unitDisk.unmount())
	}
	starts := 0
	w.central = &program{name: "central", line: func(string) {}, command: func() (*exec.Cmd, error) {
		starts++
		cmd := w.command(p.central, "central", "serve", "-c", filepath.Join(w.site(), "central.toml"))
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d %d", plant.EnvSeed, w.seed, starts))
		return cmd, nil
	}}
	w.unit = &program{name: "unit", line: w.books.line, command: func() (*exec.Cmd, error) {
		cmd := w.command(p.agent, "unit", "run", "--json", "-c", filepath.Join(w.unitDir(), "nrd-agent.toml"))
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d %d", generate.EnvRecords, w.seed, w.books.next()))
		return cmd, nil
	}}
	for _, p := range w.all() {
		if p.log, err = os.OpenFile(filepath.Join(dir, p.name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// all are the programs, in the order in which they end.
func (w *world) all() []*program {
	if w.broker == nil {
		return []*program{w.unit, w.central}
	}
	return []*program{w.unit, w.central, w.broker}
}

func (w *world) site() string    { return filepath.Join(w.dir, "site") }
func (w *world) buffer() string  { return filepath.Join(w.unitDir(), "data", "buffer") }
func (w *world) unitDir() string { return filepath.Join(w.site(), "devices", device) }

// command runs one of the programs with its control and the planted bug.
func (w *world) command(path, control string, args ...string) *exec.Cmd {
	cmd := exec.Command(path, args...) //nolint:noctx // the plan ends it
	cmd.Env = append(os.Environ(), plant.EnvControl+"="+filepath.Join(w.dir, control+".control"), plant.EnvBug+"="+w.bug)
	return cmd
}

// do runs central's command line.
func (w *world) do(ctx context.Context, input string, args ...string) error {
	cmd := exec.CommandContext(ctx, w.programs.central, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("central %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// makeSite makes the site as a force would, by central's command line.
func (w *world) makeSite(ctx context.Context) error {
	config := filepath.Join(w.site(), "central.toml")
	for _, args := range [][]string{
		{"site", "init", w.site(), "--host", "127.0.0.1", "--listen-devices", fmt.Sprintf("127.0.0.1:%d", w.port),
			"--listen-page", "127.0.0.1:0", "--listen-fleet", "127.0.0.1:0", "--listen-lists", "127.0.0.1:0"},
		{"user", "add", "harness", "-c", config, "--full-name", "The Harness", "--role", "anpr-manager", "--authoriser", "the fault run", "--generate"},
		{"device", "approve", device, "-c", config, "--account", "harness", "--by", "the fault run", "--reference", "none"},
	} {
		if err := w.do(ctx, "", args...); err != nil {
			return err
		}
	}
	return nil
}

// makeUnit writes the unit's identity, key, list and configuration.
func (w *world) makeUnit() error {
	dir := w.unitDir()
	site, err := identity.OpenSite(w.site(), clock.System())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := site.IssueDevice(dir, device); err != nil {
		return err
	}
	if _, err := sealed.CreateKey(filepath.Join(dir, "storage.key")); err != nil {
		return err
	}
	if err := writeList(filepath.Join(dir, "list.dat")); err != nil {
		return err
	}
	var blocks strings.Builder
	for n := range cameras {
		fmt.Fprintf(&blocks, "[[camera]]\nfootage = \"rtsp://127.0.0.1:1/%d\"\nname = \"camera %d\"\n", n, n)
	}
	config := fmt.Sprintf(`device = %q
controller = "Fault Constabulary"
data = "data"
key = "storage.key"
%s[[list]]
name = "wanted"
file = "list.dat"
[central]
broker = "tls://%s"
ca = "../../ca.pem"
certificate = "unit-1.pem"
key = "unit-1.key"
[buffer]
max_bytes = %q
`, device, blocks.String(), w.network.address(), cmp.Or(w.plan.quota, usualQuota))
	return os.WriteFile(filepath.Join(dir, "nrd-agent.toml"), []byte(config), 0o600)
}

// writeList writes the list of the marks that are wanted.
func writeList(path string) error {
	var list bytes.Buffer
	if err := voi.Write(&list, func(yield func(nrd.Entry) bool) {
		for n := range generate.Wanted {
			e := nrd.Entry{VRM: generate.WantedMark(n), Priority: nrd.PriorityHigh, Action: "High", Reason: fmt.Sprintf("wanted %d", n)}
			if !yield(e) {
				return
			}
		}
	}); err != nil {
		return err
	}
	return os.WriteFile(path, list.Bytes(), 0o600)
}

func freePort(ctx context.Context) (int, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close() //nolint:errcheck // the port is known
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("the listener has no TCP address")
	}
	return address.Port, nil
}

func (w *world) complain(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

// wrongs are the complaints so far, the same one once.
func (w *world) wrongs() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.books.mu.Lock()
	defer w.books.mu.Unlock()
	all := slices.Concat(w.wrong, w.books.wrong)
	slices.SortStableFunc(all, cmp.Compare)
	return slices.Compact(all)
}
