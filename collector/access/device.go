package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"nrd/collector/store"
	"nrd/internal/identity"
)

// ApproveDevice lets a device's reads in. Approved says who confirmed the device
// and under which assessment; its Review is when its location is looked at
// again. An earlier revocation ends. The error is ErrApproval where something is
// missing.
func (s *Service) ApproveDevice(ctx context.Context, by By, approved store.Device) error {
	for what, text := range map[string]string{"who approved it": approved.ApprovedBy, "the reference of the assessment": approved.Reference} {
		if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return fmt.Errorf("%w: %s is missing", ErrApproval, what)
		}
	}
	if err := identity.ValidDevice(approved.Name); err != nil {
		return fmt.Errorf("%w: %w", ErrApproval, err)
	}
	subject := fmt.Sprintf("%s, approved by %s, reference %s", approved.Name, approved.ApprovedBy, approved.Reference)
	if err := s.device(ctx, by, "device approve", subject); err != nil {
		return err
	}
	device, err := s.Store.Device(ctx, approved.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	approved.Status, approved.LastSeen = device.Status, device.LastSeen
	approved.Approved = s.Clock.Now()
	return s.Store.PutDevice(ctx, approved)
}

// RevokeDevice refuses a device's reads from now on. A name that is not known is
// store.ErrNotFound.
func (s *Service) RevokeDevice(ctx context.Context, by By, name string) error {
	if err := s.device(ctx, by, "device revoke", name); err != nil {
		return err
	}
	device, err := s.Store.Device(ctx, name)
	if err != nil {
		return fmt.Errorf("device %s: %w", name, err)
	}
	device.Revoked = s.Clock.Now()
	return s.Store.PutDevice(ctx, device)
}

func (s *Service) device(ctx context.Context, by By, action, subject string) error {
	_, err := s.Authorise(ctx, Request{Account: by.Account, From: by.From, Right: ManageDevices, Action: action, Subject: subject})
	return err
}
