//go:build race

package interpreter

// stretched is by how much the race detector stretches memory.
const stretched = 12
