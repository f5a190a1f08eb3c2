package main

import (
	"context"
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// network is the way from the unit to central, which can be made bad.
type network struct{ proxy *toxiproxy.Proxy }

// openNetwork leads from a free port to central's.
func openNetwork(port int) (*network, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // a toxic has a logger of its own
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	n := &network{toxiproxy.NewProxy(server, "link", "127.0.0.1:0", fmt.Sprintf("127.0.0.1:%d", port))}
	return n, n.proxy.Start()
}

// address is where the unit finds it.
func (n *network) address() string { return n.proxy.Listen }

// evils are the ways in which a link is bad, as toxics.
var evils = map[string][]string{
	"latency":              {`{"type":"latency","stream":"upstream","attributes":{"latency":150,"jitter":140}}`, `{"type":"latency","stream":"downstream","attributes":{"latency":150,"jitter":140}}`},
	"reset":                {`{"type":"reset_peer","stream":"downstream","attributes":{"timeout":50}}`},
	"slicer":               {`{"type":"slicer","stream":"upstream","attributes":{"average_size":40,"size_variation":30,"delay":50}}`, `{"type":"slicer","stream":"downstream","attributes":{"average_size":10,"size_variation":9,"delay":50}}`},
	"8 kB/s":               {`{"type":"bandwidth","stream":"upstream","attributes":{"rate":8}}`, `{"type":"bandwidth","stream":"downstream","attributes":{"rate":8}}`},
	"half-open to central": {`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`},
	"half-open to unit":    {`{"type":"timeout","stream":"downstream","attributes":{"timeout":0}}`},
	"black hole":           {`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`, `{"type":"timeout","stream":"downstream","attributes":{"timeout":0}}`},
}

// spoil makes the link bad until heal.
func (n *network) spoil(kind string) error {
	for i, toxic := range evils[kind] {
		named := fmt.Sprintf(`{"name":"%d",%s`, i, strings.TrimPrefix(toxic, "{"))
		if _, err := n.proxy.Toxics.AddToxicJson(strings.NewReader(named)); err != nil {
			return fmt.Errorf("the toxic %s: %w", toxic, err)
		}
	}
	return nil
}

func (n *network) heal(ctx context.Context) { n.proxy.Toxics.ResetToxics(ctx) }

// close ends every connection; twice does nothing.
func (n *network) close() { n.proxy.Stop() }
