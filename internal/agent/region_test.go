package agent

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nrd/recognise"
)

var leftHalf = recognise.Region{0, 0.25, 0.5, 1}

const leftHalfLine = "region = [0.000, 0.250, 0.500, 1.000]"

func TestARegionIsSavedAndEveryOtherLineStays(t *testing.T) {
	second := "[[camera]] # the second\nname = \"B\"\n  region=[0.1, 0.1, 0.9, 0.9] # drawn by hand\nfootage = \"x.mp4\"\n\n[position]"
	two := strings.Replace(string(Sample), "[position]", second, 1)
	for name, c := range map[string]struct {
		text   string
		camera int
		region recognise.Region
		gone   string
		come   string
	}{
		"where there was none":             {string(Sample), 0, leftHalf, "", leftHalfLine},
		"of the second camera":             {two, 1, leftHalf, "  region=[0.1, 0.1, 0.9, 0.9] # drawn by hand", "  " + leftHalfLine + " # drawn by hand"},
		"taken away for the whole picture": {two, 1, recognise.Region{}, "  region=[0.1, 0.1, 0.9, 0.9] # drawn by hand", ""},
		"none where there was none":        {string(Sample), 0, recognise.Region{}, "", ""},
		"with the lines' ends of Windows":  {strings.ReplaceAll(string(Sample), "\n", "\r\n"), 0, leftHalf, "", leftHalfLine + "\r"},
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, c.text)
			if err := saveRegion(file, c.camera, c.region); err != nil {
				t.Fatal(err)
			}
			now, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			gone, come := differences(c.text, string(now))
			if gone != c.gone || come != c.come {
				t.Errorf("gone %q, come %q", gone, come)
			}
			settings, err := LoadConfig(file)
			if err != nil || settings.Cameras[c.camera].Region != c.region {
				t.Errorf("%v, %v", settings, err)
			}
			for i, other := range settings.Cameras {
				if i != c.camera && other.Region == c.region && c.region != (recognise.Region{}) {
					t.Errorf("camera %d has it too", i)
				}
			}
		})
	}
}

// differences gives the lines that are only in one of two texts.
func differences(old, now string) (gone, come string) {
	only := func(a, b string) string {
		count := map[string]int{}
		for line := range strings.SplitSeq(b, "\n") {
			count[line]++
		}
		var out []string
		for line := range strings.SplitSeq(a, "\n") {
			if count[line]--; count[line] < 0 {
				out = append(out, line)
			}
		}
		return strings.Join(out, "\n")
	}
	return only(old, now), only(now, old)
}

func TestAFileThatCannotBeChangedSafelyIsLeftAlone(t *testing.T) {
	sample := string(Sample)
	before, rest, _ := strings.Cut(sample, "[[camera]]")
	_, after, _ := strings.Cut(rest, "[position]")
	for name, text := range map[string]string{
		"a text over several lines": strings.Replace(sample, `controller = "Example Constabulary"`, "controller = \"\"\"\n[[camera]]\n\"\"\"", 1),
		"a region over lines":       strings.Replace(sample, "camera = 1\n", "camera = 1\nregion = [\n0, 0,\n1, 1]\n", 1),
		"cameras in one line":       strings.Replace(before+"[position]"+after, "device =", "camera = [{footage = \"x.mp4\"}]\ndevice =", 1),
		"a file that is wrong":      strings.Replace(sample, "device =", "devise =", 1),
	} {
		t.Run(name, func(t *testing.T) {
			file := write(t, text)
			if err := saveRegion(file, 0, leftHalf); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("error %v", err)
			}
			if now, err := os.ReadFile(file); err != nil || string(now) != text {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func TestTheFileKeepsItsRightsAndALinkStaysALink(t *testing.T) {
	file := write(t, string(Sample))
	if err := os.Chmod(file, 0o640); err != nil { //nolint:gosec // the service's group reads it
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "nrd-agent.toml")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := saveRegion(link, 0, leftHalf); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link became a file")
	}
}

func FuzzWithRegion(f *testing.F) {
	f.Add(Sample, 0)
	f.Add([]byte("[[camera]]\nregion = [0, 0, 1, 1] # x\n[[camera]]\n"), 1)
	f.Add([]byte("[[camera]]\r\nname = '#[position]'\r\n"), 0)
	f.Fuzz(func(t *testing.T, text []byte, camera int) {
		changed, err := withRegion(text, camera, leftHalf)
		if err != nil {
			return
		}
		if onlyRegion(text, changed, max(camera, 0), leftHalf) != nil {
			return // what saveRegion refuses
		}
		if !bytes.Contains(changed, []byte(leftHalfLine)) {
			t.Fatalf("%q has no region", changed)
		}
	})
}
