package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// edit is a change that the build of a fault run makes to a source file of the
// programs. The file itself stays as it is: the change is laid over it with
// go build -overlay, so nothing of it can be in a shipped program.
type edit struct {
	file string
	// at is text that the file has exactly once; put takes its place. Where the
	// file has changed so that it has it no more, the build says so.
	at, put string
}

// before puts a statement in front of the line that begins with at.
func before(file, at, statement string) edit { return edit{file, at, statement + "; " + at} }

// crash is a named place where a program can be made to kill itself.
func crash(file, at, name string) edit {
	return before(file, at, fmt.Sprintf("plant.Crash(%q)", name))
}

// seams are what makes a program one of a fault run: the harness's clock and
// records, and less patience, so that a run sees in minutes what takes hours.
var seams = []edit{
	{"internal/clock/clock.go", "r.ahead, r.synchronised = ntpState()",
		"r.ahead, r.synchronised = ntpState(); r.ahead = 0; r.wall, r.monotonic, r.synchronised = plant.Clock(r.wall, r.monotonic)"},
	{"internal/agent/watch.go", "rec, err := w.recogniser()\n", `if true {
		return generate.Camera(ctx, w.agent.Clock, w.agent.record, func() int {
			s := w.agent.stats()
			return s.Records + s.Images + s.Events
		})
	}
	rec, err := w.recogniser()
`},
	{"internal/agent/config.go", "if c.Buffer.MaxBytes < 10e6 {", "if c.Buffer.MaxBytes < 1<<20 {"},
	{"uplink/database.go", "segmentMost  = 4 << 20", "segmentMost  = 256 << 10"},
	{"uplink/compact.go", "compactFrom = 16 << 20", "compactFrom = 256 << 10"},
	{"uplink/client.go", "tick: time.Second, status: time.Minute, receipt: time.Minute,\n\tretry: time.Second, most: time.Minute, steady: 2 * time.Minute,",
		"tick: 100 * time.Millisecond, status: 2 * time.Second, receipt: 5 * time.Second,\n\tretry: 50 * time.Millisecond, most: time.Second, steady: 10 * time.Second,"},
	{"internal/link/link.go", "connectTimeout = 30 * time.Second", "connectTimeout = 4 * time.Second"},
	{"internal/link/link.go", "writeTimeout   = 15 * time.Second", "writeTimeout   = 4 * time.Second"},
	{"internal/link/link.go", "keepAlive      = 30 * time.Second", "keepAlive      = 2 * time.Second"},
	{"internal/link/link.go", "pingTimeout    = 15 * time.Second", "pingTimeout    = 3 * time.Second"},
	before("uplink/quota.go", "w.tally.drop(id)\n", `plant.Say("dropped " + w.keyOf(id).String() + " " + kinds[id.part])`),
	before("collector/ingest/ingest.go", "in.Log.Info(\"devices can come in\"", "plant.Say(\"up\")"),
	{"collector/ingest/commit.go", "err = c.way.publish(topic, payload)",
		"err = plant.Publish(c.way.publish, topic, payload); plant.Crash(\"central: an answer is published\")"},
}

// crashPoints are the places where a program can be made to kill itself.
var crashPoints = []edit{
	crash("uplink/journal.go", "_, err := j.file.WriteAt(frame, j.end)", "unit: append, before the journal is written"),
	crash("uplink/journal.go", "err = unix.Fdatasync(int(j.file.Fd()))", "unit: append, before the journal is on stable storage"),
	crash("uplink/journal.go", "j.end += int64(len(frame))", "unit: append, on stable storage but not returned"),
	crash("uplink/segments.go", "seg := &segment{number: number, file: file}", "unit: an image file is begun"),
	crash("uplink/segments.go", "mode = os.O_RDWR", "unit: an image file's room is used again"),
	crash("uplink/segments.go", "err = errors.Join(err, seg.file.Close())", "unit: an image file is full"),
	crash("uplink/segments.go", "delete(s.files, number)\n", "unit: an image file is removed"),
	crash("uplink/database.go", "if err := b.tx.Commit(); err != nil {", "unit: checkpoint, before the commit"),
	crash("uplink/database.go", "b.journal.begin(next)", "unit: checkpoint, before the journal begins anew"),
	crash("uplink/compact.go", "old := b.db", "unit: compaction, before the new file takes its name"),
	crash("uplink/compact.go", "if err := errors.Join(old.Close(), sealed.SyncDir(b.dir)); err != nil {", "unit: compaction, after it has taken its name"),
	crash("uplink/receipt.go", "if err := s.Buffer.ask(&request{removes: r.removes, buries: r.buries}); err != nil {", "unit: receipts, before they are acted on"),
	crash("uplink/receipt.go", "for _, id := range r.removes {", "unit: receipts, after they are acted on"),
	crash("uplink/salvage.go", "if err := os.Rename(b.compactPath(), b.databasePath()); err != nil {", "unit: a damaged database is set aside"),
	crash("collector/ingest/commit.go", "for device, to := range a {", "central: committed, nothing is answered"),
	crash("collector/store/sqlite/batch.go", "for _, name := range slices.Sorted(maps.Keys(b.days)) {", "central: commit, before the first day"),
	crash("collector/store/sqlite/batch.go", "t := d.total\n", "central: commit, the images are on stable storage"),
	crash("collector/store/sqlite/batch.go", "d.tx = nil\n\td.mu.Lock()", "central: commit, after a day"),
	crash("collector/store/sqlite/batch.go", "if _, err := tx.Exec(`DELETE FROM waiting", "central: images that waited are joined"),
	crash("collector/store/sqlite/days.go", "opened, err := openDay(d.folder(name), name, key)", "central: a day is opened or begun"),
	crash("collector/store/sqlite/day.go", "d.db, err = openDatabase(", "central: a day's folder is there"),
	crash("collector/store/sqlite/quarantine.go", "byDay := map[string][]int64{}", "central: released, the copy is still quarantined"),
}

// names gives the crash points of a program, "unit" or "central".
func names(program string) []string {
	var all []string
	for _, e := range append(seams[len(seams)-1:], crashPoints...) {
		_, rest, _ := strings.Cut(e.put, `plant.Crash("`)
		name, _, _ := strings.Cut(rest, `"`)
		if strings.HasPrefix(name, program+": ") {
			all = append(all, name)
		}
	}
	return all
}

// edits are all of them, in the order in which they are made.
func edits() []edit { return slices.Concat(seams, crashPoints, bugEdits()) }

const plantPackage = "nrd/internal/faults/plant"

// overlay writes the changed sources to a folder, and the file for -overlay.
func overlay(root, to string, edits []edit) (string, error) {
	texts := map[string]string{}
	var errs []error
	for _, e := range edits {
		text, ok := texts[e.file]
		if !ok {
			source, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return "", err
			}
			text = string(source)
		}
		if n := strings.Count(text, e.at); n != 1 {
			errs = append(errs, fmt.Errorf("%s has %d times, and not once, the text that internal/faults puts something in the place of: %q", e.file, n, e.at))
			continue
		}
		texts[e.file] = strings.Replace(text, e.at, e.put, 1)
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range texts {
		path := filepath.Join(to, strings.ReplaceAll(file, "/", "-"))
		replace[filepath.Join(root, file)] = path
		if err := os.WriteFile(path, []byte(withImports(text)), 0o600); err != nil {
			return "", err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(to, "overlay.json")
	return path, os.WriteFile(path, data, 0o600)
}

// withImports adds the imports of what was put in.
func withImports(text string) string {
	for name, path := range map[string]string{"plant": plantPackage, "generate": "nrd/internal/faults/generate"} {
		if strings.Contains(text, name+".") {
			line, rest, _ := strings.Cut(text[strings.Index(text, "\npackage ")+1:], "\n")
			text = text[:strings.Index(text, "\npackage ")+1] + line + fmt.Sprintf("; import %q\n", path) + rest
		}
	}
	return text
}

// programs are the paths of what was built,
// and root the folder of the sources.
type programs struct{ agent, central, root string }

// build makes the programs of a fault run.
func build(ctx context.Context, dir string) (programs, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return programs{}, fmt.Errorf("the harness builds the programs, and must run in the module's folder: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "overlay"), 0o700); err != nil {
		return programs{}, err
	}
	p := programs{agent: filepath.Join(dir, "nrd-agent"), central: filepath.Join(dir, "central"), root: strings.TrimSpace(string(root))}
	laid, err := overlay(p.root, filepath.Join(dir, "overlay"), edits())
	if err != nil {
		return programs{}, err
	}
	if _, err := os.Stat(p.central); err == nil {
		return p, nil
	}
	for path, cgo := range map[string]string{p.agent: "CGO_ENABLED=1", p.central: "CGO_ENABLED=0"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-overlay", laid, "-o", path, "nrd/cmd/"+filepath.Base(path))
		cmd.Env = append(os.Environ(), cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return programs{}, fmt.Errorf("building %s: %w\n%s", filepath.Base(path), err, out)
		}
	}
	return p, nil
}
