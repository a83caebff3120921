package host

import "time"

// Hurry makes a host watch its processes every few milliseconds.
func Hurry(h *Host) {
	h.pace = pace{watch: 50 * time.Millisecond, ping: 100 * time.Millisecond, deadline: 500 * time.Millisecond}
}
