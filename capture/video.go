package capture

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gocv.io/x/gocv"

	"nrd"
)

// video is a video file.
type video struct {
	path    string
	options Options
	capture *gocv.VideoCapture
	start   time.Time
	// step is the time from one frame to the next by the file's header.
	step time.Duration
	// promised is the number of frames by the header, 0 where it is not said.
	promised, frames int
	// position is the place in the video of the frame last read.
	position time.Duration
	// began is the clock's monotonic time of a paced video's first frame.
	began time.Duration
}

// OpenVideo opens a video file, of any container and codec that FFmpeg knows.
//
// A file that breaks off gives the frames it has and then ErrEnd; that it had
// promised more goes to the log. One that has no frame at all, or whose header
// is lost, is ErrUnreadable.
func OpenVideo(path string, o Options) (Source, error) {
	v := &video{path: path, options: o.withDefaults()}
	if err := v.inspect(); err != nil {
		return nil, fmt.Errorf("video %s: %w", path, err)
	}
	return newStream(v, false, 0, v.options), nil
}

// inspect opens the file and reads its header.
func (v *video) inspect() error {
	info, err := os.Stat(v.path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w: it is not a file", ErrUnreadable)
	}
	if v.start = v.options.Start; v.start.IsZero() {
		v.start = info.ModTime()
	}
	// A whole path, since FFmpeg would take a:b.mp4 for an address.
	whole, err := filepath.Abs(v.path)
	if err != nil {
		return err
	}
	if v.capture, err = gocv.VideoCaptureFileWithAPI(whole, gocv.VideoCaptureFFmpeg); err != nil {
		return fmt.Errorf("%w: no video that FFmpeg knows, or cut off before its index", errors.Join(ErrUnreadable, v.close()))
	}
	width, height := v.capture.Get(gocv.VideoCaptureFrameWidth), v.capture.Get(gocv.VideoCaptureFrameHeight)
	if err := bearable(int(width), int(height)); err != nil {
		return errors.Join(err, v.close())
	}
	v.step = time.Second / 25
	if rate := v.capture.Get(gocv.VideoCaptureFPS); rate >= 1 && rate <= 1000 {
		v.step = time.Duration(float64(time.Second) / rate)
	}
	if n := v.capture.Get(gocv.VideoCaptureFrameCount); n > 0 && n < 1<<31 {
		v.promised = int(n)
	}
	return nil
}

func (v *video) open(context.Context) error { return nil }

func (v *video) read(image *gocv.Mat) error {
	if !v.capture.Read(image) || image.Empty() {
		return v.ended()
	}
	v.frames++
	// The container's time for this frame, where it has one: frames need not
	// come in even steps. Time never runs backwards in spite of the file.
	position := time.Duration(v.capture.Get(gocv.VideoCapturePosMsec) * float64(time.Millisecond))
	switch {
	case v.frames == 1:
		v.position = max(position, 0)
	case position > v.position:
		v.position = position
	default:
		v.position += v.step
	}
	return nil
}

// ended says why there is no frame. The count in a header is an estimate in some
// containers, so a hundredth is not missed.
func (v *video) ended() error {
	if v.frames == 0 {
		return fmt.Errorf("video %s: %w: it holds no frame", v.path, ErrUnreadable)
	}
	if missing := v.promised - v.frames; missing > 2+v.promised/100 {
		v.options.Log.Warn("the video breaks off before its end", "file", v.path, "frames", v.frames, "promised", v.promised)
	}
	return ErrEnd
}

func (v *video) taken(ctx context.Context) nrd.Stamp {
	if !v.options.Pace {
		return fileStamp(v.start, v.position)
	}
	now := v.options.Clock.Stamp()
	if v.frames == 1 {
		v.began = now.Monotonic - v.position
	}
	early := v.began + v.position - now.Monotonic
	if early <= 0 {
		return now
	}
	timer := time.NewTimer(early)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return v.options.Clock.Stamp()
}

func (v *video) close() error { return v.capture.Close() }

func (v *video) file() string { return v.path }

func (v *video) String() string { return v.path }
