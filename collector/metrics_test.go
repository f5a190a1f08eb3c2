package collector

import (
	"os"
	"strings"
	"testing"

	"nrd/internal/metrics"
)

func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "| `nrd_central_") {
			rows.WriteString(line)
		}
	}
	if want := metrics.Table(definitions); rows.String() != want {
		t.Errorf("docs/metrics.md lists\n%s\ncentral has\n%s", rows.String(), want)
	}
}
