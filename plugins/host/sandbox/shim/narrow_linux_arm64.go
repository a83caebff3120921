package shim

// narrowAlso are the calls of a narrow process whose numbers package syscall does not have.
func narrowAlso() []uint32 {
	const getrandom, membarrier, rseq = 278, 283, 293
	return []uint32{getrandom, membarrier, rseq}
}
