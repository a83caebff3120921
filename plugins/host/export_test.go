package host

import (
	"time"

	"github.com/parallax-run/parallax/plugins/host/sandbox"
)

// Hurry makes a host look after its processes every few milliseconds.
func Hurry(h *Host) {
	h.pace.watch = 50 * time.Millisecond
}

// HurryPings makes a host ping busy processes every few milliseconds too.
func HurryPings(h *Host) {
	h.pace = pace{watch: 50 * time.Millisecond, ping: 100 * time.Millisecond, deadline: 2 * time.Second}
}

// CapLevel has a host believe that its machine gives no more than a level.
func CapLevel(h *Host, l sandbox.Level) {
	h.levels.known, h.levels.best, h.levels.lacks = true, l, []string{"a test says so"}
}
