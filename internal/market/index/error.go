package index

import (
	"errors"
	"fmt"
)

// Code is the kind of an Error.
type Code string

// What can be wrong with a published index, or with building one.
const (
	Malformed Code = "malformed" // it is no index, or was cut off
	Newer     Code = "newer"     // it is of a format that this program does not know
	Unsigned  Code = "unsigned"  // its signature does not fit, or is by another key
	BadKey    Code = "key"       // a key cannot be read
	Shrank    Code = "shrank"    // it has much less than before
	Older     Code = "older"     // it was built before the one that is there
)

// Error is what is wrong with an index.
type Error struct {
	Code    Code
	Message string
	Hint    string // the next step, or ""
	Cause   error  // or nil
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Cause }

// wrongf makes an Error. A %w in format is its cause.
func wrongf(code Code, hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Hint: hint, Message: err.Error(), Cause: errors.Unwrap(err)}
}
