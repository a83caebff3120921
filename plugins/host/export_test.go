package host

import "time"

// Hurry makes a host look after its processes every few milliseconds.
func Hurry(h *Host) {
	h.pace.watch = 50 * time.Millisecond
}

// HurryPings makes a host ping busy processes every few milliseconds too.
func HurryPings(h *Host) {
	h.pace = pace{watch: 50 * time.Millisecond, ping: 100 * time.Millisecond, deadline: 2 * time.Second}
}
