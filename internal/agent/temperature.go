package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// thermalZones are where Linux gives the temperatures of a board, in thousandths
// of a degree Celsius.
const thermalZones = "/sys/class/thermal/thermal_zone*/temp"

// temperature is that of the hottest zone in degrees Celsius, nil where none can
// be read.
func temperature(zones string) *float64 {
	files, err := filepath.Glob(zones)
	if err != nil {
		return nil
	}
	var hottest *float64
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a zone whose sensor is off says so this way
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
		if degrees := float64(n) / 1000; err == nil && (hottest == nil || degrees > *hottest) {
			hottest = &degrees
		}
	}
	return hottest
}
