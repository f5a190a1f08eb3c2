package notify

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// manager is a service manager's socket; the environment names it.
func manager(t *testing.T) *net.UnixConn {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := socket.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Setenv("NOTIFY_SOCKET", path)
	return socket
}

// told waits for the next message.
func told(t *testing.T, socket *net.UnixConn) string {
	t.Helper()
	if err := socket.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, 100)
	n, err := socket.Read(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(message[:n])
}

func TestTheManagerIsToldOfStartAndEnd(t *testing.T) {
	socket := manager(t)
	if err := Ready(); err != nil {
		t.Fatal(err)
	}
	if got := told(t, socket); got != "READY=1" {
		t.Errorf("told %q", got)
	}
	if err := Stopping(); err != nil {
		t.Fatal(err)
	}
	if got := told(t, socket); got != "STOPPING=1" {
		t.Errorf("told %q", got)
	}
}

func TestWithoutAManagerNothingIsTold(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "")
	healthy := func() error { t.Error("nobody asked"); return nil }
	if err := errors.Join(Ready(), Watch(t.Context(), healthy), Stopping()); err != nil {
		t.Error(err)
	}
}

func TestASocketThatIsGoneIsAnError(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone"))
	if err := Ready(); err == nil {
		t.Error("no error")
	}
}

func TestTheWatchdogHearsNothingWhileTheProgramIsUnwell(t *testing.T) {
	socket := manager(t)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", "")
	asked := 0
	healthy := func() error { // unwell when asked first and second
		asked++
		if asked < 3 {
			return errors.New("unwell")
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- Watch(ctx, healthy) }()
	if got := told(t, socket); got != "WATCHDOG=1" {
		t.Errorf("told %q", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if asked < 3 {
		t.Errorf("the watchdog was told after %d questions: while the program was unwell", asked)
	}
}

func TestAWatchdogForAnotherProcessIsNotOurs(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(1))
	if err := Watch(t.Context(), func() error { t.Error("asked"); return nil }); err != nil {
		t.Error(err)
	}
}

func TestABadIntervalIsNamed(t *testing.T) {
	for _, text := range []string{"soon", "-5", "0", "99999999999999999999"} {
		t.Setenv("WATCHDOG_USEC", text)
		if err := Watch(t.Context(), func() error { return nil }); err == nil {
			t.Errorf("%q passed", text)
		}
	}
}
