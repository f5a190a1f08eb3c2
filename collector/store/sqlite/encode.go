package sqlite

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

// encode gives what is kept of a record: its message as it came or, where the
// item holds none, the message of the record.
func encode(item *store.Item) ([]byte, error) {
	if len(item.Payload) > 0 {
		return item.Payload, nil
	}
	m := wire.FromRecord(item.Record)
	if _, err := wire.ToRecord(m); err != nil {
		return nil, err // it could not be read back
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

func decode(data []byte) (*nrd.Record, error) {
	var m wire.Record
	if err := proto.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("a stored record: %w", err)
	}
	r, err := wire.ToRecord(&m)
	if err != nil {
		return nil, fmt.Errorf("a stored record: %w", err)
	}
	return r, nil
}
