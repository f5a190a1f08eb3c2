package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"nrd"
	"nrd/capture"
	"nrd/hotlist"
	"nrd/internal/identity"
	"nrd/internal/machinekey"
	"nrd/internal/sealed"
	"nrd/uplink"
)

// Finding is what the doctor has to say of one part of the unit.
type Finding struct {
	Part string `json:"part"`
	OK   bool   `json:"ok"`
	// Says is what was found, Do what to do about it where OK is false.
	Says string `json:"says"`
	Do   string `json:"do,omitempty"`
}

// Doctor looks at every part that a unit needs and says what is wrong and what
// to do. It changes nothing, and it works beside a running agent.
type Doctor struct {
	Config *Config
	Clock  nrd.Clock
	Log    *slog.Logger
	// Patience bounds each look at something that may not answer.
	Patience time.Duration
}

// Examine gives one finding for each part.
func (d *Doctor) Examine(ctx context.Context) []Finding {
	var findings []Finding
	keyFinding, key := d.key()
	if key != nil {
		findings = append(findings, d.configuration(key)...)
	}
	for _, cam := range d.Config.Cameras {
		findings = append(findings, d.camera(ctx, cam))
	}
	findings = append(findings, d.clock(), d.position(ctx))
	findings = append(findings, keyFinding, d.disk())
	if key != nil {
		findings = append(findings, d.store(key))
		findings = append(findings, d.lists(key)...)
	}
	return append(findings, d.certificate(key), d.broker(ctx, key))
}

// configuration says what central has set, which the rest goes by then.
func (d *Doctor) configuration(key *sealed.Key) []Finding {
	p, err := openPushed(d.Config.pushedFile(), key)
	if err != nil || p.status().Order == 0 {
		return nil
	}
	s := p.status()
	f := Finding{Part: "configuration", OK: true, Says: fmt.Sprintf("order %d of central: %s", s.Order, s.State)}
	if s.Reason != "" {
		f.OK, f.Says, f.Do = false, f.Says+": "+s.Reason, "have central send another: central device configure"
	}
	if c, err := d.Config.with(p.kept.Current); err == nil {
		d.Config = c
	}
	return []Finding{f}
}

func (d *Doctor) camera(ctx context.Context, cam CameraConfig) Finding {
	f := Finding{Part: "camera " + cam.Name}
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	source, err := capture.Open(cam.Footage, capture.Options{Clock: d.Clock, Stall: d.Patience, Log: d.Log})
	if err != nil {
		f.Says, f.Do = err.Error(), "check the cable, the address and that no other program (a running nrd-agent too) holds the camera"
		return f
	}
	defer source.Close() //nolint:errcheck // the camera is only looked at
	frame, err := source.Next(ctx)
	if err != nil {
		f.Says, f.Do = err.Error(), "the camera opens but gives no picture: check its power, its settings and the network to it"
		return f
	}
	defer frame.Close() //nolint:errcheck // as above
	f.OK = true
	f.Says = fmt.Sprintf("%d x %d pixels from %s", frame.Image.Cols(), frame.Image.Rows(), source)
	return f
}

func (d *Doctor) clock() Finding {
	s := d.Clock.Stamp()
	f := Finding{Part: "clock", OK: s.Proved, Says: fmt.Sprintf("%s, set by %s, off by at most %s", s.UTC.Format(time.RFC3339), s.Source, s.ClockError.Round(time.Millisecond))}
	if !s.Proved {
		f.Says = fmt.Sprintf("%s, not proved since boot", s.UTC.Format(time.RFC3339))
		f.Do = "let systemd-timesyncd or chrony reach a time server; reads are marked unproved until then"
	}
	return f
}

func (d *Doctor) position(ctx context.Context) Finding {
	f := Finding{Part: "position"}
	p, err := openPosition(d.Config.Position, d.Clock, d.Log)
	if err != nil {
		f.Says, f.Do = err.Error(), "name a receiver or a file of NMEA sentences in position.gps"
		return f
	}
	fix, err := d.firstFix(ctx, p)
	switch {
	case fix.Source == nrd.FixStatic:
		f.OK, f.Says = true, fmt.Sprintf("%.5f, %.5f from the configuration", fix.Latitude, fix.Longitude)
	case fix.Known():
		f.OK, f.Says = true, fmt.Sprintf("%.5f, %.5f, %d satellites", fix.Latitude, fix.Longitude, fix.Satellites)
	case err != nil:
		f.Says, f.Do = err.Error(), "check that the receiver is plugged in and that position.gps names it"
	default:
		f.Says, f.Do = "no position", "give the receiver a view of the sky, or set position.latitude and longitude"
	}
	return f
}

// firstFix waits for a receiver's first position, no longer than the doctor's
// patience, and gives what is wrong with the receiver otherwise.
func (d *Doctor) firstFix(ctx context.Context, p position) (nrd.Fix, error) {
	if p.receiver == nil {
		return p.Fix(d.Clock.Stamp()), nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	listening := make(chan error, 1)
	go func() { listening <- p.run(ctx) }()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		if fix := p.Fix(d.Clock.Stamp()); fix.Known() {
			cancel()
			return fix, <-listening
		}
		select {
		case err := <-listening:
			return nrd.Fix{}, errors.Join(err, p.problem())
		case <-look.C:
		}
	}
}

func (d *Doctor) key() (Finding, *sealed.Key) {
	f := Finding{Part: "storage key"}
	info, err := os.Stat(d.Config.Key)
	if err != nil {
		f.Says, f.Do = err.Error(), "make one with: nrd-agent key create FILE, and name it in key ="
		return f, nil
	}
	keeper, err := machinekey.At(d.Config.Key)
	var key *sealed.Key
	if err == nil {
		key, err = machinekey.Load(d.Config.Key)
	}
	if err != nil {
		f.Says, f.Do = err.Error(), "restore the key of this unit; without it its buffer cannot be opened"
		if errors.Is(err, machinekey.ErrTPM) {
			f.Do = "check that the TPM is this unit's own, that it was not cleared, and that the agent may use it (group tss)"
		}
		return f, nil
	}
	if info.Mode().Perm()&0o077 != 0 {
		f.Says, f.Do = fmt.Sprintf("%s can be read by others (%s)", d.Config.Key, info.Mode().Perm()), "chmod 600 "+d.Config.Key
		return f, key
	}
	f.OK, f.Says = true, keeper.Where()
	return f, key
}

// diskWanted is the room below which a unit should be looked at, in bytes.
const diskWanted = 1 << 30

func (d *Doctor) disk() Finding {
	free := diskFree(d.Config.Data)
	f := Finding{Part: "disk", OK: free >= diskWanted, Says: fmt.Sprintf("%.1f GB free under %s", float64(free)/1e9, d.Config.Data)}
	if !f.OK {
		f.Do = "make room: the buffer drops images of reads without a hit first, and stops when it is full of hits"
		if _, err := os.Stat(d.Config.Data); err != nil {
			f.Says, f.Do = err.Error(), "create the folder, owned by the user that nrd-agent runs as"
		}
	}
	return f
}

// diskFree is the room left for the unit on the folder's volume, in bytes; 0
// where it cannot be told.
func diskFree(dir string) uint64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	return s.Bavail * uint64(s.Bsize)
}

func (d *Doctor) store(key *sealed.Key) Finding {
	f := Finding{Part: "buffer"}
	if _, err := os.Stat(filepath.Join(d.Config.Data, "buffer")); errors.Is(err, fs.ErrNotExist) {
		return Finding{Part: f.Part, OK: true, Says: "not there yet; the first start makes it"}
	}
	b, err := uplink.OpenBuffer(d.Config.buffer(key, d.Clock, d.Log))
	if errors.Is(err, uplink.ErrInUse) {
		return Finding{Part: f.Part, OK: true, Says: "in use by the running agent"}
	}
	if err != nil {
		f.Says, f.Do = err.Error(), "see the message; records that can be read are kept, damaged ones are set aside"
		return f
	}
	s, err := b.Stats()
	if err := errors.Join(err, b.Close()); err != nil {
		f.Says = err.Error()
		return f
	}
	f.OK, f.Says = s.DeadLetters == 0, fmt.Sprintf("%d records wait, %d were refused by central", s.Records, s.DeadLetters)
	if !f.OK {
		f.Do = "ask central's operator why it refuses them; they are kept"
	}
	return f
}

func (d *Doctor) lists(key *sealed.Key) []Finding {
	if len(d.Config.Lists) == 0 {
		return []Finding{{Part: "lists", OK: true, Says: "none are configured: the unit only reads"}}
	}
	f := Finding{Part: "lists"}
	if _, err := os.Stat(filepath.Join(d.Config.Data, "lists")); errors.Is(err, fs.ErrNotExist) {
		f.Says, f.Do = "not loaded", "the agent loads the list files when it starts"
		return []Finding{f}
	}
	cache, err := hotlist.Open(d.Config.cache(key, d.Clock, d.Log))
	if errors.Is(err, hotlist.ErrInUse) {
		return []Finding{{Part: f.Part, OK: true, Says: "in use by the running agent; central shows their age"}}
	}
	if err != nil {
		f.Says, f.Do = err.Error(), "the cache is rebuilt from the list files at the next start"
		return []Finding{f}
	}
	defer cache.Close() //nolint:errcheck // the cache is only looked at
	versions, err := cache.Lists()
	if err != nil {
		f.Says = err.Error()
		return []Finding{f}
	}
	held := map[string]nrd.ListVersion{}
	for _, v := range versions {
		held[v.List] = v
	}
	var findings []Finding
	for _, l := range d.Config.Lists {
		findings = append(findings, d.list(l, held[l.Name]))
	}
	return findings
}

func (d *Doctor) list(l ListConfig, v nrd.ListVersion) Finding {
	f := Finding{Part: "list " + l.Name}
	if v.List == "" {
		f.Says, f.Do = "not loaded", "the agent loads "+l.File+" when it starts; see its log if it does not"
		return f
	}
	now := d.Clock.Stamp()
	age, fresh := v.Age(now.True()), d.Config.profile.ListFreshness(v, now)
	f.OK, f.Says = fresh == nrd.Fresh, fmt.Sprintf("version %d, %d entries, %s old: %s", v.Version, v.Entries, age.Round(time.Minute), fresh)
	if !f.OK {
		f.Do = "put a newer file at " + l.File
		if !now.Proved {
			f.Do += ", and see that NTP or GPS proves the clock"
		}
	}
	return f
}

func (d *Doctor) certificate(key *sealed.Key) Finding {
	f := Finding{Part: "certificate"}
	credential, err := identity.OpenCredential(d.Config.Central.files(), key, d.Clock)
	if err != nil {
		f.Says, f.Do = err.Error(), "have central make a token (central device enrol), and run nrd-agent enrol with it"
		return f
	}
	leaf := credential.Leaf()
	switch left := leaf.NotAfter.Sub(d.Clock.Now()); {
	case leaf.Subject.CommonName != d.Config.Device:
		f.Says = fmt.Sprintf("is for %q, but the configuration says %q", leaf.Subject.CommonName, d.Config.Device)
		f.Do = "set device to the certificate's name, or install this device's own certificate"
	case left < 0:
		f.Says, f.Do = "expired on "+leaf.NotAfter.Format(time.DateOnly), "enrol the unit again; see that central.https can be reached, so that it renews itself"
	default:
		f.OK, f.Says = true, fmt.Sprintf("%s, good until %s", leaf.Subject.CommonName, leaf.NotAfter.Format(time.DateOnly))
	}
	return f
}

func (d *Doctor) broker(ctx context.Context, key *sealed.Key) Finding {
	c := d.Config.Central
	f := Finding{Part: "central"}
	address, err := url.Parse(c.Broker)
	if err != nil || address.Port() == "" {
		f.Says, f.Do = fmt.Sprintf("%q is no address", c.Broker), "set central.broker as tls://host:8883"
		return f
	}
	credential, err := identity.OpenCredential(c.files(), key, d.Clock)
	if err != nil {
		f.Says, f.Do = "not tried without a certificate", "see certificate"
		return f
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: d.Patience}, Config: credential.TLS()}
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp", address.Host)
	if err != nil {
		f.Says, f.Do = err.Error(), "check the network, the address, and that central's certificate is of this site"
		return f
	}
	defer conn.Close() //nolint:errcheck // a trial connection
	// With TLS 1.3 a refused certificate shows at the first read, not in the
	// handshake. An accepted client is waited for in silence.
	if err := conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		f.Says = err.Error()
		return f
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		f.Says, f.Do = err.Error(), "central answers but refuses this device: check its certificate and that it is approved"
		return f
	}
	f.OK, f.Says = true, "answers at "+address.Host
	return f
}
