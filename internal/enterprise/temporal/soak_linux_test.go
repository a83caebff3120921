//go:build e2e && soak

package temporal_test

import "testing"

// TestSoakAWideForkEnds has so many items that the run continues as new in mid-fork, eight times.
func TestSoakAWideForkEnds(t *testing.T) { wide(t, 20_000) }
