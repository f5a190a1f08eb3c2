package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"nrd/internal/identity"
	"nrd/internal/machinekey"
	"nrd/internal/sealed"
	"nrd/uplink"
	"nrd/uplink/wire"
)

// errOrder says that an order is not for this unit, or was obeyed before.
var errOrder = errors.New("the order is not for this unit now")

func (c CentralConfig) files() identity.Files {
	return identity.Files{CA: c.CA, Certificate: c.Certificate, Key: c.Key}
}

// unwiped is identity.ErrWiped after a wipe, when no key is left to open anything.
// One that a power cut has ended half-way is finished first.
func (a *Agent) unwiped() error {
	_, err := identity.OpenCredential(a.Config.Central.files(), nil, nil)
	if !errors.Is(err, identity.ErrWiped) {
		return nil
	}
	a.destroyKeys()
	return errors.Join(err, a.removeRest())
}

// identityLook is how often the unit looks whether its certificate is to be
// renewed.
const identityLook = time.Hour

// keepIdentity renews the certificate when it is due, and keeps the time.
func (a *Agent) keepIdentity(ctx context.Context) error {
	tick := time.NewTicker(identityLook)
	defer tick.Stop()
	for {
		if err := a.credential.KeepTime(); err != nil {
			a.Log.Warn("the time could not be kept", "error", err)
		}
		if err := a.learnRevoked(ctx); err != nil && ctx.Err() == nil {
			a.Log.Warn("central did not say which issuers were taken back", "error", err)
		}
		a.tally.problem("certificate", a.renew(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// learnRevoked asks which of the site's issuers were taken back.
func (a *Agent) learnRevoked(ctx context.Context) error {
	if a.Config.Central.HTTPS == "" {
		return nil
	}
	return a.credential.LearnRevoked(ctx, a.Config.Central.HTTPS)
}

// renew gives what stands in the way of a renewal that is due.
func (a *Agent) renew(ctx context.Context) error {
	if !a.credential.Due() {
		return nil
	}
	end := a.credential.Leaf().NotAfter.Format(time.DateOnly)
	if a.Config.Central.HTTPS == "" {
		return fmt.Errorf("the certificate ends on %s and cannot be renewed: central.https is not set", end)
	}
	if err := a.credential.Renew(ctx, a.Config.Central.HTTPS); err != nil {
		return fmt.Errorf("the certificate ends on %s and was not renewed: %w", end, err)
	}
	a.Log.Info("the certificate is renewed", "until", a.credential.Leaf().NotAfter)
	return nil
}

// ordered takes an order from the link. One too many is left: central repeats it.
func (a *Agent) ordered(order *wire.Signed) {
	select {
	case a.orders <- order:
	default:
	}
}

// obey does what central orders, and rolls a configuration back that was not
// confirmed in time.
func (a *Agent) obey(ctx context.Context) error {
	patience := a.patience
	if patience == 0 {
		patience = trialTime
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case signed := <-a.orders:
			if err := a.do(signed); err != nil {
				a.Log.Warn("an order was not obeyed", "error", err)
				continue
			}
			select {
			case a.news <- struct{}{}:
			default:
			}
		case <-late.C:
			if a.pushed.onTrial() {
				a.Log.Error("central was not reached with its configuration: the one before is used again")
				a.stop(errors.Join(ErrRestart, a.pushed.rollBack(fmt.Sprintf("central was not reached with it within %s", patience))))
			}
		}
	}
}

// do checks an order and obeys it.
func (a *Agent) do(signed *wire.Signed) error {
	if err := a.credential.Verify(signed.GetOrder(), signed.GetSignature(), signed.GetCertificate()); err != nil {
		return err
	}
	var order wire.Order
	if err := wire.Unmarshal(signed.GetOrder(), &order); err != nil {
		return err
	}
	if order.GetDevice() != a.Config.Device || order.GetEnrolment() != a.credential.Enrolment() || order.GetNumber() == 0 {
		return errOrder
	}
	switch what := order.GetWhat().(type) {
	case *wire.Order_Wipe:
		if order.GetNumber() <= a.pushed.status().Order {
			return errOrder
		}
		return a.wipe(order.GetNumber(), what.Wipe.GetReason())
	case *wire.Order_Configure:
		return a.configure(order.GetNumber(), what.Configure.GetToml())
	default:
		return fmt.Errorf("%w: this version does not know it", errOrder)
	}
}

// configure tries other settings: it keeps them beside those in use, and has the
// unit restarted into them.
func (a *Agent) configure(number uint64, toml string) error {
	held := a.pushed.status().Order
	if number < held {
		return errOrder
	}
	if a.pushed.onTrial() {
		// Central was reached, and has answered: the settings on trial work.
		a.Log.Info("the configuration from central is in force", "order", held)
		if err := a.pushed.confirm(); err != nil {
			return err
		}
	}
	if number == held {
		return nil // it was obeyed; the next status says so
	}
	if _, err := a.pushed.base.with(toml); err != nil {
		a.Log.Error("the configuration from central is refused", "order", number, "error", err)
		return a.pushed.refuse(number, err.Error())
	}
	if err := a.pushed.try(number, toml); err != nil {
		return err
	}
	a.Log.Info("restarting with a configuration from central", "order", number)
	a.stop(ErrRestart)
	return nil
}

// wipe destroys what opens everything else, and ends the unit's work. The link's
// last status says so to central.
func (a *Agent) wipe(number uint64, reason string) error {
	a.Log.Error("central orders this unit to destroy what it holds", "order", number, "reason", reason)
	if err := a.Config.Central.files().MarkWiped(fmt.Sprintf("order %d of %s", number, a.Clock.Now().UTC().Format(time.RFC3339))); err != nil {
		// Without the note a power cut ends it half-way; the order comes again.
		a.Log.Error("that the unit is wiped could not be noted", "error", err)
	}
	a.destroyKeys()
	a.wiped.Store(number)
	a.stop(identity.ErrWiped)
	return nil
}

// destroyKeys destroys what opens everything else, and the private keys that lie in
// clear, as far as it goes: a key that only root can destroy is left to the service
// manager.
func (a *Agent) destroyKeys() {
	c := a.Config
	errs := []error{machinekey.Destroy(c.Key), uplink.DestroyKeys(c.bufferDir()), c.Central.files().Destroy()}
	for _, key := range []string{c.Incab.Key, c.Live.Key} {
		if key != "" {
			errs = append(errs, sealed.Destroy(key))
		}
	}
	if err := errors.Join(errs...); err != nil {
		a.Log.Error("not every key could be destroyed", "error", err)
	}
}

// removeRest destroys what is left when nothing is open any more.
func (a *Agent) removeRest() error {
	c := a.Config
	files := []string{c.pushedFile(), c.floorsFile(), c.incabFile()}
	for _, l := range c.Lists {
		files = append(files, l.File)
	}
	lists := filepath.Join(c.Data, "lists")
	held, err := os.ReadDir(lists)
	for _, f := range held {
		files = append(files, filepath.Join(lists, f.Name()))
	}
	errs := []error{missing(err)}
	for _, f := range files {
		errs = append(errs, sealed.Destroy(f))
	}
	return errors.Join(append(errs, os.RemoveAll(lists), os.RemoveAll(c.trustDir()), os.RemoveAll(c.bufferDir()), missing(sealed.SyncDir(c.Data)))...)
}

// missing is nil where something only is not there.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (c *Config) bufferDir() string { return filepath.Join(c.Data, "buffer") }
