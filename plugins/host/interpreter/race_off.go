//go:build !race

package interpreter

// stretched is by how much the race detector, if this program had one, would stretch memory.
const stretched = 1
