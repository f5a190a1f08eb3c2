package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // for the size in the header of a photograph
	"image/png"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"gocv.io/x/gocv"

	"nrd/capture/jpeg"
)

// stills gives photographs. Next decodes in the caller's goroutine.
type stills struct {
	name    string
	options Options

	mu     sync.Mutex
	files  []string
	next   int
	closed bool
}

// NewStills gives the photographs at these paths, in the order of the paths. A
// folder is walked and gives its .jpg, .jpeg and .png files, those of its folders
// included, in natural order: frame2.jpg before frame10.jpg. A picture that its
// camera held upright comes upright, as its EXIF data asks.
//
// A path that is not there, and a folder without a photograph, is an error. A
// photograph that cannot be decoded is one only when its turn comes.
func NewStills(paths []string, o Options) (Source, error) {
	s := &stills{options: o.withDefaults()}
	for _, path := range paths {
		files, err := photographs(path)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, files...)
	}
	switch {
	case len(paths) == 1:
		s.name = paths[0]
	default:
		s.name = fmt.Sprintf("%d photographs", len(s.files))
	}
	return s, nil
}

// photographs lists what a path stands for.
func photographs(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("photograph %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	// The separator makes WalkDir follow a path that is itself a link.
	err = filepath.WalkDir(path+string(filepath.Separator), func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !entry.IsDir() && isPhotograph(file) {
			files = append(files, filepath.Clean(file))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("folder of photographs: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("folder %s holds no photograph (.jpg, .jpeg or .png)", path)
	}
	slices.SortFunc(files, naturalOrder)
	return files, nil
}

func (s *stills) Next(ctx context.Context) (*Frame, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, ErrClosed
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case s.next == len(s.files):
		return nil, ErrEnd
	}
	file := s.files[s.next]
	s.next++
	frame, err := s.decode(file, uint64(s.next))
	if err != nil {
		return nil, fmt.Errorf("photograph %s: %w", file, err)
	}
	return frame, nil
}

// decode reads one photograph, but nothing that would take more memory than a
// camera's picture can.
func (s *stills) decode(path string, sequence uint64) (*Frame, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(err)
	}
	// A pipe would be waited for, so it is not even opened.
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a file", ErrUnreadable)
	}
	if info.Size() > MaxFileBytes {
		return nil, fmt.Errorf("%w: %d MB, at most %d", ErrTooLarge, info.Size()>>20, MaxFileBytes>>20)
	}
	picture, err := readPicture(path, info.Size())
	if err != nil {
		return nil, err
	}
	return s.options.frame(picture, sequence, fileStamp(info.ModTime(), 0), path), nil
}

// readPicture gives the picture in a file of that size, unless its header promises
// one of unbearable size.
func readPicture(path string, size int64) (gocv.Mat, error) {
	file, err := os.Open(path)
	if err != nil {
		return gocv.Mat{}, unreadable(err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	content := make([]byte, size)
	if _, err := io.ReadFull(file, content); err != nil {
		return gocv.Mat{}, unreadable(err)
	}
	header, format, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return gocv.Mat{}, unreadable(err)
	}
	if err := bearable(header.Width, header.Height); err != nil {
		return gocv.Mat{}, err
	}
	decode := jpeg.Decode
	if format == "png" {
		decode = decodePNG
	}
	picture, err := decode(content)
	if err != nil {
		return gocv.Mat{}, unreadable(err)
	}
	return picture, nil
}

// decodePNG gives the colours of a PNG file; what is to shine through is not looked at.
func decodePNG(content []byte) (gocv.Mat, error) {
	from, err := png.Decode(bytes.NewReader(content))
	if err != nil {
		return gocv.Mat{}, err
	}
	size := from.Bounds().Size()
	picture := gocv.NewMatWithSize(size.Y, size.X, gocv.MatTypeCV8UC3)
	to, err := picture.DataPtrUint8()
	if err != nil {
		return gocv.Mat{}, errors.Join(err, picture.Close())
	}
	for y := range size.Y {
		for x := range size.X {
			r, g, b := colour(from, x, y)
			to[0], to[1], to[2] = b, g, r
			to = to[3:]
		}
	}
	return picture, nil
}

func colour(img image.Image, x, y int) (r, g, b uint8) {
	switch img := img.(type) {
	case *image.NRGBA:
		c := img.NRGBAAt(x, y)
		return c.R, c.G, c.B
	case *image.NRGBA64:
		c := img.NRGBA64At(x, y)
		return uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8)
	}
	red, green, blue, _ := img.At(x, y).RGBA()
	return uint8(red >> 8), uint8(green >> 8), uint8(blue >> 8)
}

// bearable says ErrTooLarge of a picture of more than MaxPixels.
func bearable(width, height int) error {
	if int64(width)*int64(height) > MaxPixels {
		return fmt.Errorf("%w: %d x %d pixels, at most %d million", ErrTooLarge, width, height, MaxPixels>>20)
	}
	return nil
}

func unreadable(err error) error { return fmt.Errorf("%w: %w", ErrUnreadable, err) }

func (s *stills) Dropped() uint64 { return 0 }

func (s *stills) Live() bool { return false }

func (s *stills) String() string { return s.name }

func (s *stills) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
