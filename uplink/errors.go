package uplink

import "errors"

// ErrFull says that a record was not kept because there is no room: the quota is
// used up by hits, which are never dropped, or the disk is full. Everything that
// was appended before is still there.
var ErrFull = errors.New("the buffer is full; the record was not kept")

// ErrClosed says that the buffer was closed.
var ErrClosed = errors.New("the buffer is closed")

// ErrInUse says that another process has the buffer open.
var ErrInUse = errors.New("the buffer is in use by another process")

// ErrDevice says that a buffer holds records of another device than the one it
// was opened for. They were made under that name and are of no use under
// another: send them first, or move the folder away.
var ErrDevice = errors.New("the buffer holds records of another device")

// ErrKey says that a buffer was made under another key.
var ErrKey = errors.New("the buffer cannot be read with this key")

// ErrFormat says that a buffer was made by a newer version of this program.
var ErrFormat = errors.New("the buffer has a format that this version does not know")

// errDamaged marks an item whose bytes on disk are not what was written.
var errDamaged = errors.New("the bytes on disk are damaged")
