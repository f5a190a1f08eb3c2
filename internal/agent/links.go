package agent

import (
	"fmt"
	"strings"

	"nrd/internal/config"
	"nrd/uplink"
)

// LinkConfig says how one kind of link to central is used, known by the network
// interface that it leaves by. The first that fits holds.
type LinkConfig struct {
	// Interface is a name or a pattern such as wwan*.
	Interface string `toml:"interface"`
	// Rate is how much may be sent each second; 0 is no limit.
	Rate config.Size `toml:"rate"`
	// Images is all, hits or none; what is not sent waits for another link.
	Images uplink.Images `toml:"images"`
}

// links are the classes as the client takes them.
func (c *Config) links() []uplink.LinkClass {
	classes := make([]uplink.LinkClass, len(c.Links))
	for i, l := range c.Links {
		classes[i] = uplink.LinkClass{Interface: l.Interface, BytesPerSecond: int(min(l.Rate, 1<<30)), Images: l.Images}
	}
	return classes
}

func (c *Config) checkLinks(say func(key, format string, args ...any)) {
	for i, class := range c.links() {
		if err := class.Validate(); err != nil {
			say(fmt.Sprintf("link[%d]", i), "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
}
