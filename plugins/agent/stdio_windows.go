package agent

import "os"

// claimStdout sends what Go code prints to stderr, and returns the real stdout.
func claimStdout(hosted bool) *os.File {
	if !hosted {
		return nil
	}
	real := os.Stdout
	os.Stdout = os.Stderr
	return real
}

// exitWithChildren ends the process; the host's job object ends its children.
func exitWithChildren() { os.Exit(0) }
