package hotlist

import "errors"

// ErrInUse says that another process has the cache open.
var ErrInUse = errors.New("the cache of lists is in use by another process")

// ErrDamaged says that a list in the cache is not what was written there, or
// was written under another key. It has been set aside and is no longer in
// force: import it again.
var ErrDamaged = errors.New("the cached list is damaged")

// ErrOlder says that a list file was made before the version in force, or before
// one that was: an old list is being played again, or files came in the wrong
// order. Remove the list first where the older file is really meant.
var ErrOlder = errors.New("the file is older than the list that is or was in force")

// ErrNearTooMany says that a list is too large to be matched nearly.
var ErrNearTooMany = errors.New("the list has too many entries to be matched nearly: set near = false for it, or raise near_limit")

// ErrNotStatus says that a list does not come in few kinds.
var ErrNotStatus = errors.New("the list has too many kinds of entries to be kept as statuses: set status = false for it")

// ErrNoList says that a list is not in the cache.
var ErrNoList = errors.New("the list is not in the cache")

// ErrBase says that a delta is not for the list in force.
var ErrBase = errors.New("the delta does not fit the list in force; its snapshot is needed")
