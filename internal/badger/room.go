package badger

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Badger writes through memory maps, and a process that does so on a full disk is killed. So there is always room for what it has yet to
// write: a memtable and what comes of merging some. Some of that room is a file of nothing, which is given up when the disk is full, so
// that the store can still be closed, and opened to delete something.
const (
	spareRoom = 56 << 20 // bytes that must be free before anything is written
	scantRoom = 4 << 20  // the same for what makes room
	openRoom  = 1 << 20  // the same for opening the database
	flushRoom = 8 << 20  // the same for writing a memtable to a file of its own, as happens when the database is closed, or opened after a crash
	ballast   = 16 << 20 // bytes of the file
)

func ballastFile(dir string) string { return filepath.Join(dir, "ballast") }

// room says whether so many bytes may be written.
func (d *disk) room(size int, frees bool) error {
	if size == 0 {
		return nil
	}
	need := uint64(spareRoom + 3*size)
	if frees {
		need = scantRoom
	}
	free, ok := freeBytes(d.dir)
	if ok && frees && free < need {
		relieve(d.dir)
		d.relieved = true
		free, ok = freeBytes(d.dir)
	}
	if ok && d.relieved && free >= spareRoom+2*ballast {
		burden(d.dir)
		d.relieved = false
	}
	if !ok || free >= need {
		return nil
	}
	return scarce(d.dir, free, need)
}

func scarce(dir string, free, need uint64) error {
	return &Full{Path: dir, Err: fmt.Errorf("%w: %d MiB are left and %d are needed", syscall.ENOSPC, free>>20, (need+1<<20-1)>>20)}
}

// roomToOpen says whether the database can be opened at all.
func roomToOpen(dir string) error {
	need := uint64(openRoom)
	if left, _ := filepath.Glob(filepath.Join(dbDir(dir), "*.mem")); len(left) > 0 {
		need = flushRoom
	}
	if free, ok := lasting(dir, need); !ok {
		return scarce(dir, free, need)
	}
	return nil
}

// lasting says whether so many bytes are free, and stay so for a moment where the disk is nearly full: what others take as soon as it is given up is
// no room.
func lasting(dir string, need uint64) (free uint64, ok bool) {
	relieve(dir)
	free, known := freeBytes(dir)
	if !known || free >= spareRoom {
		return free, true
	}
	time.Sleep(moment)
	free, _ = freeBytes(dir)
	return free, free >= need
}

// moment is how long others have time to take what is free.
const moment = 20 * time.Millisecond

// relieve gives up the ballast if the disk is full.
func relieve(dir string) {
	if free, ok := freeBytes(dir); ok && free < spareRoom {
		_ = os.Remove(ballastFile(dir)) // there may be none
	}
}

// burden takes the room for later, if there is plenty.
func burden(dir string) {
	if info, err := os.Stat(ballastFile(dir)); err == nil && info.Size() == ballast {
		return
	}
	if free, ok := freeBytes(dir); !ok || free < spareRoom+2*ballast {
		return
	}
	f, err := os.Create(ballastFile(dir))
	if err != nil {
		return // the store does without
	}
	defer f.Close()
	if err := allocate(f, ballast); err != nil {
		_ = os.Remove(f.Name()) // it would be of no use
	}
}
