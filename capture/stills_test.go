package capture_test

import (
	"errors"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nrd/capture"
	"nrd/capture/capturetest"
	"nrd/internal/clock"
)

func TestPhotographsAreASource(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"1.jpg", "2.jpg", "3.png"} {
		content := jpegBytes(t, picture(64, 48))
		if strings.HasSuffix(name, "png") {
			content = pngBytes(t, picture(64, 48))
		}
		write(t, content, dir, name)
	}
	capturetest.Suite{
		Clock:  clock.System(),
		Frames: 3,
		Open: func(t *testing.T, o capture.Options) capture.Source {
			source, err := capture.Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
	}.Run(t)
}

func TestAFolderIsWalkedInNaturalOrder(t *testing.T) {
	dir := t.TempDir()
	content := jpegBytes(t, picture(16, 16))
	wanted := []string{"frame02.JPG", "frame2.jpg", "frame10.jpeg", "frame10a.png", "trip/1.jpg", "trip/9/a.jpg", "trip/10/a.jpg"}
	for _, name := range wanted {
		write(t, content, dir, name)
	}
	write(t, []byte("no picture"), dir, "truth.csv")

	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	source := openTest(t, link, options())
	for _, name := range wanted {
		frame, err := next(t, source)
		if err != nil {
			t.Fatal(err)
		}
		if frame.File != filepath.Join(link, name) {
			t.Errorf("got %s, want %s", frame.File, name)
		}
	}
	if _, err := next(t, source); !errors.Is(err, capture.ErrEnd) {
		t.Errorf("the rest: %v", err)
	}
}

func TestSeveralPathsComeInTheirOrder(t *testing.T) {
	dir := t.TempDir()
	b := write(t, jpegBytes(t, picture(16, 16)), dir, "b.jpg")
	a := write(t, jpegBytes(t, picture(16, 16)), dir, "a", "a.jpg")
	source, err := capture.NewStills([]string{b, filepath.Dir(a)}, options())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{b, a} {
		if frame, err := next(t, source); err != nil || frame.File != want {
			t.Errorf("got %+v, %v, want %s", frame, err, want)
		}
	}
}

func TestAPhotographHasTheTimeOfItsFile(t *testing.T) {
	path := write(t, jpegBytes(t, picture(16, 16)), t.TempDir(), "a.jpg")
	at := time.Date(2024, 2, 29, 12, 0, 1, 0, time.UTC)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
	frame, err := next(t, openTest(t, path, options()))
	if err != nil {
		t.Fatal(err)
	}
	if !frame.Taken.UTC.Equal(at) {
		t.Errorf("taken %v", frame.Taken.UTC)
	}
}

func TestAPhotographTakenOnTheSideComesUpright(t *testing.T) {
	dir := t.TempDir()
	plain, err := next(t, openTest(t, write(t, jpegBytes(t, picture(64, 32)), dir, "plain.jpg"), options()))
	if err != nil {
		t.Fatal(err)
	}
	upright, err := next(t, openTest(t, write(t, turned(t, picture(64, 32)), dir, "turned.jpg"), options()))
	if err != nil {
		t.Fatal(err)
	}
	if plain.Image.Cols() != 64 || upright.Image.Cols() != 32 || upright.Image.Rows() != 64 {
		t.Fatalf("%d x %d", upright.Image.Cols(), upright.Image.Rows())
	}
	// The bright left half is above after a turn clockwise.
	if top, bottom := brightness(upright, 16, 8), brightness(upright, 16, 56); top < 200 || bottom > 20 {
		t.Errorf("above %d, below %d", top, bottom)
	}
}

func TestEveryDepthOfColourComesAsBGR(t *testing.T) {
	dir := t.TempDir()
	deep := image.NewNRGBA64(image.Rect(0, 0, 16, 16))
	deep.SetNRGBA64(3, 4, color.NRGBA64{R: 0xffff, A: 0xffff})
	frame, err := next(t, openTest(t, write(t, pngBytes(t, deep), dir, "deep.png"), options()))
	if err != nil {
		t.Fatal(err)
	}
	if pixel := frame.Image.GetVecbAt(4, 3); pixel[0] != 0 || pixel[2] != 255 || frame.Image.Channels() != 3 {
		t.Errorf("red is %v in %d channels", pixel, frame.Image.Channels())
	}
}

// A picture that cannot be taken is told of by name, and the next one comes.
func TestABadPhotographIsLeftOutAndTheRestGoesOn(t *testing.T) {
	good := jpegBytes(t, picture(64, 48))
	noise := make([]byte, 4096)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		make func(path string) error
		want error
	}{
		"empty":               {func(p string) error { return os.WriteFile(p, nil, 0o600) }, capture.ErrUnreadable},
		"text":                {func(p string) error { return os.WriteFile(p, []byte("not a photograph"), 0o600) }, capture.ErrUnreadable},
		"noise":               {func(p string) error { return os.WriteFile(p, noise, 0o600) }, capture.ErrUnreadable},
		"only a header":       {func(p string) error { return os.WriteFile(p, good[:20], 0o600) }, capture.ErrUnreadable},
		"header then noise":   {func(p string) error { return os.WriteFile(p, append(hugePNG(64, 64), noise...), 0o600) }, capture.ErrUnreadable},
		"a pipe":              {func(p string) error { return unix.Mkfifo(p, 0o600) }, capture.ErrUnreadable},
		"gone":                {func(p string) error { return os.Symlink("nowhere", p) }, capture.ErrUnreadable},
		"a billion pixels":    {func(p string) error { return os.WriteFile(p, hugePNG(40000, 30000), 0o600) }, capture.ErrTooLarge},
		"more than an int":    {func(p string) error { return os.WriteFile(p, hugePNG(1<<31-1, 1<<31-1), 0o600) }, nil},
		"two hundred million": {func(p string) error { return twoHundredMegabytes(p, good) }, capture.ErrTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := filepath.Join(dir, "1 bad.jpg")
			if err := c.make(bad); err != nil {
				t.Fatal(err)
			}
			write(t, good, dir, "2 good.jpg")
			source := openTest(t, dir, options())
			_, err := next(t, source)
			switch {
			case c.want == nil && !errors.Is(err, capture.ErrTooLarge) && !errors.Is(err, capture.ErrUnreadable),
				c.want != nil && !errors.Is(err, c.want):
				t.Errorf("got %v, want %v", err, c.want)
			case !strings.Contains(err.Error(), "1 bad.jpg"):
				t.Errorf("the file is not named: %v", err)
			}
			if frame, err := next(t, source); err != nil || frame.Sequence != 2 {
				t.Errorf("the good one: %v", err)
			}
		})
	}
}

// twoHundredMegabytes is a photograph with 200 MB of nothing behind it.
func twoHundredMegabytes(path string, photograph []byte) error {
	if err := os.WriteFile(path, photograph, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 200<<20)
}

// OpenCV gives the part of a photograph that is there: half a photograph may
// still hold a plate.
func TestHalfAPhotographIsStillAPhotograph(t *testing.T) {
	content := jpegBytes(t, picture(640, 480))
	source := openTest(t, write(t, content[:len(content)/2], t.TempDir(), "half.jpg"), options())
	frame, err := next(t, source)
	if err != nil {
		t.Fatal(err)
	}
	if frame.Image.Rows() != 480 || brightness(frame, 10, 10) < 200 {
		t.Errorf("%d rows, %d", frame.Image.Rows(), brightness(frame, 10, 10))
	}
}

func TestWhatIsNotThereIsAnErrorWithItsName(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "missing.jpg"), filepath.Join(dir, "missing"), dir} {
		if _, err := capture.Open(path, options()); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func BenchmarkPhotograph(b *testing.B) {
	path := write(b, jpegBytes(b, picture(1920, 1080)), b.TempDir(), "a.jpg")
	for b.Loop() {
		source, err := capture.Open(path, options())
		if err != nil {
			b.Fatal(err)
		}
		frame, err := source.Next(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := frame.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
