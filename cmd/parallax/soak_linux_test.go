//go:build soak

package main

import "testing"

// TestSoakKilledRunsEndAsTheyWouldHave kills 300 runs, those of three projects beside one another.
func TestSoakKilledRunsEndAsTheyWouldHave(t *testing.T) {
	t.Parallel()
	tortureAll(t, 3, killing(t.TempDir()), func(runs int, _ int64) bool { return runs == 100 })
}

// TestSoakOthersEndTheirRunsWhenTheOwnerIsKilled does so with 300 runs, four at a time.
func TestSoakOthersEndTheirRunsWhenTheOwnerIsKilled(t *testing.T) {
	t.Parallel()
	tortureAll(t, 4, killingOwners(t.TempDir()), func(runs int, _ int64) bool { return runs == 75 })
}

// TestSoakRunsGoOnWhenThereIsRoomAgain does so with 300 runs, three at a time.
func TestSoakRunsGoOnWhenThereIsRoomAgain(t *testing.T) {
	t.Parallel()
	onSmallDisk(t, func(dir string) {
		tortureAll(t, 3, fillingUp(dir), func(runs int, _ int64) bool { return runs == 100 })
	})
}
