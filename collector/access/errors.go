package access

import "errors"

// ErrDenied says that the account or its role does not give the right.
var ErrDenied = errors.New("not allowed")

// ErrReason says that an act needs a reason and was asked for without one.
var ErrReason = errors.New("a reason is needed")

// ErrNotLogged says that the access log cannot be written; nothing is shown
// until it can be.
var ErrNotLogged = errors.New("the access log cannot be written, so nothing is shown")

// ErrSignIn says that name and password do not belong together. It is the same
// for an unknown name, a removed account and a wrong password.
var ErrSignIn = errors.New("this name and password do not belong together")

// ErrThrottled says that there were too many wrong guesses.
var ErrThrottled = errors.New("too many wrong passwords; wait before the next try")

// ErrNoSession says that nobody is signed in with this token, or no longer.
var ErrNoSession = errors.New("not signed in, or signed out after a time without use")

// ErrAccount says what is wrong with an account that was to be made or changed.
var ErrAccount = errors.New("the account cannot be made or changed like this")

// ErrRelease says why a record cannot leave quarantine as it was asked.
var ErrRelease = errors.New("the record cannot be released like this")
