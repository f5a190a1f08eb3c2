package gps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nrd"
	"nrd/internal/clock"
)

const deadline = 30 * time.Second

// terminal is a pseudo terminal: what is written to line is heard at device, as
// from a receiver on a serial line.
func terminal(t *testing.T) (line *os.File, device string) {
	t.Helper()
	line, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = line.Close() }) // a test may have unplugged it
	if err := unix.IoctlSetPointerInt(int(line.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(line.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return line, fmt.Sprintf("/dev/pts/%d", n)
}

func say(t *testing.T, to io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(to, text); err != nil {
		t.Fatal(err)
	}
}

// start runs a receiver until the test ends, and says that Run then ended well.
func start(t *testing.T, r *Receiver) {
	t.Helper()
	if r.Clock == nil {
		r.Clock = clock.System()
	}
	r.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(deadline):
			t.Error("Run does not end")
		}
	})
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(deadline); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: it never happens", what)
		}
	}
}

func TestASerialReceiverIsHeard(t *testing.T) {
	line, device := terminal(t)
	now := clock.NewManual(time.Date(2026, 11, 23, 10, 20, 14, 3e8, time.UTC))
	var proved atomic.Int64
	r := &Receiver{Address: device, Baud: 115200, Clock: now, Prove: func(source nrd.ClockSource, ahead time.Duration) {
		if source == nrd.ClockGPS {
			proved.Store(int64(ahead))
		}
	}}
	if f := r.Fix(now.Stamp()); f.Known() {
		t.Errorf("before Run: %+v", f)
	}
	start(t, r)
	say(t, line, "noise\r\n"+sentence(rmcBody)+sentence(ggaBody))
	until(t, "a fix comes", func() bool { return r.Fix(now.Stamp()).Satellites == 11 })

	now.Advance(time.Second)
	now.Set(now.Now().AddDate(10, 0, 0)) // the fix is a second old all the same
	f := r.Fix(now.Stamp())
	if !near(f.Latitude, 52.628) || !f.SpeedKnown || f.Age != time.Second {
		t.Errorf("got %+v", f)
	}
	if r.Skipped() != 1 || r.Problem() != nil {
		t.Errorf("%d skipped, problem %v", r.Skipped(), r.Problem())
	}
	if ahead := time.Duration(proved.Load()); ahead != 300*time.Millisecond {
		t.Errorf("the wall clock was found %v ahead", ahead)
	}
	if f := r.Fix(nrd.Stamp{Source: nrd.ClockFile, Monotonic: time.Hour}); f.Known() {
		t.Errorf("footage from a file was not taken here: %+v", f)
	}
	now.Advance(10 * time.Second)
	if f := r.Fix(now.Stamp()); f.Known() {
		t.Errorf("eleven seconds later: %+v", f)
	}
}

func TestTheSerialLineIsSetToItsSpeedAndRaw(t *testing.T) {
	_, device := terminal(t)
	line, err := openSerial(device, 38400)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := line.Close(); err != nil {
			t.Error(err)
		}
	}()
	set, err := unix.IoctlGetTermios(int(line.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	if set.Cflag&unix.CBAUD != unix.B38400 || set.Cflag&unix.CSIZE != unix.CS8 || set.Lflag&(unix.ICANON|unix.ECHO) != 0 || set.Iflag&unix.ICRNL != 0 {
		t.Errorf("set to %+v", set)
	}
}

func TestAReceiverThatIsUnpluggedIsFoundAgain(t *testing.T) {
	device := filepath.Join(t.TempDir(), "gps") // as udev's links are
	r := &Receiver{Address: device}
	start(t, r)
	until(t, "a missing receiver is a problem", func() bool { return errors.Is(r.Problem(), os.ErrNotExist) })
	if !strings.Contains(r.Problem().Error(), device) {
		t.Errorf("the receiver is not named: %v", r.Problem())
	}
	line, name := terminal(t)
	if err := os.Symlink(name, device); err != nil {
		t.Fatal(err)
	}
	until(t, "it is found", func() bool {
		say(t, line, sentence(rmcBody))
		return r.Problem() == nil && r.Fix(r.Clock.Stamp()).Known()
	})
	if err := errors.Join(os.Remove(device), line.Close()); err != nil {
		t.Fatal(err)
	}
	until(t, "its loss is a problem", func() bool { return r.Problem() != nil })

	line, name = terminal(t)
	if err := os.Symlink(name, device); err != nil {
		t.Fatal(err)
	}
	until(t, "it is found again", func() bool {
		say(t, line, sentence(rmcBody))
		return r.Problem() == nil
	})
}

func TestAReceiverWithABadAddressSaysSo(t *testing.T) {
	r := &Receiver{Address: "/dev/null", Clock: clock.System(), Log: slog.New(slog.DiscardHandler), Baud: 1234}
	if err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "1234") {
		t.Errorf("baud: %v", err)
	}
	for _, address := range []string{"/dev/null", t.TempDir(), "gpsd://127.0.0.1:1", "gpsd://127.0.0.1:99999"} {
		r := &Receiver{Address: address}
		start(t, r)
		until(t, address, func() bool { return r.Problem() != nil && strings.Contains(r.Problem().Error(), address) })
	}
}

// The real gpsd, which hears the receiver on a pseudo terminal.
func TestAReceiverBehindGPSDIsHeard(t *testing.T) {
	line, device := terminal(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err == nil {
		err = free.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	// gpsd gives up root's rights, but must open the terminal after that.
	if err := os.Chmod(device, 0o666); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("/usr/sbin/gpsd", "-N", "-n", "-b", "-S", port, device)
	daemon.Stderr = os.Stderr
	if err := daemon.Start(); err != nil {
		t.Fatalf("gpsd is needed (apt install gpsd): %v", err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill() // what it says of its end does not matter
		_ = daemon.Wait()
	})
	r := &Receiver{Address: "gpsd://127.0.0.1:" + port}
	start(t, r)
	second := 0
	until(t, "a fix comes", func() bool {
		at := fmt.Sprintf("1020%02d", second%60)
		second++
		say(t, line, sentence(strings.Replace(rmcBody, "102014", at, 1))+sentence(strings.Replace(ggaBody, "102014", at, 1)))
		return r.Fix(r.Clock.Stamp()).Known()
	})
	if f := r.Fix(r.Clock.Stamp()); !near(f.Latitude, 52.628) || !f.SpeedKnown {
		t.Errorf("got %+v", f)
	}
	if r.Skipped() != 0 {
		t.Errorf("%d lines of gpsd were not understood", r.Skipped())
	}
}
