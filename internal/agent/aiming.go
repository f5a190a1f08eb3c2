package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"nrd"
	"nrd/capture"
	"nrd/recognise"
	"nrd/recognise/aim"
	"nrd/uplink"
)

// ErrCameraHeld says that the agent is at work and has the camera.
var ErrCameraHeld = errors.New("the agent is running and holds the camera: stop it first (systemctl stop nrd-agent) and start it again afterwards")

// Aiming serves the page by which a camera is aimed: see package aim. Fill in the
// fields, then Run it once.
type Aiming struct {
	// Config is the unit's, and Camera the name of the camera to aim; "" for
	// its only one. Without Config Footage is looked at.
	Config  *Config
	Camera  string
	Footage string
	// Listen is the address of the page.
	Listen string
	// ShowReads puts the marks on the page, Vehicle asks for the figures of a
	// unit in a vehicle.
	ShowReads, Vehicle bool
	Terminal           io.Writer
	Clock              nrd.Clock
	Log                *slog.Logger
}

// Run serves the page until ctx ends. The agent cannot start meanwhile.
func (a *Aiming) Run(ctx context.Context) (err error) {
	page := &aim.Aim{Terminal: a.Terminal, ShowReads: a.ShowReads, Vehicle: a.Vehicle, Clock: a.Clock, Log: a.Log}
	camera := CameraConfig{Footage: a.Footage, Name: a.Footage}
	if a.Config != nil {
		held, err := a.hold()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, held.Close()) }()
		i, err := a.Config.camera(a.Camera)
		if err != nil {
			return err
		}
		camera = a.Config.Cameras[i]
		a.configure(page, i)
	} else if page.Profile, err = nrd.LoadProfile(nrd.DefaultProfile); err != nil {
		return err
	}
	page.Name = camera.Name
	page.Open = func() (capture.Source, error) {
		return capture.Open(camera.Footage, capture.Options{
			Clock: a.Clock, Stall: time.Duration(camera.Stall), Pace: true, Log: a.Log,
		})
	}
	var listen net.ListenConfig
	if page.Listener, err = listen.Listen(ctx, "tcp", a.Listen); err != nil {
		return fmt.Errorf("the page cannot be served: %w", err)
	}
	if err := page.Run(ctx); err != nil {
		return fmt.Errorf("camera %s: %w", page.Name, err)
	}
	return nil
}

// configure gives the page what the unit's configuration says of the camera.
func (a *Aiming) configure(page *aim.Aim, i int) {
	c := a.Config
	page.Profile, page.Engine, page.LeastConfidence = c.profile, c.Recognise.Engine, c.Recognise.MinimumConfidence
	page.Vehicle = page.Vehicle || c.Deployment != "" || c.Position.GPS != ""
	page.Region = c.Cameras[i].Region
	page.Save = func(r recognise.Region) (string, error) {
		if err := saveRegion(c.file, i, r); err != nil {
			return "", fmt.Errorf("%w: %w. Put this line under [[camera]] %q of %s: %s", aim.ErrSave, err, c.Cameras[i].Name, c.file, aim.Line(r))
		}
		return fmt.Sprintf("Saved in %s. It holds from the agent's next start.", c.file), nil
	}
}

// hold keeps the agent from starting, and fails where it is at work.
func (a *Aiming) hold() (io.Closer, error) {
	held, err := uplink.Hold(filepath.Join(a.Config.Data, "buffer"))
	switch {
	case errors.Is(err, uplink.ErrInUse):
		return nil, ErrCameraHeld
	case errors.Is(err, fs.ErrNotExist):
		return io.NopCloser(nil), nil // it never ran
	}
	return held, err
}
