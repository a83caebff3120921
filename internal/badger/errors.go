package badger

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// What may be wrong with what a store is asked. Errors of a store wrap them and name the run.
var (
	ErrNotFound = errors.New("the store does not have it")
	ErrExists   = errors.New("the store has it already")
	ErrFenced   = errors.New("somebody else has gone on with the run, so this process may not")
	ErrEnded    = errors.New("the run has ended")
	ErrReadOnly = errors.New("the store is open for reading only")
	ErrClosed   = errors.New("the store is closed")
	ErrFile     = errors.New("this is no whole exported run")
)

// Held says that a run has a living holder.
type Held struct {
	Run string
	By  int // process id
}

func (e *Held) Error() string {
	return fmt.Sprintf("run %s is held by process %d: wait until it ends, or cancel it", e.Run, e.By)
}

// Ambiguous says that a prefix is that of several runs.
type Ambiguous struct {
	Prefix string
	Runs   []string // some of them
}

func (e *Ambiguous) Error() string {
	return fmt.Sprintf("%q may mean %s: give more of the id", e.Prefix, strings.Join(e.Runs, ", "))
}

// Full says that the disk has no room, or that a file may not grow. Nothing of what was to be written is in the store. It can go on
// when room was made.
type Full struct {
	Path string
	Err  error
}

func (e *Full) Error() string {
	return fmt.Sprintf("no room to write to %s (%v): make room there, or run parallax gc", e.Path, e.Err)
}

func (e *Full) Unwrap() error { return e.Err }

// Newer says that a store was written in a format that this program does not know.
type Newer struct {
	Dir     string
	Version string // of the program that wrote it
}

func (e *Newer) Error() string {
	return fmt.Sprintf("the store in %s was written by parallax %s; install %s or later, or give another directory", e.Dir, e.Version, e.Version)
}

// Mixed says that the process that owns the store talks in a way that this program does not know.
type Mixed struct {
	Dir, Version string // of the owner
	PID          int
}

func (e *Mixed) Error() string {
	return fmt.Sprintf("the store in %s is in use by process %d, which is parallax %s and cannot be talked to by this version: wait until it ends",
		e.Dir, e.PID, e.Version)
}

// Corrupt says that a file of the store does not hold what was written to it.
type Corrupt struct {
	Path string
	Why  string
}

func (e *Corrupt) Error() string {
	return fmt.Sprintf("%s is damaged (%s): parallax doctor says what is lost, and with --repair keeps the rest", e.Path, e.Why)
}

// failed tells what stands behind an error of writing to path.
func failed(path string, err error) error {
	if err == nil || !noRoom(err) {
		return err
	}
	if _, ok := errors.AsType[*Full](err); ok {
		return err
	}
	return &Full{Path: path, Err: err}
}

// noRoom looks for the causes in the text too, since Badger does not wrap all of them.
func noRoom(err error) bool {
	for _, cause := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error()) {
			return true
		}
	}
	return false
}
