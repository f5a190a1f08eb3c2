package agent

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"nrd/collector"
	"nrd/internal/clock"
)

// journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// detail is the log of a program as its --verbose makes it, or without it.
func detail(j *journal, level slog.Level) slog.Handler {
	return slog.NewTextHandler(j, &slog.HandlerOptions{Level: level})
}

func TestNeitherProgramsLogHoldsAMarkUnlessDetailsAreAskedFor(t *testing.T) {
	for level, wanted := range map[slog.Level]bool{slog.LevelInfo: false, slog.LevelDebug: true} {
		t.Run(level.String(), func(t *testing.T) {
			s := newSite(t)
			s.stop()
			var unit, central journal
			s.log = detail(&central, level)
			s.start()
			c := s.unit()
			marks := truth(t)
			// A hit, an entry of a date that is none, and one for every other mark.
			lines := []string{entry(marks[0], "High", "1"), strings.Replace(entry(marks[1], "Low", "2"), "2039-12-31", "31.12.39", 1)}
			for _, m := range marks[2:] {
				lines = append(lines, entry(m, "Low", "R-"+m[:1]))
			}
			list(t, c, lines...)
			a := &Agent{Config: c, Clock: clock.System(), Log: slog.New(detail(&unit, level)), Software: "test"}
			summary, err := a.Run(within(t, 2*time.Minute))
			must(t, err)
			s.desk(func(ctx context.Context, d *collector.Desk) {
				for _, m := range marks[:2] {
					_, err := d.Search(ctx, collector.Enquiry{VRM: m, Reason: "a test of the log", Limit: 10})
					must(t, err)
				}
			})
			s.stop()
			if summary.Stored == 0 || summary.Hits == 0 || !strings.Contains(unit.String(), "hit") || !strings.Contains(central.String(), "a device has come") {
				t.Fatalf("nothing happened: %+v\n%s\n%s", summary, unit.String(), central.String())
			}
			found := 0
			for name, text := range map[string]string{"unit": unit.String(), "central": central.String()} {
				text = strings.ToUpper(text)
				for _, m := range marks {
					if !strings.Contains(text, m) {
						continue
					}
					found++
					if !wanted {
						t.Errorf("the %s's log holds %s", name, m)
					}
				}
			}
			// That the test finds what is there is shown by the detailed log.
			if wanted && found == 0 {
				t.Error("the detailed log holds no mark either")
			}
		})
	}
}
