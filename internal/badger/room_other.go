//go:build !linux

package badger

import (
	"errors"
	"os"
)

// freeBytes is known on Linux only; elsewhere the system itself says when a disk is full.
func freeBytes(string) (uint64, bool) { return 0, false }

func allocate(*os.File, int64) error { return errors.ErrUnsupported }
