//go:build soak

package main

import "testing"

// TestSoakKilledRunsEndAsTheyWouldHave kills 300 runs, those of three projects beside one another.
func TestSoakKilledRunsEndAsTheyWouldHave(t *testing.T) {
	t.Parallel()
	tortureAll(t, 3, func(runs, _ int) bool { return runs == 100 })
}
