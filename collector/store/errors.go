package store

import "errors"

// ErrNotFound answers a question about something that is not held.
var ErrNotFound = errors.New("there is no such thing in the store")

// ErrFull answers Insert when the disk is full. Nothing of the batch is held;
// devices keep what they have and send it again.
var ErrFull = errors.New("the store's disk is full")
