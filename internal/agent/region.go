package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"github.com/pelletier/go-toml/v2"

	"nrd/internal/config"
	"nrd/internal/sealed"
	"nrd/recognise"
	"nrd/recognise/aim"
)

// errLayout says that a configuration file is written in a way in which a line
// cannot be changed with certainty.
var errLayout = errors.New("the configuration file is not laid out so that one line of it can be changed safely")

// saveRegion sets the region of a camera in the configuration file, in one step,
// and leaves every other line, comments too, as it is. The whole picture takes the
// setting away.
func saveRegion(file string, camera int, r recognise.Region) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := withRegion(old, camera, r)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	// The file must still say what it said, and be a configuration.
	changed := defaults()
	changed.file = file
	if err := config.Parse(file, text, changed); err != nil {
		return err
	}
	changed.resolve()
	if err := errors.Join(changed.check(), onlyRegion(old, text, camera, r)); err != nil {
		return err
	}
	return replace(file, text)
}

// replace writes a file anew with the owner and the rights that it had.
func replace(file string, text []byte) error {
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	if err := sealed.WriteFile(file, text, info.Mode().Perm()); err != nil {
		return err
	}
	had, ok := info.Sys().(*syscall.Stat_t)
	now, err := os.Stat(file)
	if err != nil || !ok {
		return err
	}
	if has, ok := now.Sys().(*syscall.Stat_t); ok && (has.Uid != had.Uid || has.Gid != had.Gid) {
		err = os.Chown(file, int(had.Uid), int(had.Gid))
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("it was saved, but its owner changed: %w", err)
	}
	return err
}

var (
	cameraHeader = regexp.MustCompile(`^\s*\[\[\s*camera\s*\]\]\s*(#.*)?$`)
	anyHeader    = regexp.MustCompile(`^\s*\[\[?[A-Za-z0-9_."' -]+\]\]?\s*(#.*)?$`)
	regionLine   = regexp.MustCompile(`^(\s*)region\s*=\s*\[[^\]#]*\](\s*(#.*)?)$`)
	regionBegins = regexp.MustCompile(`^\s*region\s*=`)
	regionSample = regexp.MustCompile(`^\s*#\s*region\s*=`)
	setting      = regexp.MustCompile(`^\s*[A-Za-z0-9_-]+\s*=`)
)

// withRegion gives the text with the region of its camera set.
func withRegion(text []byte, camera int, r recognise.Region) ([]byte, error) {
	if bytes.Contains(text, []byte(`"""`)) || bytes.Contains(text, []byte(`'''`)) {
		return nil, errLayout
	}
	end := "\n"
	if bytes.Contains(text, []byte("\r\n")) {
		end = "\r\n"
	}
	lines := strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n")
	from, to, err := cameraLines(lines, camera)
	if err != nil {
		return nil, err
	}
	at := from // the line after which the setting goes
	for i := from + 1; i < to; i++ {
		switch m := regionLine.FindStringSubmatch(lines[i]); {
		case m != nil && r == recognise.Region{}:
			lines = slices.Delete(lines, i, i+1)
			return []byte(strings.Join(lines, end)), nil
		case m != nil:
			lines[i] = m[1] + aim.Line(r) + m[2]
			return []byte(strings.Join(lines, end)), nil
		case regionBegins.MatchString(lines[i]):
			return nil, errLayout
		case regionSample.MatchString(lines[i]):
			at = i
		case setting.MatchString(lines[i]) && !regionSample.MatchString(lines[at]):
			at = i
		}
	}
	if r != (recognise.Region{}) {
		lines = slices.Insert(lines, at+1, aim.Line(r))
	}
	return []byte(strings.Join(lines, end)), nil
}

// cameraLines gives the line of a camera's header and that after its last.
func cameraLines(lines []string, camera int) (from, to int, err error) {
	from = -1
	for i, line := range lines {
		switch {
		case from >= 0 && anyHeader.MatchString(line):
			return from, i, nil
		case cameraHeader.MatchString(line):
			if camera == 0 {
				from = i
			}
			camera--
		}
	}
	if from < 0 {
		return 0, 0, errLayout
	}
	return from, len(lines), nil
}

// onlyRegion makes sure that nothing else than the region of the camera changed,
// and that it is what was asked for.
func onlyRegion(old, text []byte, camera int, r recognise.Region) error {
	var before, after map[string]any
	if err := errors.Join(toml.Unmarshal(old, &before), toml.Unmarshal(text, &after)); err != nil {
		return err
	}
	is, err := takeRegion(after, camera)
	if err != nil {
		return err
	}
	if _, err := takeRegion(before, camera); err != nil {
		return err
	}
	var got struct {
		Camera []struct {
			Region recognise.Region `toml:"region"`
		} `toml:"camera"`
	}
	if err := toml.Unmarshal(text, &got); err != nil {
		return err
	}
	if !reflect.DeepEqual(before, after) || is != (r != recognise.Region{}) || aim.Line(got.Camera[camera].Region) != aim.Line(r) {
		return errLayout
	}
	return nil
}

// takeRegion takes the region out of a camera's settings, and says whether there
// was one.
func takeRegion(settings map[string]any, camera int) (bool, error) {
	cameras, ok := settings["camera"].([]any)
	if !ok || camera >= len(cameras) {
		return false, errLayout
	}
	one, ok := cameras[camera].(map[string]any)
	if !ok {
		return false, errLayout
	}
	_, there := one["region"]
	delete(one, "region")
	return there, nil
}
