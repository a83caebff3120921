package market

import (
	"errors"
	"fmt"
	"syscall"
)

// Code is the kind of an Error.
type Code string

// What can go wrong.
const (
	BadName     Code = "name"       // it does not name a package
	NotFound    Code = "not_found"  // there is no such repository, version or file
	Network     Code = "network"    // the host cannot be reached, or answers nonsense
	RateLimited Code = "rate_limit" // the host wants no more requests for now
	BadSum      Code = "checksum"   // what came is not what was promised
	Moved       Code = "moved"      // a tag is not where it was
	Unsafe      Code = "unsafe"     // the archive could do harm
	BadPackage  Code = "package"    // its manifest does not fit
	NoBuild     Code = "no_build"   // there is none for this machine or this protocol
	Conflict    Code = "conflict"   // requirements that cannot all be met
	Unlocked    Code = "lock"       // the lock does not fit, or the package is not installed
	Unverified  Code = "origin"     // who built it is not who it should be, or not known
	Refused     Code = "refused"    // its permissions were not granted
	NotStarting Code = "start"      // the agent does not start
	NoRoom      Code = "no_room"    // the disk is full
	Denied      Code = "denied"     // whoever asks may not, or nobody knows who asks
	Unready     Code = "unready"    // a project cannot be published as it is
	Withdrawn   Code = "withdrawn"  // the index removed it, or its author took it back
	Changed     Code = "changed"    // files were changed after they were installed
)

// Error is what went wrong with a package.
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

// is says whether err is an Error of that code.
func is(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// roomless makes an error about a full disk clear; others stay.
func roomless(err error) error {
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) && !is(err, NoRoom) {
			return wrongf(NoRoom, "make room on the disk and run it again", "nothing was installed: %w", err)
		}
	}
	return err
}
