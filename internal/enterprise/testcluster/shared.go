//go:build linux

package testcluster

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Shared is one cluster for all tests of a binary, started by the first test that asks for it:
//
//	var cluster testcluster.Shared
//
//	func TestMain(m *testing.M) { os.Exit(cluster.Main(m)) }
//
// Tests that look for leaked goroutines ask for the cluster first and leave out what runs then (goleak.IgnoreCurrent).
type Shared struct {
	once    sync.Once
	cluster *Cluster
	err     error
}

// Of returns the cluster, and fails the test when it could not be started.
func (s *Shared) Of(tb testing.TB) *Cluster {
	tb.Helper()
	s.once.Do(func() { s.cluster, s.err = Start(tb.Context()) })
	if s.err != nil {
		tb.Fatal(s.err)
	}
	return s.cluster
}

// Main runs the tests and stops the cluster that they started. It returns the exit code for the binary.
func (s *Shared) Main(m *testing.M) int {
	code := m.Run()
	if s.cluster == nil {
		return code
	}
	if err := s.cluster.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
