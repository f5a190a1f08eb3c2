package capture

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"gocv.io/x/gocv"
	"golang.org/x/sys/unix"
)

// The picture asked of a V4L2 device, which gives the nearest that it has. Left
// alone OpenCV asks for 640 x 480, too coarse for a plate. Motion JPEG is how a
// USB camera sends large pictures at a full rate; one without it sends what it
// has.
const (
	deviceWidth  = 1920
	deviceHeight = 1080
	deviceFormat = "MJPG"
)

// OpenDevice opens a V4L2 camera: /dev/video0, a link to it such as those under
// /dev/v4l/by-id, or its number. A device that is not there is ErrNoCamera at
// once; whether it is a camera shows at the first Next.
//
// The tests have no camera to plug in. They cover what is not there or is no
// camera; the size of the picture and a pulled plug need a look on a real unit.
func OpenDevice(device string, o Options) (Source, error) {
	if deviceNumber.MatchString(device) {
		device = "/dev/video" + device
	}
	o = o.withDefaults()
	if err := checkDevice(device); err != nil {
		return nil, fmt.Errorf("camera %s: %w: %w", device, ErrNoCamera, err)
	}
	c := &camera{name: device, options: o}
	c.connect = func(context.Context) (*gocv.VideoCapture, error) { return connectDevice(device) }
	c.lost = func() string { return deviceLost(device) }
	return newStream(c, true, o.Stall, o), nil
}

func checkDevice(device string) error {
	info, err := os.Stat(device)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("it is not plugged in, or has no driver")
	case err != nil:
		return err
	case info.Mode()&fs.ModeCharDevice == 0:
		return errors.New("it is not a device")
	}
	// Opened once without OpenCV, which would not say that a right is missing.
	file, err := os.OpenFile(device, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return file.Close()
}

func connectDevice(device string) (*gocv.VideoCapture, error) {
	capture, err := gocv.VideoCaptureFileWithAPI(device, gocv.VideoCaptureV4L2)
	if err != nil {
		return capture, fmt.Errorf("%w: it is no camera, or another program has it", errRefused)
	}
	capture.Set(gocv.VideoCaptureFOURCC, capture.ToCodec(deviceFormat))
	capture.Set(gocv.VideoCaptureFrameWidth, deviceWidth)
	capture.Set(gocv.VideoCaptureFrameHeight, deviceHeight)
	return capture, nil
}

// deviceLost tells a camera that was unplugged from one that is only silent.
func deviceLost(device string) string {
	if _, err := os.Stat(device); err != nil {
		return "it was unplugged"
	}
	return ""
}
