package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd/internal/clock"
	"nrd/uplink"
)

// aimable is a unit's configuration whose camera is a photograph.
func aimable(t *testing.T, change func(string) string) *Config {
	t.Helper()
	photograph, err := filepath.Abs(footage + "/rear-near.jpg")
	must(t, err)
	text := strings.NewReplacer(`"/dev/video0"`, `"`+photograph+`"`, `"/var/lib/nrd-agent"`, `"data"`).Replace(string(Sample))
	if change != nil {
		text = change(text)
	}
	c, err := LoadConfig(write(t, text))
	must(t, err)
	return c
}

func aiming(c *Config, terminal io.Writer) *Aiming {
	return &Aiming{Config: c, Listen: "127.0.0.1:0", Terminal: terminal, Clock: clock.System(), Log: slog.New(slog.DiscardHandler)}
}

func TestAimIsRefusedWhileTheAgentHoldsTheCamera(t *testing.T) {
	c := aimable(t, nil)
	dir := filepath.Join(c.Data, "buffer")
	must(t, os.MkdirAll(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "lock"), nil, 0o600))
	agent, err := uplink.Hold(dir) // as a running agent does
	must(t, err)
	if err := aiming(c, io.Discard).Run(t.Context()); !errors.Is(err, ErrCameraHeld) {
		t.Fatalf("error %v", err)
	}
	must(t, agent.Close())
}

func TestTheCameraToAimMustBeClear(t *testing.T) {
	two := func(text string) string {
		return strings.Replace(text, "[position]", "[[camera]]\nname = \"B\"\nfootage = \"none.jpg\"\n\n[position]", 1)
	}
	a := aiming(aimable(t, two), io.Discard)
	if err := a.Run(t.Context()); !errors.Is(err, ErrCamera) || !strings.Contains(err.Error(), `"A1 northbound lane 1", "B"`) {
		t.Errorf("error %v", err)
	}
	a.Camera = "B"
	if err := a.Run(t.Context()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "camera B") {
		t.Errorf("error %v", err)
	}
}

// TestARegionDrawnWhileAimingIsInTheConfiguration saves as the page does.
func TestARegionDrawnWhileAimingIsInTheConfiguration(t *testing.T) {
	c := aimable(t, nil)
	said := make(lines, 8)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- aiming(c, said).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
		http.DefaultClient.CloseIdleConnections()
	})
	var address string
	select {
	case line := <-said:
		address = strings.Fields(line)[1]
	case <-time.After(time.Minute):
		t.Fatal("it does not say where the page is")
	}
	answer, err := http.Post(address+"region", "application/json", strings.NewReader("[0, 0.25, 0.5, 1]"))
	must(t, err)
	text, err := io.ReadAll(answer.Body)
	must(t, errors.Join(err, answer.Body.Close()))
	if !strings.Contains(string(text), `"saved":true`) || !strings.Contains(string(text), c.file) {
		t.Fatalf("answered %s", text)
	}
	changed, err := LoadConfig(c.file)
	must(t, err)
	if changed.Cameras[0].Region != leftHalf {
		t.Errorf("the region is %v", changed.Cameras[0].Region)
	}
}

// lines takes what is printed.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}
