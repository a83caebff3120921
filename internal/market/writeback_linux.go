package market

import (
	"os"

	"golang.org/x/sys/unix"
)

// writeBack has the system begin to write a range of a file to the disk. It is a hint: only a sync says that it is there.
func writeBack(f *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}
