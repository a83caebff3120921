//go:build !e2e || !linux

package main

import "testing"

func runAll(m *testing.M) int { return m.Run() }
