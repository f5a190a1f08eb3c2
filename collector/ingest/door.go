package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"nrd/internal/identity"
	"nrd/uplink/wire"
)

// maxKeepalive is how long, in seconds, a device may be silent; one that asks for
// more, or for no limit, is given this.
const maxKeepalive = 300

var (
	errSecond = errors.New("another connection came with the same certificate")
	errSlow   = errors.New("it does not read what is sent to it")
	errBusy   = errors.New("the queue stayed full")
)

// door is what the broker asks about each connection and publish.
type door struct {
	mqtt.HookBase
	in    *Ingest
	queue *queue

	mu     sync.Mutex
	number uint64
	inside map[string]*mqtt.Client // by device
	fights map[string]fight
}

// fight is how often connections of one device ended each other. A unit that
// comes again before its broken connection was noticed does so once.
type fight struct {
	since time.Time
	ends  int
}

// A device whose connections end each other so often within this time has a
// rival.
const (
	rivalEnds = 3
	rivalTime = 10 * time.Minute
)

func newDoor(in *Ingest) *door {
	return &door{in: in, queue: newQueue(in.patience()), inside: map[string]*mqtt.Client{}, fights: map[string]fight{}}
}

// ID names the hook.
func (d *door) ID() string { return "door" }

// Provides says which of the broker's questions are answered here.
func (d *door) Provides(question byte) bool {
	return bytes.IndexByte([]byte{
		mqtt.OnConnectAuthenticate, mqtt.OnSessionEstablished, mqtt.OnDisconnect, mqtt.OnACLCheck,
		mqtt.OnSubscribed, mqtt.OnPublish, mqtt.OnPublishDropped, mqtt.OnWill,
	}, question) >= 0
}

// OnConnectAuthenticate lets a device in by its certificate. The client id is
// replaced by one that is never used twice: the broker's own way of ending the
// older of two sessions may take the newer one's place in its tables with it.
func (d *door) OnConnectAuthenticate(cl *mqtt.Client, pk packets.Packet) bool {
	device, err := d.identify(cl, pk)
	if err != nil {
		d.in.counts.refused.Add(1)
		d.in.Log.Warn("a device was refused", "from", cl.Net.Remote, "reason", err)
		return false
	}
	d.mu.Lock()
	d.number++
	cl.ID = fmt.Sprintf("%s %d", device, d.number)
	d.mu.Unlock()
	cl.Properties.Username = []byte(device)
	cl.Properties.Clean = true
	cl.Properties.Props.SessionExpiryInterval, cl.Properties.Props.SessionExpiryIntervalFlag = 0, false
	cl.Properties.Will.WillDelayInterval = 0
	if cl.State.Keepalive == 0 || cl.State.Keepalive > maxKeepalive {
		cl.State.Keepalive = maxKeepalive
	}
	return true
}

func (d *door) identify(cl *mqtt.Client, pk packets.Packet) (string, error) {
	c, ok := cl.Net.Conn.(*conn)
	if !ok {
		return "", identity.ErrNoCertificate
	}
	device, err := identity.Device(c.ConnectionState())
	if err != nil {
		return "", err
	}
	// The broker publishes a will without asking OnACLCheck.
	if pk.Connect.WillFlag && pk.Connect.WillTopic != wire.TopicStatus(device) {
		return "", fmt.Errorf("%s: the will's topic is not the device's status", device)
	}
	if d.in.Admit != nil {
		ctx, cancel := context.WithTimeout(context.Background(), handshakeTime)
		defer cancel()
		if err := d.in.Admit(ctx, device, identity.Fingerprint(c.ConnectionState())); err != nil {
			return "", fmt.Errorf("%s: %w", device, err)
		}
	}
	return device, nil
}

// OnSessionEstablished ends the device's older connection.
func (d *door) OnSessionEstablished(cl *mqtt.Client, _ packets.Packet) {
	device := deviceOf(cl)
	d.mu.Lock()
	older := d.inside[device]
	d.inside[device] = cl
	if older != nil {
		now := d.in.Clock.Now()
		f := d.fights[device]
		if now.Sub(f.since).Abs() > rivalTime {
			f = fight{since: now}
		}
		f.ends++
		d.fights[device] = f
	}
	d.mu.Unlock()
	if older != nil {
		d.in.counts.takeovers.Add(1)
		d.in.Log.Warn("a second connection with the same certificate ends the first; if this goes on, two units use one certificate",
			"device", device, "first", older.Net.Remote, "second", cl.Net.Remote)
		stop(older, errSecond)
		return
	}
	d.in.Log.Info("a device has come", "device", device, "from", cl.Net.Remote)
}

// OnDisconnect forgets the connection.
func (d *door) OnDisconnect(cl *mqtt.Client, err error, _ bool) {
	device := deviceOf(cl)
	d.mu.Lock()
	current := d.inside[device] == cl
	if current {
		delete(d.inside, device)
	}
	d.mu.Unlock()
	if current {
		d.in.Log.Info("a device has gone", "device", device, "reason", errors.Join(err, cl.StopCause()))
	}
}

// rivals lists the devices that have one, and forgets them.
func (d *door) rivals() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	now := d.in.Clock.Now()
	for name, f := range d.fights {
		switch {
		case f.ends >= rivalEnds:
			names = append(names, name)
			delete(d.fights, name)
		case now.Sub(f.since).Abs() > rivalTime:
			delete(d.fights, name)
		}
	}
	return names
}

// devices lists who is connected.
func (d *door) devices() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := make([]string, 0, len(d.inside))
	for name := range d.inside {
		names = append(names, name)
	}
	return names
}

// cut ends a device's connection.
func (d *door) cut(device string, reason error) {
	d.mu.Lock()
	cl := d.inside[device]
	d.mu.Unlock()
	if cl != nil {
		stop(cl, reason)
	}
}

// OnACLCheck gives a device its own topics.
func (d *door) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	device := deviceOf(cl)
	allowed := topic == wire.TopicReceipt(device) || topic == wire.TopicCommand(device) || topic == wire.TopicNoticeLists
	if write {
		switch topic {
		case wire.TopicRecord(device), wire.TopicImage(device), wire.TopicEvent(device), wire.TopicStatus(device):
			allowed = true
		default:
			allowed = false
		}
	}
	if !allowed {
		d.in.counts.forbidden.Add(1)
		d.in.Log.Warn("a device asked for what is not its own", "device", device, "topic", topic, "publish", write)
	}
	return allowed
}

// OnSubscribed notes that a device listens to its commands from now on.
func (d *door) OnSubscribed(cl *mqtt.Client, pk packets.Packet, codes []byte) {
	device := deviceOf(cl)
	for i, filter := range pk.Filters {
		if filter.Filter == wire.TopicCommand(device) && codes[i] < packets.ErrUnspecifiedError.Code {
			d.queue.put(message{device: device, received: d.in.Clock.Now()})
		}
	}
}

// OnPublish puts a device's message in the queue. The broker then acknowledges it
// but passes it on to nobody; a message that was not taken is not acknowledged
// (any other error than ErrRejectPacket would be, with this broker).
func (d *door) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil
	}
	device := deviceOf(cl)
	topic := strings.Clone(pk.TopicName)
	m := message{device: device, topic: topic, payload: pk.Payload, received: d.in.Clock.Now()}
	if topic != wire.TopicStatus(device) {
		m.read(&d.in.Profile)
	}
	if !d.queue.put(m) {
		stop(cl, errBusy)
		return pk, packets.ErrRejectPacket
	}
	return pk, packets.CodeSuccessIgnore
}

// OnPublishDropped ends a connection that lost a receipt: the device comes again
// and sends again what it has no receipt for.
func (d *door) OnPublishDropped(cl *mqtt.Client, _ packets.Packet) {
	d.in.Log.Warn("a device is cut off", "device", deviceOf(cl), "reason", errSlow)
	stop(cl, errSlow)
}

// OnWill keeps the broker from retaining a will: when a device was last seen
// says as much.
func (d *door) OnWill(_ *mqtt.Client, will mqtt.Will) (mqtt.Will, error) {
	will.Retain = false
	return will, nil
}

// deviceOf is the name that OnConnectAuthenticate has noted.
func deviceOf(cl *mqtt.Client) string { return string(cl.Properties.Username) }

// stop ends a connection at once: closing TLS first would wait for a client that
// does not read.
func stop(cl *mqtt.Client, reason error) {
	if c, ok := cl.Net.Conn.(*conn); ok {
		c.NetConn().Close() //nolint:errcheck // there is nobody to tell
	}
	cl.Stop(reason)
}
