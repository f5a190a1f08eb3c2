package capture_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nrd/capture"
	"nrd/capture/capturetest"
	"nrd/internal/clock"
)

const password = "gh0st%2Fplate"

// rtspServer starts GStreamer's RTSP server with these arguments and gives its
// process and the host and port that it listens on.
func rtspServer(t *testing.T, arguments ...string) (process *os.Process, host string) {
	t.Helper()
	// Debian's own interpreter: it is the one that Debian's GStreamer modules
	// are for.
	server := exec.Command("/usr/bin/python3", append([]string{filepath.Join("testdata", "rtsp_server.py")}, arguments...)...)
	server.Stderr = os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill() // it may be dead already
		_ = server.Wait()         // and says so here
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the RTSP server did not start (apt install python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-ugly): %v", err)
	}
	return server.Process, net.JoinHostPort("127.0.0.1", strings.TrimSpace(port))
}

func TestAnRTSPCameraIsASource(t *testing.T) {
	_, host := rtspServer(t, "--password", "gh0st/plate")
	capturetest.Suite{
		Clock:  clock.System(),
		Live:   true,
		Secret: "gh0st",
		Open: func(t *testing.T, o capture.Options) capture.Source {
			source, err := capture.Open("rtsp://officer:"+password+"@"+host+"/stream", o)
			if err != nil {
				t.Fatal(err)
			}
			return source
		},
	}.Run(t)
}

func TestAnRTSPServerThatIsKilledIsNoticed(t *testing.T) {
	process, host := rtspServer(t)
	o := options()
	o.Stall = 5 * time.Second
	source := openTest(t, "rtsp://"+host+"/stream", o)
	if _, err := next(t, source); err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := untilError(t, source); !errors.Is(err, capture.ErrStalled) {
		t.Errorf("got %v", err)
	}
}

// A camera that freezes keeps its connection, so only the time-out finds out,
// while the read hangs in FFmpeg.
func TestAnRTSPServerThatFreezesIsNoticed(t *testing.T) {
	process, host := rtspServer(t)
	o := options()
	o.Stall = 3 * time.Second
	source := openTest(t, "rtsp://"+host+"/stream", o)
	if _, err := next(t, source); err != nil {
		t.Fatal(err)
	}
	if err := process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	err := untilError(t, source)
	if !errors.Is(err, capture.ErrStalled) || !strings.Contains(err.Error(), "none for 3s") {
		t.Errorf("got %v", err)
	}
	begun := time.Now()
	if err := source.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > deadline/2 {
		t.Errorf("Close waited %v", took)
	}
}

func TestAnRTSPStreamThatEndsIsNoticed(t *testing.T) {
	_, host := rtspServer(t, "--frames", "50")
	o := options()
	o.Stall = 5 * time.Second
	if err := untilError(t, openTest(t, "rtsp://"+host+"/stream", o)); !errors.Is(err, capture.ErrStalled) {
		t.Errorf("got %v", err)
	}
}

// untilError takes frames until there are no more.
func untilError(t *testing.T, source capture.Source) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*deadline)
	defer cancel()
	for {
		frame, err := source.Next(ctx)
		if err != nil {
			return err
		}
		if err := frame.Close(); err != nil {
			return err
		}
	}
}

func TestACameraThatCannotBeOpenedSaysWhyWithoutThePassword(t *testing.T) {
	_, locked := rtspServer(t, "--password", "another")
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := nobody.Addr().String()
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ address, says string }{
		"wrong password":  {"rtsp://officer:" + password + "@" + locked + "/stream", "password"},
		"no password":     {"rtsp://" + locked + "/stream?password=" + password, "password"},
		"nobody answers":  {"rtsp://officer:" + password + "@" + free + "/stream", "connection refused"},
		"malformed":       {"rtsp://officer:" + password + "@host:port/stream", "malformed"},
		"not escaped":     {"rtsp://officer:gh0st%pl@host/stream", "malformed"},
		"without a host":  {"rtsp:///stream?password=" + password, "malformed"},
		"no device":       {"/dev/video-missing", "not plugged in"},
		"no device 999":   {"999", "/dev/video999"},
		"not a camera":    {"/dev/null", "no camera"},
		"unplugged by id": {"/dev/v4l/by-id/usb-gone", "not plugged in"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			source, err := capture.Open(c.address, options())
			if err == nil {
				_, err = next(t, source)
				if !errors.Is(err, capture.ErrNoCamera) {
					t.Errorf("got %v", err)
				}
				if err := source.Close(); err != nil {
					t.Error(err)
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "gh0st") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The driver's own words go to the program's standard error, which a service's
// journal keeps.
func TestThePasswordIsNotOnStandardErrorEither(t *testing.T) {
	if os.Getenv("CAPTURE_TEST_SPEAK") != "" {
		source := openTest(t, os.Getenv("CAPTURE_TEST_SPEAK"), options())
		_, err := next(t, source)
		t.Logf("spoke: %v", err)
		return
	}
	_, host := rtspServer(t, "--password", "another")
	self := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	self.Env = append(os.Environ(), "OPENCV_LOG_LEVEL=DEBUG", "CAPTURE_TEST_SPEAK=rtsp://officer:"+password+"@"+host+"/stream")
	out, err := self.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "spoke: rtsp://127.0.0.1") || strings.Contains(string(out), "gh0st") {
		t.Errorf("it said\n%s", out)
	}
}

func TestACameraIsToldFromAFileByItsName(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, jpegBytes(t, picture(8, 8)), dir, "7")
	for footage, live := range map[string]bool{
		"rtsp://host/stream": true, "RTSPS://host/stream": true, "/dev/video0": true, "0": true,
		"/dev/v4l/by-id/usb-camera": true, "/dev/null": true,
		"7": false, "drive.mp4": false, dir: false, "http://host/film.mp4": false, "rtsp.mp4": false,
	} {
		if capture.IsLive(footage) != live {
			t.Errorf("%s: live is %v", footage, !live)
		}
	}
}
