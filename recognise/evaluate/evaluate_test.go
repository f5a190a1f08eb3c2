package evaluate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
)

// photographs are rendered; their truth lies beside them.
const photographs = "../../testdata/photographs"

// clock stands still.
type clock struct{}

func (clock) Now() time.Time   { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }
func (clock) Stamp() nrd.Stamp { return nrd.Stamp{} }

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// grey is a photograph of nothing.
func grey(t *testing.T, value uint8) string {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 160, 120))
	for i := range img.Pix {
		img.Pix[i] = color.Gray{Y: value}.Y
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestThePhotographsOfTheRepositoryAreMeasured(t *testing.T) {
	var told []string
	report, err := Run(t.Context(), []string{photographs + "/truth.csv"}, []string{photographs}, Options{
		Clock: clock{}, Software: "test", Progress: func(done, total int, file string) {
			if total != 12 || done != len(told)+1 {
				t.Errorf("%d of %d", done, total)
			}
			told = append(told, filepath.Base(file))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p := report.Photographs
	if p.Count != 12 || p.Plates != 14 || p.WithoutPlateRead != (Share{0, 1}) || p.TopExact.Of != 11 || len(told) != 12 {
		t.Errorf("%+v", p)
	}
	if p.PlatesExact.Count < 12 || report.Captured.Count < 12 || p.FalseReads.Count > 1 {
		t.Errorf("%+v, captured %v", p, report.Captured)
	}
	if report.CPU.Count != 12 || report.CPU.Median <= 0 || report.SmallCPU.Count != 12 {
		t.Errorf("times %+v, %+v", report.CPU, report.SmallCPU)
	}
	if report.Engine == "" || len(report.Truth) != 1 || len(report.Truth[0].SHA256) != 64 {
		t.Errorf("engine %q, truth %+v", report.Engine, report.Truth)
	}
	i := slices.IndexFunc(report.Plates, func(o Outcome) bool { return o.Plate == "EK09SYJ" })
	if o := report.Plates[i]; !o.Exact || o.Read != "EK09SYJ" || o.Width != 149 || o.Groups["syntax"] != "current" || o.Groups["light"] != "day" {
		t.Errorf("%+v", o)
	}
}

// TestAPassageOfAClipIsMeasured takes the drive until its first vehicle is gone.
func TestAPassageOfAClipIsMeasured(t *testing.T) {
	dir := t.TempDir()
	clip := filepath.Join(dir, "clip.mp4")
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", "../../testdata/drive/drive.mp4", "-frames:v", "60", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "18", clip).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	truth := write(t, filepath.Join(dir, "truth.csv"), "file,plates\nclip.mp4,KV13TRX|XX99XXX\n")
	report, err := Run(t.Context(), []string{truth}, []string{dir}, Options{Clock: clock{}})
	if err != nil {
		t.Fatal(err)
	}
	c := report.Clips
	if c.Count != 1 || c.Captured != (Share{1, 2}) || c.Right != (Share{1, 1}) {
		t.Errorf("%+v", c)
	}
	if len(report.misses.unread) != 1 || report.misses.unread[0].Plate != "XX99XXX" {
		t.Errorf("misses %+v", report.misses.unread)
	}
	// What was not read at all is shown as the scene.
	scene, err := jpeg.DecodeConfig(bytes.NewReader(report.misses.unread[0].JPEG))
	if err != nil || scene.Width != missWidth || scene.Width*9/16 != scene.Height {
		t.Errorf("the picture of the miss is %+v, %v", scene, err)
	}
	if w := report.Plates[0].Width; w < 40 || w > 200 {
		t.Errorf("the plate is %d px wide", w)
	}
}

func TestWhatIsMissingIsLeftOutAndWhatCannotBeReadShowsNothing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.jpg"), grey(t, 30))
	write(t, filepath.Join(dir, "b.jpg"), "\xff\xd8 this is no picture")
	write(t, filepath.Join(dir, "c.mp4"), "\x00\x00\x00\x18ftypisom then nothing")
	truth := write(t, filepath.Join(dir, "truth.csv"), "file,plate\na.jpg,\nb.jpg,AB12CDE\nc.mp4,X1ABC\nd.jpg,Y1ABC\n")
	report, err := Run(t.Context(), []string{truth}, []string{dir}, Options{Clock: clock{}})
	if !errors.Is(err, ErrSome) || !strings.Contains(err.Error(), "1 missing, 2 unreadable") {
		t.Fatalf("error %v", err)
	}
	if !slices.Equal(report.Missing, []string{"d.jpg"}) || !slices.Equal(report.Unreadable, []string{"b.jpg", "c.mp4"}) {
		t.Errorf("missing %v, unreadable %v", report.Missing, report.Unreadable)
	}
	if report.Captured != (Share{0, 2}) || report.Photographs.Count != 2 || report.Clips.Count != 1 {
		t.Errorf("captured %+v, %+v", report.Captured, report.Photographs)
	}
	if light := report.Groups[2]; light.By != "light" || light.Rows[0].Value != "night" || light.Rows[0].FalseReads.Of != 1 {
		t.Errorf("%+v", light)
	}
}

func TestATruthThatFitsNoPathOrTwoIsRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a", "1.jpg"), grey(t, 90))
	write(t, filepath.Join(dir, "b", "1.jpg"), grey(t, 90))
	for name, c := range map[string]struct {
		truth string
		want  error
		says  string
	}{
		"no file of that name":  {"file,plate\n2.jpg,AB12CDE\n", ErrNothing, "2.jpg"},
		"two files of the name": {"file,plate\n1.jpg,AB12CDE\n", ErrTruth, filepath.Join("b", "1.jpg")},
	} {
		t.Run(name, func(t *testing.T) {
			truth := write(t, filepath.Join(t.TempDir(), "truth.csv"), c.truth)
			if _, err := Run(t.Context(), []string{truth}, []string{dir}, Options{Clock: clock{}}); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v", err)
			}
		})
	}
	truth := write(t, filepath.Join(t.TempDir(), "truth.csv"), "file,plate\nb/1.jpg,\n")
	if _, err := Run(t.Context(), []string{truth}, []string{dir}, Options{Clock: clock{}}); err != nil {
		t.Errorf("a file told by its folder: %v", err)
	}
	if _, err := Run(t.Context(), []string{truth, truth}, []string{dir}, Options{Clock: clock{}}); !errors.Is(err, ErrTruth) {
		t.Errorf("two truths of one file: %v", err)
	}
	if _, err := Run(t.Context(), []string{truth}, []string{filepath.Join(dir, "none")}, Options{Clock: clock{}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}

func TestAnInterruptEndsIt(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, []string{photographs + "/truth.csv"}, []string{photographs}, Options{Clock: clock{}}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// missed is a report with misses of every kind and a file name that means harm.
func missed(t *testing.T) *Report {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"rear-near.jpg", "front-near.jpg", "no-plate.jpg"} {
		data, err := os.ReadFile(filepath.Join(photographs, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name), string(data))
	}
	write(t, filepath.Join(dir, "<script>alert(1)<.jpg"), grey(t, 90))
	truth := write(t, filepath.Join(dir, "truth.csv"), "file,plate,x,y,w,h\n"+
		"rear-near.jpg,EK09SYK,452,511,149,34\n"+ // misread by its truth
		"front-near.jpg,,,,,\n"+ // a false read by its truth
		"no-plate.jpg,ZZ99ZZZ,100,100,80,18\n<script>alert(1)<.jpg,YY99YYY,,,,\nmissing.jpg,A1,,,,\n")
	report, err := Run(t.Context(), []string{truth}, []string{dir}, Options{Clock: clock{}, Software: "test"})
	if !errors.Is(err, ErrSome) {
		t.Fatal(err)
	}
	return report
}

func TestThePageShowsTheWorstMissesAsPictures(t *testing.T) {
	report := missed(t)
	var page bytes.Buffer
	if err := report.Page(&page); err != nil {
		t.Fatal(err)
	}
	html := page.String()
	for _, want := range []string{"EK09SYK", "EK09SYJ", "LN68OKE", "ZZ99ZZZ", "Personal data", "missing.jpg", "Wilson", "under 60 px", `role="img"`} {
		if want == "under 60 px" {
			want = "60 to 89 px"
		}
		if !strings.Contains(html, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := strings.Count(html, `<img src="data:image/jpeg;base64,`); n != 4 {
		t.Errorf("%d pictures, want 4", n)
	}
	if strings.Contains(html, "<script") {
		t.Error("a file's name became a script")
	}
	if m := regexp.MustCompile(`(?:src|href|url\()\s*=?["']?(?:https?:)?//`).FindString(html); m != "" {
		t.Errorf("the page needs something from elsewhere: %s", m)
	}
}

// TestThePageIsShownByABrowserAsItIs asks Chromium for what it made of the page,
// and for complaints.
func TestThePageIsShownByABrowserAsItIs(t *testing.T) {
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("these tests need the browser Chromium: apt-get install chromium, or make deps-test")
	}
	var page bytes.Buffer
	if err := missed(t).Page(&page); err != nil {
		t.Fatal(err)
	}
	file := write(t, filepath.Join(t.TempDir(), "page.html"), page.String())
	browser := exec.CommandContext(t.Context(), program, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
		"--user-data-dir="+t.TempDir(), "--dump-dom", "file://"+file)
	var out, errs bytes.Buffer
	browser.Stdout, browser.Stderr = &out, &errs
	if err := browser.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if strings.Contains(errs.String(), "CONSOLE") {
		t.Errorf("the browser complains: %s", errs.String())
	}
	if got, want := strings.Count(out.String(), "<table"), strings.Count(page.String(), "<table"); got != want || got < 8 {
		t.Errorf("%d tables in the browser, %d in the page", got, want)
	}
	if n := strings.Count(out.String(), "<circle"); n != len(missedBins(t, page.String())) || n == 0 {
		t.Errorf("%d dots in the diagram", n)
	}
}

// missedBins are the rows of the table beside the diagram.
func missedBins(t *testing.T, page string) []string {
	t.Helper()
	_, table, found := strings.Cut(page, "Reads by confidence")
	if !found {
		t.Fatal("there is no table of reads by confidence")
	}
	table, _, _ = strings.Cut(table, "</table>")
	return regexp.MustCompile(`<th scope="row">`).FindAllString(table, -1)
}

func TestTheJSONHasItsVersionAndNoNulls(t *testing.T) {
	data, err := json.Marshal(newScore(nil).finish())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	if fields["format"] != "nrd-evaluation" || fields["version"] != 1.0 {
		t.Errorf("format %v, version %v", fields["format"], fields["version"])
	}
	for name, value := range fields {
		if value == nil {
			t.Errorf("%s is null", name)
		}
	}
}
