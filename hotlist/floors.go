package hotlist

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nrd/internal/sealed"
)

// floorsFile holds, sealed, when the newest version of each list was issued that
// was ever in force: also of those that have since been set aside.
const floorsFile = "floors"

// floors are times of issue by the hidden names of lists.
type floors map[string]time.Time

// readFloors gives none where the file is not there. One that is damaged is taken
// for none too, and said: the lists in force have their own.
func (c *Cache) readFloors() (floors, error) {
	f := floors{}
	box, err := os.ReadFile(filepath.Join(c.config.Path, floorsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := c.key.Open(box, []byte(floorsFile))
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err != nil {
		c.config.Log.Error("when the newest lists were issued cannot be read", "file", floorsFile, "error", err)
		return floors{}, nil
	}
	return f, nil
}

// setFloor keeps a list's floor; the zero time takes it away.
func (c *Cache) setFloor(list string, issued time.Time) error {
	f, err := c.readFloors()
	if err != nil {
		return err
	}
	name := hiddenName(c.key, list)
	if f[name].Equal(issued) {
		return nil
	}
	f[name] = issued
	if issued.IsZero() {
		delete(f, name)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return sealed.WriteFile(filepath.Join(c.config.Path, floorsFile), c.key.Seal(text, []byte(floorsFile)), 0o600)
}

// checkFloor refuses a file issued before the list's floor. A floor that lies in
// the future of a proved clock was set by a wrong one, and counts for nothing.
func (c *Cache) checkFloor(list string, issued time.Time) error {
	f, err := c.readFloors()
	if err != nil {
		return err
	}
	floor := f[hiddenName(c.key, list)]
	c.mu.RLock()
	if l := c.lists[list]; l != nil && l.version().Issued.After(floor) {
		floor = l.version().Issued
	}
	c.mu.RUnlock()
	if now := c.config.Clock.Stamp(); now.Proved && floor.After(now.True()) {
		return nil
	}
	if issued.Before(floor) {
		return fmt.Errorf("%w: it is of %s, the list of %s", ErrOlder, issued.Format(time.RFC3339), floor.Format(time.RFC3339))
	}
	return nil
}
