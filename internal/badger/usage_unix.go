//go:build unix

package badger

import (
	"io/fs"
	"syscall"
)

// onDisk is what a file takes, which is less than its length where it has holes.
func onDisk(info fs.FileInfo) int64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Blocks * 512
	}
	return info.Size()
}
