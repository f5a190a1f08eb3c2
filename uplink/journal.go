package uplink

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"nrd/internal/sealed"
)

// journal makes a batch durable with one short write. The database, which must
// write whole pages of 4 KiB up to its root for every change, follows with many
// batches at once: a checkpoint. A unit that comes back from a power cut does
// what the journal says since the last checkpoint once more.
//
// The file has a fixed length and is written over after each checkpoint, so it
// needs no room on a disk that somebody else has filled. A frame is a batch:
//
//	magic, generation, number, length, CRC of the body, CRC of all that; body
//
// The generation goes up by one with each checkpoint, also with one that failed
// and may be on disk all the same, and stands in the database too: what counts
// are the frames whose generation is not below the database's.
type journal struct {
	file *os.File
	// generation is that of what is written now, base the lowest since the last
	// checkpoint that is known to be on disk.
	generation, base uint64
	// number is the next frame's, end where it goes.
	number uint64
	end    int64
	size   int64
	// broken says that a write failed: what the disk holds behind end is not
	// known, so nothing is written before the next checkpoint.
	broken bool
}

const (
	frameHeader  = 4 + 8 + 8 + 4 + 4 + 4
	frameMagic   = 0x4e52444a // NRDJ
	journalMost  = 1 << 20
	journalLeast = 128 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openJournal opens the file, or makes it of zeros.
func openJournal(dir string, size int64) (*journal, error) {
	path := filepath.Join(dir, "journal")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0:
		err = sealed.WriteFile(path, make([]byte, size), 0o600)
	case err == nil:
		size = max(info.Size(), journalLeast) // the quota may have been another
	}
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{file: file, size: size}, nil
}

// fits reports whether a body can be appended. A batch that keeps something may
// use one half; the other is for what makes room when no checkpoint can be made.
func (j *journal) fits(body []byte, keeps bool) bool {
	limit := j.size
	if keeps {
		limit /= 2
	}
	return !j.broken && j.end+frameHeader+int64(len(body)) <= limit
}

// append makes a batch durable.
func (j *journal) append(body []byte) error {
	frame := append(j.header(body), body...)
	_, err := j.file.WriteAt(frame, j.end)
	if err == nil {
		err = unix.Fdatasync(int(j.file.Fd()))
	}
	if err != nil {
		j.broken = true
		return fmt.Errorf("journal: %w", err)
	}
	j.end += int64(len(frame))
	j.number++
	return nil
}

func (j *journal) header(body []byte) []byte {
	h := make([]byte, 0, frameHeader+len(body))
	h = binary.BigEndian.AppendUint32(h, frameMagic)
	h = binary.BigEndian.AppendUint64(h, j.generation)
	h = binary.BigEndian.AppendUint64(h, j.number)
	h = binary.BigEndian.AppendUint32(h, uint32(len(body)))
	h = binary.BigEndian.AppendUint32(h, crc32.Checksum(body, castagnoli))
	return binary.BigEndian.AppendUint32(h, crc32.Checksum(h, castagnoli))
}

// begin starts a generation at the file's beginning.
func (j *journal) begin(generation uint64) {
	j.generation, j.base, j.number, j.end, j.broken = generation, generation, 0, 0, false
}

func (j *journal) close() error { return j.file.Close() }

// frame is one batch as it was read back.
type frame struct {
	generation, number uint64
	body               []byte
	// whole is false where the body is not what was written.
	whole bool
	end   int64
	// before is what stands between this frame and the one before.
	before []byte
}

// recover reads the journal that an earlier run left and goes on behind it.
// unknown says that the database cannot tell the generation: then the first
// frame in the file does, since each generation begins there.
func (j *journal) recover(unknown bool) ([]frame, error) {
	frames, err := j.frames(j.size)
	if err != nil {
		return nil, err
	}
	if unknown && len(frames) > 0 {
		j.base = frames[0].generation
	}
	frames = j.current(frames)
	j.begin(j.base)
	if n := len(frames); n > 0 {
		last := frames[n-1]
		j.generation, j.number, j.end = last.generation, last.number+1, last.end
	}
	return frames, nil
}

// written gives the frames of this run since the last checkpoint.
func (j *journal) written() ([]frame, error) {
	frames, err := j.frames(j.end)
	return j.current(frames), err
}

// frames gives everything up to a place that looks like a frame.
func (j *journal) frames(limit int64) ([]frame, error) {
	data := make([]byte, limit)
	if n, err := j.file.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if int64(n) < limit {
		data = data[:n]
	}
	var found []frame
	last := int64(0) // the end of the last one
	magic := binary.BigEndian.AppendUint32(nil, frameMagic)
	for at := int64(0); ; {
		next := bytes.Index(data[at:], magic)
		if next < 0 {
			return found, nil
		}
		at += int64(next)
		f, ok := parseFrame(data, at)
		switch {
		case !ok:
			at++
			continue
		case f.whole:
			at = f.end
		default:
			at += frameHeader
		}
		f.before = data[min(last, f.end-int64(len(f.body))-frameHeader) : f.end-int64(len(f.body))-frameHeader]
		found, last = append(found, f), f.end
	}
}

// current leaves out what is not of the journal since the last checkpoint:
// generation and number never go down. A frame that is not whole was damaged
// where another follows, and so was one that is missing between two: its body is
// what stands there. At the end it is a write that the power cut off, of a batch
// that nobody was told of, and is left out.
func (j *journal) current(frames []frame) []frame {
	var good []frame
	generation, number := j.base, uint64(0)
	for _, f := range frames {
		if f.generation >= generation && f.number >= number {
			if f.number > number && len(f.before) > frameHeader {
				good = append(good, frame{generation: f.generation, number: number, body: f.before[frameHeader:]})
			}
			good = append(good, f)
			generation, number = f.generation, f.number+1
		}
	}
	for len(good) > 0 && !good[len(good)-1].whole {
		good = good[:len(good)-1]
	}
	return good
}

// parseFrame reads a frame at a place that may hold anything.
func parseFrame(data []byte, at int64) (frame, bool) {
	d := data[at:]
	if len(d) < frameHeader || binary.BigEndian.Uint32(d) != frameMagic ||
		crc32.Checksum(d[:frameHeader-4], castagnoli) != binary.BigEndian.Uint32(d[frameHeader-4:]) {
		return frame{}, false
	}
	length := int64(binary.BigEndian.Uint32(d[20:]))
	if length > int64(len(d)-frameHeader) {
		return frame{}, false
	}
	f := frame{
		generation: binary.BigEndian.Uint64(d[4:]), number: binary.BigEndian.Uint64(d[12:]),
		body: d[frameHeader : frameHeader+length], end: at + frameHeader + length,
	}
	f.whole = crc32.Checksum(f.body, castagnoli) == binary.BigEndian.Uint32(d[24:])
	return f, true
}

// change is one put or delete in a bucket of the database: what a batch is made
// of. A delete has no value; no value that the buffer puts is nil.
type change struct {
	bucket     byte
	key, value []byte
}

const changeHeader = 1 + 1 + 1 + 4 + 4

// appendChange adds a change to a frame's body. Its header and key have a CRC of
// their own, so that of a damaged batch only the damaged item is lost.
func appendChange(body []byte, c change) []byte {
	start := len(body)
	has := byte(0)
	if c.value != nil {
		has = 1
	}
	body = append(body, c.bucket, has, byte(len(c.key)))
	body = binary.BigEndian.AppendUint32(body, uint32(len(c.value)))
	sum := crc32.Update(crc32.Checksum(body[start:], castagnoli), castagnoli, c.key)
	body = binary.BigEndian.AppendUint32(body, sum)
	return append(append(body, c.key...), c.value...)
}

// parseChanges reads a body. Where something in it makes no sense it goes on with
// what does: lost counts these places, each of at least one change.
func parseChanges(body []byte) (changes []change, lost int) {
	astray := false
	for len(body) > 0 {
		c, length := parseChange(body)
		if length == 0 {
			if !astray {
				lost++
			}
			astray, body = true, body[1:]
			continue
		}
		changes = append(changes, c)
		astray, body = false, body[length:]
	}
	return changes, lost
}

// parseChange reads the change at the beginning of a body that may be anything;
// length 0 says that there is none.
func parseChange(body []byte) (c change, length int) {
	if len(body) < changeHeader {
		return c, 0
	}
	keyEnd := changeHeader + int(body[2])
	end := int64(keyEnd) + int64(binary.BigEndian.Uint32(body[3:]))
	if end > int64(len(body)) {
		return c, 0
	}
	sum := crc32.Update(crc32.Checksum(body[:7], castagnoli), castagnoli, body[changeHeader:keyEnd])
	if sum != binary.BigEndian.Uint32(body[7:]) {
		return c, 0
	}
	c = change{bucket: body[0], key: body[changeHeader:keyEnd]}
	if body[1] != 0 {
		c.value = body[keyEnd:end:end]
	}
	return c, int(end)
}
