package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"nrd"
	"nrd/collector/store"
	"nrd/internal/sealed"
)

// A source is a device's epoch. A record's and an image's order of arrival is
// the order of id; image_end is where the file of images ends. A record's
// captured is the corrected time where it has a correction. In the second format
// a quarantined record names the start of the unit whose clock was not proved. An
// officer's action is an event, whose data says all of it; in the third format table
// officer is where it is found. The fourth has the hit alarms: one for each entry
// that a record matched; the fifth finds them by their priority too.
var daySchema = []string{`
	CREATE TABLE source(id INTEGER PRIMARY KEY, device TEXT NOT NULL, epoch INTEGER NOT NULL, UNIQUE(device, epoch)) STRICT;
	CREATE TABLE record(id INTEGER PRIMARY KEY, source INTEGER NOT NULL, sequence INTEGER NOT NULL,
		captured INTEGER NOT NULL, received INTEGER NOT NULL, vrm TEXT NOT NULL, camera TEXT NOT NULL, hit INTEGER NOT NULL,
		digest BLOB NOT NULL, patch BLOB, overview BLOB, data BLOB NOT NULL,
		UNIQUE(source, sequence)) STRICT;
	CREATE INDEX record_vrm ON record(vrm, captured);
	CREATE INDEX record_captured ON record(captured);
	CREATE INDEX record_hit ON record(captured) WHERE hit=1;
	CREATE TABLE image(source INTEGER, sequence INTEGER, kind TEXT, digest BLOB NOT NULL,
		width INTEGER NOT NULL, height INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
		PRIMARY KEY(source, sequence, kind)) STRICT, WITHOUT ROWID;
	CREATE TABLE event(source INTEGER, sequence INTEGER, received INTEGER NOT NULL, digest BLOB NOT NULL, data BLOB NOT NULL,
		PRIMARY KEY(source, sequence)) STRICT, WITHOUT ROWID;
	CREATE TABLE waiting(source INTEGER, sequence INTEGER, kind TEXT, received INTEGER NOT NULL, digest BLOB NOT NULL,
		width INTEGER NOT NULL, height INTEGER NOT NULL, jpeg BLOB NOT NULL,
		PRIMARY KEY(source, sequence, kind)) STRICT;
	CREATE TABLE quarantine(id INTEGER PRIMARY KEY, source INTEGER NOT NULL, sequence INTEGER NOT NULL, kind TEXT NOT NULL,
		received INTEGER NOT NULL, digest BLOB NOT NULL, patch BLOB, overview BLOB, width INTEGER NOT NULL, height INTEGER NOT NULL,
		reason TEXT NOT NULL, data BLOB NOT NULL,
		UNIQUE(source, sequence, kind, digest)) STRICT;
	CREATE TABLE total(records INTEGER NOT NULL, hits INTEGER NOT NULL, images INTEGER NOT NULL,
		quarantined INTEGER NOT NULL, waiting_bytes INTEGER NOT NULL, image_end INTEGER NOT NULL) STRICT;
	INSERT INTO total VALUES (0, 0, 0, 0, 0, 0)`, `
	ALTER TABLE quarantine ADD COLUMN boot TEXT NOT NULL DEFAULT '';
	CREATE INDEX quarantine_boot ON quarantine(boot) WHERE boot<>'';
	CREATE TABLE correction(source INTEGER, sequence INTEGER, data TEXT NOT NULL, PRIMARY KEY(source, sequence)) STRICT, WITHOUT ROWID`, `
	CREATE TABLE officer(source INTEGER, sequence INTEGER, filed INTEGER NOT NULL, action TEXT NOT NULL, collar TEXT NOT NULL, vrm TEXT NOT NULL,
		record_source INTEGER, record_sequence INTEGER, PRIMARY KEY(source, sequence)) STRICT, WITHOUT ROWID;
	CREATE INDEX officer_filed ON officer(filed);
	CREATE INDEX officer_record ON officer(record_source, record_sequence) WHERE record_source IS NOT NULL`, `
	CREATE TABLE hit_alarm(source INTEGER, sequence INTEGER, list TEXT, vrm TEXT, reference TEXT, captured INTEGER NOT NULL, finder TEXT NOT NULL,
		data TEXT NOT NULL, PRIMARY KEY(source, sequence, list, vrm, reference)) STRICT, WITHOUT ROWID;
	CREATE INDEX hit_alarm_captured ON hit_alarm(captured)`, `
	CREATE INDEX hit_alarm_priority ON hit_alarm(` + hitPriority + `, captured)`}

// hitPriority is a hit alarm's priority.
const hitPriority = `json_extract(data, '$.Hit.Entry.Priority')`

// Names of a day's two files in its folder.
const (
	recordsFile = "records.db"
	imagesFile  = "images"
)

// totals is the row of table total.
type totals struct {
	records, hits, images, quarantined uint64
	waitingBytes, imageEnd             int64
}

// day is one open day: its database and its file of images, an append-only
// sequence of boxes sealed under the day's key.
type day struct {
	name     string
	db       *sql.DB
	images   *os.File
	imageKey *sealed.Key
	stmts    statements

	mu      sync.Mutex
	total   totals
	sources map[source]int64
}

// statements are prepared once for each open day.
type statements struct {
	recordDigests, imageDigest, eventDigest, waitingDigest, quarantined *sql.Stmt
	insertRecord, insertImage, insertEvent, insertWaiting               *sql.Stmt
	insertQuarantine, insertCorrection, insertOfficer                   *sql.Stmt
}

func (s *statements) prepare(db *sql.DB) error {
	for target, query := range map[**sql.Stmt]string{
		&s.recordDigests:    `SELECT digest, patch, overview FROM record WHERE source=? AND sequence=?`,
		&s.imageDigest:      `SELECT digest FROM image WHERE source=? AND sequence=? AND kind=?`,
		&s.eventDigest:      `SELECT digest FROM event WHERE source=? AND sequence=?`,
		&s.waitingDigest:    `SELECT digest FROM waiting WHERE source=? AND sequence=? AND kind=?`,
		&s.quarantined:      `SELECT digest FROM quarantine WHERE source=? AND sequence=? AND kind=?`,
		&s.insertRecord:     `INSERT INTO record VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&s.insertImage:      `INSERT INTO image VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		&s.insertEvent:      `INSERT INTO event VALUES (?, ?, ?, ?, ?)`,
		&s.insertWaiting:    `INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		&s.insertQuarantine: `INSERT INTO quarantine VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&s.insertCorrection: `INSERT INTO correction VALUES (?, ?, ?)`,
		&s.insertOfficer:    `INSERT INTO officer VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
	} {
		var err error
		if *target, err = db.Prepare(query); err != nil {
			return err
		}
	}
	return nil
}

// openDay opens or makes the files of a day in its folder.
func openDay(folder, name string, key *sealed.Key) (_ *day, err error) {
	if err := makeFolder(folder); err != nil {
		return nil, explain(err)
	}
	d := &day{name: name, imageKey: key.Derive(imagesPurpose), sources: map[source]int64{}}
	d.images, err = os.OpenFile(filepath.Join(folder, imagesFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, explain(err)
	}
	d.db, err = openDatabase(filepath.Join(folder, recordsFile), key.Derive(dayPurpose), daySchema)
	if err != nil {
		return nil, errors.Join(err, d.images.Close())
	}
	if err := d.load(folder); err != nil {
		return nil, errors.Join(fmt.Errorf("day %s: %w", name, explain(err)), d.close())
	}
	return d, nil
}

// makeFolder makes a new day's folder so that a power cut does not take it.
func makeFolder(folder string) error {
	err := os.Mkdir(folder, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return sealed.SyncDir(filepath.Dir(folder))
}

// load reads the totals and cuts off images that were written but never
// committed.
func (d *day) load(folder string) error {
	if err := d.stmts.prepare(d.db); err != nil {
		return err
	}
	t := &d.total
	if err := d.db.QueryRow(`SELECT records, hits, images, quarantined, waiting_bytes, image_end FROM total`).
		Scan(&t.records, &t.hits, &t.images, &t.quarantined, &t.waitingBytes, &t.imageEnd); err != nil {
		return err
	}
	info, err := d.images.Stat()
	if err != nil {
		return err
	}
	if info.Size() < t.imageEnd {
		return fmt.Errorf("%s has %d bytes of %d: images are missing", filepath.Join(folder, imagesFile), info.Size(), t.imageEnd)
	}
	if info.Size() > t.imageEnd {
		if err := d.images.Truncate(t.imageEnd); err != nil {
			return err
		}
	}
	if t.imageEnd > 0 {
		return nil
	}
	return sealed.SyncDir(folder) // the files may be new
}

func (d *day) close() error { return errors.Join(d.db.Close(), d.images.Close()) }

func (d *day) totals() totals {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.total
}

func (d *day) knownSource(s source) (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id, ok := d.sources[s]
	return id, ok
}

// source gives the number of a device's epoch, or sql.ErrNoRows.
func (d *day) source(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}, key nrd.Key) (int64, error) {
	s := sourceOf(key)
	if id, ok := d.knownSource(s); ok {
		return id, nil
	}
	var id int64
	return id, db.QueryRowContext(ctx, `SELECT id FROM source WHERE device=? AND epoch=?`, s.device, int64(s.epoch)).Scan(&id)
}

// image reads and opens the box at offset.
func (d *day) image(key nrd.Key, kind store.Kind, offset, length int64) ([]byte, error) {
	box := make([]byte, length)
	if _, err := d.images.ReadAt(box, offset); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("the %s of %s: %w", kind, key, err)
	}
	jpeg, err := d.imageKey.Open(box, imageLabel(key, kind))
	if err != nil {
		return nil, fmt.Errorf("the %s of %s: %w", kind, key, err)
	}
	return jpeg, nil
}

// imageLabel binds a sealed image to its record, so that one image cannot be
// put in another's place.
func imageLabel(key nrd.Key, kind store.Kind) []byte {
	return []byte(key.String() + " " + string(kind))
}
