package hotlist

import "errors"

// ErrInUse says that another process has the cache open.
var ErrInUse = errors.New("the cache of lists is in use by another process")

// ErrDamaged says that a list in the cache is not what was written there, or
// was written under another key. It has been set aside and is no longer in
// force: import it again.
var ErrDamaged = errors.New("the cached list is damaged")

// ErrNoList says that a list is not in the cache.
var ErrNoList = errors.New("the list is not in the cache")
