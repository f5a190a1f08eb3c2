package capture

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"gocv.io/x/gocv"
)

// OpenCV takes the options of FFmpeg from the environment only. This is done
// before anything else runs, as C code may read the environment at any time. What
// the operator has set stays.
//
// TCP, because a picture with holes from lost UDP packets can show a wrong
// character. The time-out, in microseconds, is FFmpeg's for connecting and for
// each read: it ends the goroutine of a dead stream some time after Options.Stall
// has given it up. FFmpeg's own words, one for each damaged picture of a camera
// that runs for years, are left out; errors are told by this package.
func init() {
	setDefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp|timeout;10000000")
	setDefault("OPENCV_FFMPEG_LOGLEVEL", "-8") // AV_LOG_QUIET
}

func setDefault(name, value string) {
	if _, set := os.LookupEnv(name); set {
		return
	}
	if err := os.Setenv(name, value); err != nil {
		panic("capture: " + err.Error()) // the name or value above is malformed
	}
}

// OpenRTSP opens a camera's stream, by an address such as
// rtsp://user:password@192.0.2.7/stream1. The password appears in no message and
// not in String.
//
// Only an address that cannot be one is an error here; the connection is made
// behind, and Next tells how that went.
func OpenRTSP(address string, o Options) (Source, error) {
	u, err := parseRTSP(address)
	if err != nil {
		return nil, err
	}
	o = o.withDefaults()
	c := &camera{name: shown(u), options: o, lost: func() string { return "" }}
	c.connect = func(ctx context.Context) (*gocv.VideoCapture, error) { return connectRTSP(ctx, u) }
	return newStream(c, true, o.Stall, o), nil
}

// parseRTSP does not give url.Parse's error away, which quotes the whole address
// with the password in it.
func parseRTSP(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || !isRTSP(address) {
		return nil, errors.New("the address of an RTSP camera is malformed: it must be rtsp://[user:password@]host[:port]/path, special characters in the password as %XX")
	}
	return u, nil
}

// shown is the address without user, password and query: some cameras want the
// password in the query.
func shown(u *url.URL) string {
	return strings.ToLower(u.Scheme) + "://" + u.Host + u.EscapedPath()
}

// connectRTSP dials the camera once by itself, because that gives a reason when
// nobody answers, and FFmpeg through OpenCV gives none.
func connectRTSP(ctx context.Context, u *url.URL) (*gocv.VideoCapture, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), rtspPort(u)))
	if err != nil {
		return nil, err
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	capture, err := gocv.VideoCaptureFileWithAPI(u.String(), gocv.VideoCaptureFFmpeg)
	if err != nil {
		return capture, fmt.Errorf("%w: wrong path, user or password, or not RTSP", errRefused)
	}
	return capture, nil
}

func rtspPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case strings.EqualFold(u.Scheme, "rtsps"):
		return "322"
	}
	return "554"
}
