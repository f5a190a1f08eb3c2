package sealed

import "errors"

// ErrDamaged says that a box does not authenticate: it was changed, cut, sealed
// under another key or bound to other data.
var ErrDamaged = errors.New("the sealed data is damaged or was sealed under another key")

// ErrKeyExists says that CreateKey found a file in its way. A key is never
// overwritten, because everything sealed under it would be lost.
var ErrKeyExists = errors.New("a key file is there already and is not overwritten")

// ErrKeyFormat says that something is not a key.
var ErrKeyFormat = errors.New("a key is 32 bytes, in a file written as 64 hexadecimal digits")

// ErrKeyExposed says that others than the owner may read a key file.
var ErrKeyExposed = errors.New("the key file may be read by others than its owner; chmod it to 0600")
