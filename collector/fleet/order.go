package fleet

import (
	"context"
	"fmt"

	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/internal/config"
	"nrd/uplink/wire"
)

// MaxConfiguration is the longest configuration that can be sent, in bytes.
const MaxConfiguration = 64 << 10

// Wipe revokes a device and orders it to destroy its keys, lists and buffer. The
// order waits for the device's next contact, which it may still make for that,
// and is repeated until the device says that it has obeyed.
func (f *Fleet) Wipe(ctx context.Context, by access.By, device, reason string) error {
	if err := f.authorise(ctx, by, access.RevokeDevices, "device wipe", device, reason); err != nil {
		return err
	}
	return f.change(ctx, device, func(d *store.Device) error {
		if d.Wipe.Number != 0 {
			return fmt.Errorf("%w: %s has its order to wipe itself already", ErrOrder, device)
		}
		f.revoke(d, reason)
		order := &wire.Order{What: &wire.Order_Wipe{Wipe: &wire.Wipe{Reason: reason}}}
		signed, err := f.sign(d, order)
		if err != nil {
			return err
		}
		d.Wipe = store.Order{Number: d.Orders, At: f.Clock.Now(), By: by.Account, Reason: reason, Signed: signed}
		return nil
	})
}

// Configure orders a device to use other settings: those of a unit's
// configuration file that central may set (config.CheckPushed), instead of the
// ones in its own file. The device checks them before use, and goes back to what
// it had when it cannot reach central with them. The error is ErrOrder where the
// text cannot be.
func (f *Fleet) Configure(ctx context.Context, by access.By, device, toml string) error {
	if len(toml) > MaxConfiguration {
		return fmt.Errorf("%w: the configuration has %d bytes, at most %d", ErrOrder, len(toml), MaxConfiguration)
	}
	if err := config.CheckPushed("configuration", []byte(toml)); err != nil {
		return fmt.Errorf("%w:\n%w", ErrOrder, err)
	}
	if err := f.authorise(ctx, by, access.ConfigureDevices, "device configure", device, ""); err != nil {
		return err
	}
	return f.change(ctx, device, func(d *store.Device) error {
		switch {
		case !d.Revoked.IsZero():
			return fmt.Errorf("%s: %w", device, ErrRevoked)
		case d.Enrolment == "":
			return fmt.Errorf("%w: %s was not enrolled here", ErrOrder, device)
		}
		order := &wire.Order{What: &wire.Order_Configure{Configure: &wire.Configure{Toml: toml}}}
		signed, err := f.sign(d, order)
		if err != nil {
			return err
		}
		d.Configure = store.Order{Number: d.Orders, At: f.Clock.Now(), By: by.Account, Text: toml, Signed: signed}
		return nil
	})
}

// sign numbers an order to a device and gives its wire form.
func (f *Fleet) sign(d *store.Device, order *wire.Order) ([]byte, error) {
	d.Orders++
	order.Device, order.Enrolment, order.Number, order.IssuedNs = d.Name, d.Enrolment, d.Orders, f.Clock.Now().UnixNano()
	content, err := wire.Marshal(order)
	if err != nil {
		return nil, err
	}
	signature, certificate, err := f.Issuer.Sign(content)
	if err != nil {
		return nil, err
	}
	return wire.Marshal(&wire.Signed{Order: content, Signature: signature, Certificate: certificate})
}
