package gps

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// speeds of a serial line, in bits a second.
var speeds = map[int]uint32{
	4800: unix.B4800, 9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400,
	57600: unix.B57600, 115200: unix.B115200, 230400: unix.B230400, 460800: unix.B460800,
}

// openSerial opens a serial line of 8 bits, no parity, one stop bit, as it is on
// the wire: no echo, no signals, no waiting for a modem's carrier. Close ends a
// read that waits.
func openSerial(device string, baud int) (*os.File, error) {
	line, err := os.OpenFile(device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	// Not line.Fd, which would make reads block for ever.
	raw, err := line.SyscallConn()
	if err == nil {
		controlErr := raw.Control(func(fd uintptr) { err = setRaw(int(fd), baud) })
		if err == nil {
			err = controlErr
		}
	}
	if err != nil {
		_ = line.Close() // the first error says more
		return nil, fmt.Errorf("set serial line %s to %d baud: %w", device, baud, err)
	}
	return line, nil
}

func setRaw(fd, baud int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	speed := speeds[baud]
	t.Iflag, t.Oflag, t.Lflag = unix.IGNBRK|unix.IGNPAR, 0, 0
	t.Cflag = t.Cflag&^(unix.CBAUD|unix.CSIZE|unix.PARENB|unix.CSTOPB|unix.CRTSCTS) | unix.CS8 | unix.CREAD | unix.CLOCAL | speed
	t.Ispeed, t.Ospeed = speed, speed
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
