package shim

import "syscall"

// narrowAlso are the calls of a narrow process whose numbers package syscall does not have, or that only this machine has.
func narrowAlso() []uint32 {
	const getrandom, membarrier, rseq = 318, 324, 334
	return []uint32{getrandom, membarrier, rseq, syscall.SYS_EPOLL_WAIT, syscall.SYS_ARCH_PRCTL}
}
