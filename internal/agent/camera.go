package agent

import (
	"errors"
	"fmt"
	"strings"

	"nrd"
	"nrd/recognise"
)

// ErrCamera says that the configuration has no such camera, or several and none
// was chosen.
var ErrCamera = errors.New("which camera is meant is not clear")

// Recognition is how a unit recognises what one of its cameras shows.
type Recognition struct {
	// Camera is the camera's name.
	Camera  string
	Engine  string
	Profile nrd.Profile
	// LeastConfidence is the confidence below which a read is not given.
	LeastConfidence int
	// Region is the part of the picture that is looked at.
	Region recognise.Region
}

// Recognition gives the settings of the camera with this name; of the only one
// for "". The error is ErrCamera.
func (c *Config) Recognition(name string) (Recognition, error) {
	i, err := c.camera(name)
	if err != nil {
		return Recognition{}, err
	}
	return Recognition{
		Camera: c.Cameras[i].Name, Engine: c.Recognise.Engine, Profile: c.profile,
		LeastConfidence: c.Recognise.MinimumConfidence, Region: c.Cameras[i].Region,
	}, nil
}

// camera gives the place in the configuration of the camera with this name, of
// the only one for "".
func (c *Config) camera(name string) (int, error) {
	var names []string
	for i, cam := range c.Cameras {
		if cam.Name == name || name == "" && len(c.Cameras) == 1 {
			return i, nil
		}
		names = append(names, fmt.Sprintf("%q", cam.Name))
	}
	return 0, fmt.Errorf("%w: there are %s", ErrCamera, strings.Join(names, ", "))
}
