package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nrd/internal/commandline"
)

// truth writes a truth file about the rendered photographs.
func truth(t *testing.T, rows string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "truth.csv")
	if err := os.WriteFile(file, []byte("file,plate\n"+rows), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEvaluateTellsTheFiguresAndWritesAPageForItsOwnerAlone(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, []byte("an older one that all may read"), 0o644); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	code, out, errs := call(t, "evaluate", "--truth", truth(t, "rear-near.jpg,EK09SYJ\n"), "--html", page, photographs)
	if code != commandline.Done || !strings.Contains(out, "captured") || !strings.Contains(out, "100.0 % (21 to 100)") || errs != "" {
		t.Fatalf("exit code %d, said %s %s", code, out, errs)
	}
	info, err := os.Stat(page)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() < 10000 {
		t.Errorf("%v, %v", info, err)
	}
	if left, err := filepath.Glob(filepath.Dir(page) + "/.evaluation-*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEvaluateTellsEverythingAsJSON(t *testing.T) {
	code, out, errs := call(t, "evaluate", "--json", "--truth", truth(t, "rear-near.jpg,EK09SYJ\nmissing.jpg,A1\n"), photographs)
	if code != exitUnreadable || !strings.Contains(errs, "1 missing") {
		t.Fatalf("exit code %d, said %s", code, errs)
	}
	var report struct {
		Format, Software string
		Version          int
		Captured         struct{ Count, Of int }
		Missing          []string
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	if report.Format != "nrd-evaluation" || report.Version != 1 || report.Captured.Of != 1 || len(report.Missing) != 1 || report.Software != version {
		t.Errorf("%+v", report)
	}
}

func TestEvaluateReadsAsTheCameraOfAConfigurationDoes(t *testing.T) {
	about := truth(t, "two-vehicles.jpg,T531PHM\n") // on the left of the picture
	for name, c := range map[string]struct {
		region    string
		says, got string
	}{
		"the whole picture": {"", "as camera A1 northbound lane 1\n", "100.0 %"},
		"its left half":     {"region = [0, 0.25, 0.5, 1]", "as camera A1 northbound lane 1 0 to 50 % of the width, 25 to 100 % of the height\n", "100.0 %"},
		"its right half":    {"region = [0.5, 0.25, 1, 1]", "50 to 100 % of the width", "0.0 %"},
	} {
		config := sample(t, "[[camera]]\n", "[[camera]]\n"+c.region+"\n")
		code, out, errs := call(t, "evaluate", "--config", config, "--truth", about, photographs)
		if code != commandline.Done || !strings.Contains(out, c.says) || !regexp.MustCompile(`(?m)^captured +`+c.got).MatchString(out) {
			t.Errorf("%s: exit code %d, said %s %s", name, code, out, errs)
		}
	}
}

func TestEachFailureOfEvaluateHasItsExitCode(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no truth":                      {[]string{"evaluate", photographs}, commandline.WrongUsage, `"truth"`},
		"no path":                       {[]string{"evaluate", "--truth", "x"}, commandline.WrongUsage, "at least 1 arg"},
		"a truth that is not there":     {[]string{"evaluate", "--truth", "/nonexistent.csv", photographs}, commandline.Failed, "/nonexistent.csv"},
		"a truth that is wrong":         {[]string{"evaluate", "--truth", truth(t, "a.jpg,AB?\n"), photographs}, commandline.WrongConfiguration, ":2: plate: "},
		"a truth of other photographs":  {[]string{"evaluate", "--truth", truth(t, "a.jpg,A1\n"), photographs}, commandline.Failed, "a.jpg"},
		"a camera of no configuration":  {[]string{"evaluate", "--truth", "x", "--camera", "B", photographs}, commandline.WrongUsage, "--config"},
		"a camera that is not there":    {[]string{"evaluate", "--truth", "x", "--config", sample(t, "[[camera]]\n", "[[camera]]\n"), "--camera", "B", photographs}, commandline.WrongUsage, "A1 northbound"},
		"an engine beside the camera's": {[]string{"evaluate", "--truth", "x", "--config", "c.toml", "--engine", "tesseract", photographs}, commandline.WrongUsage, "engine"},
		"a configuration that is wrong": {[]string{"evaluate", "--truth", "x", "--config", "/nonexistent.toml", photographs}, commandline.WrongConfiguration, "/nonexistent.toml"},
		"a folder for the page missing": {[]string{"evaluate", "--truth", truth(t, "no-plate.jpg,\n"), "--html", "/nonexistent/p.html", photographs}, commandline.Failed, "/nonexistent"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := call(t, c.args...)
			if code != c.code || !strings.Contains(errs, c.says) {
				t.Fatalf("exit code %d, want %d; said %q", code, c.code, errs)
			}
		})
	}
}
