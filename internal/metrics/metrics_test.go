package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var definitions = []Definition{
	{Name: "test_reads_total", Type: Counter, Help: "reads"},
	{Name: "test_waiting", Type: Gauge, Labels: []string{"kind"}, Help: "what waits"},
}

func ask(s *Source) string {
	w := httptest.NewRecorder()
	s.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestPrometheusIsToldWhatTheSourceSays(t *testing.T) {
	text := ask(&Source{Definitions: definitions, Values: func(_ context.Context, put Put) error {
		put("test_reads_total", 7)
		put("test_waiting", 3, "record")
		put("test_waiting", 4, "image")
		return nil
	}})
	for _, want := range []string{
		"# HELP test_reads_total reads\n# TYPE test_reads_total counter\ntest_reads_total 7\n",
		"# TYPE test_waiting gauge\ntest_waiting{kind=\"image\"} 4\ntest_waiting{kind=\"record\"} 3\n",
		"\ngo_goroutines ", "\nprocess_open_fds ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestWhatCannotBeGivenIsLeftOut(t *testing.T) {
	text := ask(&Source{Definitions: definitions, Values: func(_ context.Context, put Put) error {
		put("test_reads_total", 7)
		return errors.New("the store is closed")
	}})
	if !strings.Contains(text, "test_reads_total 7") || strings.Contains(text, "test_waiting") {
		t.Errorf("told\n%s", text)
	}
}

// documented are the names in docs/metrics.md, which the programs' own tests
// compare with what they tell.
func documented(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(nrd_[a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	return names
}

func TestTheDashboardShowsEveryMetricAndNoOther(t *testing.T) {
	text, err := os.ReadFile("../../packaging/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Title  string
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	names := documented(t)
	if len(names) < 20 || dashboard.Title == "" {
		t.Fatalf("%d metrics are documented, the dashboard is %q", len(names), dashboard.Title)
	}
	shown := map[string]bool{}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			used := regexp.MustCompile(`nrd_[a-z_]+`).FindAllString(target.Expr, -1)
			if len(used) == 0 {
				t.Errorf("%s: %s shows no metric", panel.Title, target.Expr)
			}
			for _, name := range used {
				shown[name] = true
				if !slices.Contains(names, name) {
					t.Errorf("%s: there is no %s", panel.Title, name)
				}
			}
		}
	}
	for _, name := range names {
		if !shown[name] {
			t.Errorf("%s is nowhere on the dashboard", name)
		}
	}
}
