package read

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"nrd"
	"nrd/internal/clock"
	"nrd/recognise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// save writes a grey JPEG, in which there is nothing to read.
func save(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	img := image.NewGray(image.Rect(0, 0, 160, 120))
	for i := range img.Pix {
		img.Pix[i] = color.Gray{Y: uint8(60 + i%7)}.Y
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, buf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// line is a line of JSON as somebody else's program would read it.
type line struct {
	File  string `json:"file"`
	Reads []struct {
		Plate        string   `json:"plate"`
		Raw          string   `json:"raw"`
		Confidence   int      `json:"confidence"`
		Box          []int    `json:"box"`
		Syntax       *string  `json:"syntax"`
		Repaired     *bool    `json:"repaired"`
		Alternatives [][2]any `json:"alternatives"`
	} `json:"reads"`
	MS    *float64 `json:"ms"`
	CPUMS *float64 `json:"cpu_ms"`

	Plate      string `json:"plate"`
	Confidence int    `json:"confidence"`
	Box        []int  `json:"box"`
	FirstFrame int    `json:"first_frame"`
	LastFrame  int    `json:"last_frame"`
	Frame      int    `json:"frame"`
}

// reading runs read with JSON and gives its lines, what it complained of and its
// error.
func reading(t *testing.T, paths ...string) ([]line, string, error) {
	t.Helper()
	var out, errw bytes.Buffer
	err := Run(t.Context(), paths, &out, &errw, Options{JSON: true, Clock: clock.System()})
	var lines []line
	d := json.NewDecoder(&out)
	for d.More() {
		var l line
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines, errw.String(), err
}

func names(lines []line) []string {
	var files []string
	for _, l := range lines {
		files = append(files, l.File)
	}
	return files
}

func TestAFolderIsWalkedAndEveryPhotographGetsALine(t *testing.T) {
	dir := t.TempDir()
	want := []string{save(t, filepath.Join(dir, "a.jpg")), save(t, filepath.Join(dir, "b", "c.JPG"))}
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, complaints, err := reading(t, dir)
	if err != nil || complaints != "" {
		t.Fatalf("%v, %s", err, complaints)
	}
	if got := names(lines); !slices.Equal(got, want) {
		t.Errorf("files %v, want %v", got, want)
	}
	for _, l := range lines {
		if l.Reads == nil || len(l.Reads) != 0 || l.MS == nil || *l.MS <= 0 || l.CPUMS == nil {
			t.Errorf("%+v", l)
		}
	}
}

func TestAnUnreadablePhotographIsNamedAndTheRestGoesOn(t *testing.T) {
	dir := t.TempDir()
	good := save(t, filepath.Join(dir, "z.jpg"))
	broken := filepath.Join(dir, "a.jpg")
	if err := os.WriteFile(broken, []byte("\xff\xd8 this is no picture"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines, complaints, err := reading(t, dir, filepath.Join(dir, "missing.jpg"))
	if !errors.Is(err, ErrSome) || !strings.Contains(err.Error(), "2") {
		t.Errorf("error %v, want ErrSome with 2", err)
	}
	if !strings.Contains(complaints, broken) || !strings.Contains(complaints, "missing.jpg") {
		t.Errorf("complaints: %s", complaints)
	}
	if got := names(lines); !slices.Equal(got, []string{good}) {
		t.Errorf("files %v", got)
	}
}

func TestWhatIsNoFootageIsRefused(t *testing.T) {
	empty := t.TempDir()
	for path, want := range map[string]string{
		empty:                   "holds no photograph",
		"rtsp://127.0.0.1/none": "is a camera",
		"/dev/video63":          "is a camera",
	} {
		lines, complaints, err := reading(t, path)
		if !errors.Is(err, ErrSome) || !strings.Contains(complaints, want) || len(lines) != 0 {
			t.Errorf("%s: %v, %s", path, err, complaints)
		}
	}
}

func TestAPhotographsPlatesAreOnItsLine(t *testing.T) {
	lines, complaints, err := reading(t, "../../../testdata/photographs/two-vehicles.jpg")
	if err != nil || len(lines) != 1 {
		t.Fatalf("%d lines, %v, %s", len(lines), err, complaints)
	}
	// Where the renderer put them.
	want := map[string]image.Rectangle{
		"T531PHM": image.Rect(268, 449, 368, 471), "HG19RBL": image.Rect(986, 474, 1065, 492),
	}
	if len(lines[0].Reads) != len(want) {
		t.Fatalf("reads %+v", lines[0].Reads)
	}
	for _, r := range lines[0].Reads {
		b := image.Rect(r.Box[0], r.Box[1], r.Box[0]+r.Box[2], r.Box[1]+r.Box[3])
		shared := b.Intersect(want[r.Plate])
		if 2*shared.Dx()*shared.Dy() < b.Dx()*b.Dy() {
			t.Errorf("%s at %v", r.Plate, b)
		}
		if len(r.Raw) != 7 || r.Confidence < 60 || r.Confidence > 100 || r.Syntax == nil || *r.Syntax == "" || r.Repaired == nil || r.Alternatives == nil {
			t.Errorf("%+v", r)
		}
	}
}

// TestAVideoGivesALineAPassage plays the drive until its first vehicle is gone.
func TestAVideoGivesALineAPassage(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errw bytes.Buffer
	err := Run(ctx, []string{"../../../testdata/drive/drive.mp4"}, writerFunc(func(p []byte) (int, error) {
		cancel()
		return out.Write(p)
	}), &errw, Options{JSON: true, Clock: clock.System()})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, %s", err, errw.String())
	}
	var l line
	if err := json.NewDecoder(&out).Decode(&l); err != nil {
		t.Fatal(err)
	}
	if l.Plate != "KV13TRX" || l.Confidence < 80 || len(l.Box) != 4 || l.Reads != nil {
		t.Errorf("%+v", l)
	}
	if l.FirstFrame < 1 || l.FirstFrame > l.Frame || l.Frame > l.LastFrame || l.LastFrame < 30 || l.LastFrame > 60 {
		t.Errorf("frames %d, %d, %d", l.FirstFrame, l.Frame, l.LastFrame)
	}
}

func TestATruncatedVideoIsNoCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cut.mp4")
	if err := os.WriteFile(path, []byte("\x00\x00\x00\x18ftypisom then nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, complaints, err := reading(t, path); !errors.Is(err, ErrSome) || !strings.Contains(complaints, path) {
		t.Errorf("%v, %s", err, complaints)
	}
}

func TestWithoutJSONThereIsATable(t *testing.T) {
	photo := save(t, filepath.Join(t.TempDir(), "a.jpg"))
	var out, errw bytes.Buffer
	if err := Run(t.Context(), []string{photo}, &out, &errw, Options{Clock: clock.System()}); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(rows) != 2 || !strings.HasPrefix(rows[0], "FILE") || !strings.HasPrefix(rows[1], photo) {
		t.Errorf("table:\n%s", out.String())
	}
	if errw.Len() != 0 {
		t.Errorf("progress was written to what is no terminal: %q", errw.String())
	}
}

func TestTheTableMarksARepairedRead(t *testing.T) {
	whole := nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE", Confidence: 95, Syntax: "current"}
	repaired := nrd.Read{VRM: "SL18CLO", Raw: "SLIBCLO", Confidence: 81, Syntax: "current", Repaired: true}
	var out bytes.Buffer
	p := newPrinter(&out, false)
	p.photograph("a.jpg", []recognise.Sighting{{Read: whole}, {Read: repaired}}, 12, 12)
	p.passages("b.mp4", []*nrd.Record{{Read: whole}, {Read: repaired}})
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(rows) != 5 || !strings.HasSuffix(rows[0], "  REPAIRED") {
		t.Fatalf("table:\n%s", out.String())
	}
	for n, marked := range []bool{1: false, 2: true, 3: false, 4: true} {
		if n > 0 && (strings.HasSuffix(rows[n], "  read as SLIBCLO") != marked || strings.Contains(rows[n], "read as") != marked) {
			t.Errorf("row %d of the table:\n%s", n, out.String())
		}
	}
}

func TestAnInterruptEndsIt(t *testing.T) {
	photo := save(t, filepath.Join(t.TempDir(), "a.jpg"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := Run(ctx, []string{photo}, &out, &out, Options{JSON: true, Clock: clock.System()}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestAFullDiskIsToldOnce(t *testing.T) {
	photo := save(t, filepath.Join(t.TempDir(), "a.jpg"))
	full := errors.New("no space left on device")
	var errw bytes.Buffer
	err := Run(t.Context(), []string{photo, photo}, writerFunc(func([]byte) (int, error) { return 0, full }), &errw, Options{JSON: true, Clock: clock.System()})
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
