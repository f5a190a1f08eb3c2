package fleet

import "context"

// Approved gives the names of the devices that are approved and not revoked.
func (f *Fleet) Approved(ctx context.Context) ([]string, error) {
	devices, err := f.Store.Devices(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range devices {
		if !d.Approved.IsZero() && d.Revoked.IsZero() {
			names = append(names, d.Name)
		}
	}
	return names, nil
}
