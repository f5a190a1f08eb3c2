package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"nrd"
)

// firstRelease reads a payload as the first release wrote it. These files never change.
func firstRelease(t *testing.T, name string) []byte {
	t.Helper()
	payload, err := os.ReadFile(filepath.Join("testdata", "first", name+".bin"))
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// newer adds to a payload what a later release may: fields of which this one
// knows nothing.
func newer(payload []byte) []byte {
	payload = protowire.AppendVarint(protowire.AppendTag(bytes.Clone(payload), 9001, protowire.VarintType), 42)
	return protowire.AppendBytes(protowire.AppendTag(payload, 9002, protowire.BytesType), []byte("something new"))
}

// understood decodes and checks a payload of a kind.
func understood(name string, payload []byte) (proto.Message, error) {
	switch name {
	case "record":
		m := &Record{}
		if err := Unmarshal(payload, m); err != nil {
			return nil, err
		}
		_, err := ToRecord(m)
		return m, err
	case "image":
		m := &Image{}
		if err := Unmarshal(payload, m); err != nil {
			return nil, err
		}
		_, _, _, err := ToImage(m)
		return m, err
	case "event":
		m := &Event{}
		if err := Unmarshal(payload, m); err != nil {
			return nil, err
		}
		_, err := CheckEvent(m)
		return m, err
	case "status", "will":
		m := &Status{}
		if err := Unmarshal(payload, m); err != nil {
			return nil, err
		}
		_, _, err := ToStatus(m)
		return m, err
	case "receipt":
		m := &Receipt{}
		if err := Unmarshal(payload, m); err != nil {
			return nil, err
		}
		return m, CheckReceipt(m)
	default:
		m := &Command{}
		return m, Unmarshal(payload, m)
	}
}

func TestOlderAndNewerMessagesAreUnderstoodAndLoseNothing(t *testing.T) {
	for _, name := range []string{"record", "image", "event", "status", "will", "receipt", "command"} {
		for age, payload := range map[string][]byte{"the first release's": firstRelease(t, name), "a later release's": newer(firstRelease(t, name))} {
			m, err := understood(name, payload)
			if err != nil {
				t.Errorf("%s %s: %v", age, name, err)
				continue
			}
			again, err := Marshal(m)
			if err != nil || !bytes.Equal(again, payload) {
				t.Errorf("%s %s has lost something on its way: %v", age, name, err)
			}
		}
	}
}

func TestTheFirstReleasesRecordMeansTheSame(t *testing.T) {
	m, err := understood("record", firstRelease(t, "record"))
	if err != nil {
		t.Fatal(err)
	}
	sent, ok := m.(*Record)
	if !ok {
		t.Fatalf("it is understood as %T", m)
	}
	r, err := ToRecord(sent)
	if err != nil {
		t.Fatal(err)
	}
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	if r.Key != (nrd.Key{Device: "unit-1", Epoch: 0x6a09e667f3bcc908, Sequence: 7}) || r.Read.VRM != "AB12CDE" || !r.Captured.UTC.Equal(noon) ||
		!r.Captured.Proved || r.Camera.Name != "front" || len(r.Hits) != 1 || r.Hits[0].Entry.Priority != nrd.PriorityHigh || r.Fix.Latitude != 51.5 {
		t.Errorf("the record is read as %+v", r)
	}
}

func TestANewCommandIsNoneOfTheOldOnes(t *testing.T) {
	payload := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 0)[:1]
	payload = protowire.AppendFixed64(payload, 1)
	payload = protowire.AppendBytes(protowire.AppendTag(payload, 9003, protowire.BytesType), []byte{8, 1})
	m := &Command{}
	if err := Unmarshal(payload, m); err != nil {
		t.Fatal(err)
	}
	if m.GetWhat() != nil {
		t.Errorf("it is taken for %T", m.GetWhat())
	}
}
