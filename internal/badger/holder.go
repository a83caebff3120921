package badger

import (
	"crypto/rand"
	"os"
)

// holder is who has a lease: one open store in one process.
type holder struct {
	PID   int
	Since string // when the process began, as its system tells it: process ids are used again
	Token string // of the open store
}

func newHolder() holder {
	pid := os.Getpid()
	return holder{PID: pid, Since: began(pid), Token: rand.Text()}
}

// alive says whether the process is still there.
func (h *holder) alive() bool { return h.PID != 0 && running(h.PID) && began(h.PID) == h.Since }

// lease is what the owner knows of one that is given.
type lease struct {
	fence  uint64
	by     *holder
	broken error // a write under it failed: nothing may come behind the gap
}
