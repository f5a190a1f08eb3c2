package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// Chained gives the chain value of the line behind one whose chain value is
// before (zero for the first line): SHA-256 over before, sequence and time as
// big-endian 64-bit numbers (the time in nanoseconds since 1970), and account,
// action, subject, reason, from and outcome, each behind its length as a
// big-endian 64-bit number. Chain itself is not read.
func (a Access) Chained(before [32]byte) [32]byte {
	line := append([]byte(nil), before[:]...)
	line = binary.BigEndian.AppendUint64(line, a.Sequence)
	line = binary.BigEndian.AppendUint64(line, uint64(a.At.UnixNano()))
	for _, field := range []string{a.Account, a.Action, a.Subject, a.Reason, a.From, a.Outcome} {
		line = binary.BigEndian.AppendUint64(line, uint64(len(field)))
		line = append(line, field...)
	}
	return sha256.Sum256(line)
}
