package fleet

import (
	"net"

	"nrd/internal/limit"
)

// maxConnections is how many devices may be served at once; the next wait to be
// accepted.
const maxConnections = 200

// Limit bounds how many connections a listener has open, and with them the
// memory that strangers can take.
func Limit(l net.Listener) net.Listener { return limit.Listener(l, maxConnections) }
