//go:build !unix

package bench

import "time"

// Where the system does not say what a process used, the figures are 0.
func ownCPU() time.Duration   { return 0 }
func childCPU() time.Duration { return 0 }
func maxRSS() float64         { return 0 }
