package agent

import (
	"reflect"
	"strings"
	"testing"

	"nrd/uplink"
)

func TestLinksOfTheSampleAreTaken(t *testing.T) {
	text := string(Sample)
	for _, setting := range []string{"[[link]]", "interface", "rate", "images"} {
		if !strings.Contains(text, "\n#"+setting) {
			t.Fatalf("the sample does not show %s", setting)
		}
		text = strings.Replace(text, "\n#"+setting, "\n"+setting, 1)
	}
	c, err := LoadConfig(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	if want := []uplink.LinkClass{{Interface: "wwan*", BytesPerSecond: 16_000, Images: uplink.ImagesHits}}; !reflect.DeepEqual(c.links(), want) {
		t.Errorf("links %+v, want %+v", c.links(), want)
	}
	for want, wrong := range map[string]string{
		"images \"some\"": `images = "hits"`, "bytes a second": `rate = "16kB"`, "no pattern": `interface = "wwan*"`,
	} {
		bad := map[string]string{`images = "hits"`: `images = "some"`, `rate = "16kB"`: `rate = "1B"`, `interface = "wwan*"`: `interface = "[a"`}[wrong]
		if _, err := LoadConfig(write(t, strings.Replace(text, wrong, bad, 1))); err == nil || !strings.Contains(err.Error(), "link[0]") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
