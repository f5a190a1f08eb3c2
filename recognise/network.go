package recognise

import (
	"crypto/sha256"
	"fmt"

	"nrd/recognise/model"
	"nrd/recognise/network"
)

// openNetwork loads one of package model's networks; the version names its weights by the
// beginning of their checksum.
func openNetwork(name string) (n *network.Network, version string, err error) {
	weights, err := model.Weights(name)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	n, err = network.Open(weights)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", ErrNetwork, name, err)
	}
	return n, fmt.Sprintf("%x", sha256.Sum256(weights))[:8], nil
}
