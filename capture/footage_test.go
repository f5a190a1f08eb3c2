package capture_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
	"nrd/internal/clock"
)

// The footage of the tests, made by the tests.

// deadline is for what should come at once.
const deadline = 20 * time.Second

func options() capture.Options {
	return capture.Options{Camera: nrd.Camera{Name: "test"}, Clock: clock.System()}
}

// picture has a bright left half and a dark right one.
func picture(width, height int) image.Image {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width / 2 {
			img.SetGray(x, y, color.Gray{Y: 220})
		}
	}
	return img
}

func jpegBytes(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := jpeg.Encode(&buffer, img, nil); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

func pngBytes(t testing.TB, img image.Image) []byte {
	t.Helper()
	var buffer bytes.Buffer
	if err := png.Encode(&buffer, img); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// turned is a JPEG whose camera was held on its side: EXIF orientation 6, to be
// turned clockwise for showing.
func turned(t testing.TB, img image.Image) []byte {
	t.Helper()
	exif := []byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08" + // big endian, directory at 8
		"\x00\x01" + // one entry
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + // orientation, short, one, 6
		"\x00\x00\x00\x00")
	plain := jpegBytes(t, img)
	segment := binary.BigEndian.AppendUint16([]byte{0xff, 0xe1}, uint16(len(exif)+2))
	return append(append(append([]byte{}, plain[:2]...), append(segment, exif...)...), plain[2:]...)
}

// hugePNG says in its header that it has so many pixels, and has none.
func hugePNG(width, height uint32) []byte {
	header := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(header[4:], width)
	binary.BigEndian.PutUint32(header[8:], height)
	header[12], header[13] = 8, 2 // 8 bits, colour
	content := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	return binary.BigEndian.AppendUint32(content, crc32.ChecksumIEEE(header))
}

func write(t testing.TB, content []byte, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// darkest is the grey of a film's first frame.
const darkest = 40

// film writes a video at 25 frames a second. Each frame is evenly grey, 5
// brighter than the one before.
func film(t testing.TB, path, codec string, frames int) string {
	t.Helper()
	writer, err := gocv.VideoWriterFile(path, codec, 25, 160, 120, true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := writer.Close(); err != nil {
			t.Error(err)
		}
	}()
	for n := range frames {
		grey := float64(darkest + 5*n)
		frame := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(grey, grey, grey, 0), 120, 160, gocv.MatTypeCV8UC3)
		err := writer.Write(frame)
		if closeErr := frame.Close(); err != nil || closeErr != nil {
			t.Fatal(err, closeErr)
		}
	}
	return path
}

// halve cuts a file off in its middle.
func halve(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()/2); err != nil {
		t.Fatal(err)
	}
}

// openTest opens footage and closes it with the test.
func openTest(t testing.TB, footage string, o capture.Options) capture.Source {
	t.Helper()
	source, err := capture.Open(footage, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := source.Close(); err != nil {
			t.Error(err)
		}
	})
	return source
}

// next gives the next frame, closed when the test ends.
func next(t testing.TB, source capture.Source) (*capture.Frame, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	frame, err := source.Next(ctx)
	t.Cleanup(func() {
		if err := frame.Close(); err != nil {
			t.Error(err)
		}
	})
	return frame, err
}

// brightness of the pixel at x, y.
func brightness(f *capture.Frame, x, y int) int { return int(f.Image.GetVecbAt(y, x)[0]) }
