//go:build e2e && soak

package main

import "testing"

// TestSoakRunsEndAsTheyWouldHave lets each kind of fault happen thirty times.
func TestSoakRunsEndAsTheyWouldHave(t *testing.T) { besiege(t, 30) }
