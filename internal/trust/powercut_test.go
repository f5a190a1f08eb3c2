package trust

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"nrd/internal/powercut"
	"nrd/internal/sealed"
)

func cutKey() (*sealed.Key, error) { return sealed.ParseKey(bytes.Repeat([]byte{1}, 32)) }

// TestPowerCutProgram is the program under test: versions are seen, one above the
// other.
func TestPowerCutProgram(t *testing.T) {
	disk := powercut.Dir()
	if disk == "" {
		return
	}
	key, err := cutKey()
	must(t, err)
	f, _, err := openFloors(filepath.Join(disk, "floors"), key, noon)
	must(t, err)
	for version := int64(1); version <= 3; version++ {
		must(t, f.raise(map[string]floor{"timestamp": {Version: version}, "snapshot": {Version: version}}))
		must(t, powercut.Promise(disk, fmt.Sprint(version)))
	}
}

func TestAfterAPowerCutAtAnyStepNoVersionThatWasSeenIsForgotten(t *testing.T) {
	for _, wrong := range powercut.Watch(t, "TestPowerCutProgram").Check(t, 60, func(disk string, promises []string) error {
		key, err := cutKey()
		if err != nil {
			return err
		}
		f, aside, err := openFloors(filepath.Join(disk, "floors"), key, noon)
		if err != nil {
			return err
		}
		seen := f.seen["timestamp"].Version
		if aside != "" || seen < int64(len(promises)) || f.seen["snapshot"].Version != seen {
			return fmt.Errorf("seen is %+v, and %d was promised (set aside: %q)", f.seen, len(promises), aside)
		}
		return nil
	}) {
		t.Error(wrong)
	}
}
