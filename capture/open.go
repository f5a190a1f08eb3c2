package capture

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Open opens what footage names: an address that starts with rtsp:// or rtsps://,
// a device such as /dev/video0 or its number alone, a folder of photographs, a
// photograph (.jpg, .jpeg or .png), or else a video file.
//
// Files are looked at before Open returns. A camera is opened behind it, so that
// Open never hangs: Next then says ErrNoCamera if that failed.
func Open(footage string, o Options) (Source, error) {
	switch {
	case isRTSP(footage):
		return OpenRTSP(footage, o)
	case IsLive(footage):
		return OpenDevice(footage, o)
	}
	if _, err := os.Stat(footage); err != nil {
		return nil, fmt.Errorf("footage %w", err)
	}
	if IsStills(footage) {
		return NewStills([]string{footage}, o)
	}
	return OpenVideo(footage, o)
}

// IsStills reports whether footage names a photograph or a folder of them.
func IsStills(footage string) bool {
	if IsLive(footage) {
		return false
	}
	info, err := os.Stat(footage)
	return err == nil && (info.IsDir() || isPhotograph(footage))
}

// IsLive reports whether footage names a camera rather than a file, whether or
// not the camera is there.
func IsLive(footage string) bool {
	return isRTSP(footage) || isDevice(footage)
}

func isRTSP(footage string) bool {
	scheme, _, found := strings.Cut(footage, "://")
	scheme = strings.ToLower(scheme)
	return found && (scheme == "rtsp" || scheme == "rtsps")
}

var deviceNumber = regexp.MustCompile(`^[0-9]{1,3}$`)

// isDevice holds for /dev/video0 and /dev/v4l/by-id/..., and for a number that
// is not the name of a file.
func isDevice(footage string) bool {
	if deviceNumber.MatchString(footage) {
		_, err := os.Stat(footage)
		return err != nil
	}
	if strings.HasPrefix(footage, "/dev/video") || strings.HasPrefix(footage, "/dev/v4l/") {
		return true
	}
	info, err := os.Stat(footage)
	return err == nil && info.Mode()&fs.ModeCharDevice != 0
}

func isPhotograph(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jpg", ".jpeg", ".png":
		return true
	}
	return false
}
