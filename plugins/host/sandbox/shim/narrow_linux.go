//go:build amd64 || arm64

package shim

import (
	"syscall"
	"unsafe"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim/kernel"
)

// Narrow leaves to this process, all its threads, what a Go program needs to compute and to read and write what it has open: memory, threads,
// waiting, its own end. It opens no file, makes no connection, starts no program, signals nobody and makes no code. It can only be done
// to a process that the shim has closed, and not be undone.
func Narrow() error {
	p := &Plan{}
	f := &filter{arch: thisArchitecture()}
	f.number()
	f.native()
	f.few()
	f.ret(errnoAction(kernel.EPERM))
	if err := p.installAll(f.prog); err != nil {
		return kernel.Wrap(err, "narrow")
	}
	return nil
}

const (
	allThreads   = 1 // SECCOMP_FILTER_FLAG_TSYNC
	protExec     = 4
	cloneThread  = 0x10000
	nameOfMemory = 0x53564d41 // PR_SET_VMA
)

func (p *Plan) installAll(prog []kernel.SockFilter) error {
	fprog := kernel.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	r, _, errno := kernel.RawSyscall(kernel.SYS_SECCOMP, kernel.SECCOMP_SET_MODE_FILTER, allThreads, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return errno
	}
	if r != 0 {
		return kernel.EPERM // a thread that is not under the same filters
	}
	return nil
}

// few allows what is left.
func (f *filter) few() {
	for _, nr := range append([]uint32{
		syscall.SYS_READ, syscall.SYS_WRITE, syscall.SYS_CLOSE, syscall.SYS_FSTAT,
		syscall.SYS_MUNMAP, syscall.SYS_MADVISE, syscall.SYS_MINCORE, syscall.SYS_BRK,
		syscall.SYS_FUTEX, syscall.SYS_NANOSLEEP, syscall.SYS_CLOCK_GETTIME, syscall.SYS_CLOCK_NANOSLEEP, syscall.SYS_SCHED_YIELD, syscall.SYS_SCHED_GETAFFINITY,
		syscall.SYS_GETPID, syscall.SYS_GETTID, syscall.SYS_SET_ROBUST_LIST,
		syscall.SYS_RT_SIGACTION, syscall.SYS_RT_SIGPROCMASK, syscall.SYS_RT_SIGRETURN, syscall.SYS_SIGALTSTACK, syscall.SYS_RESTART_SYSCALL,
		syscall.SYS_EPOLL_CREATE1, syscall.SYS_EPOLL_CTL, syscall.SYS_EPOLL_PWAIT, syscall.SYS_EVENTFD2, syscall.SYS_PIPE2,
		syscall.SYS_EXIT, syscall.SYS_EXIT_GROUP,
	}, narrowAlso()...) {
		f.add(kernel.BPF_JMP|kernel.BPF_JEQ|kernel.BPF_K, nr, 0, 1)
		f.allow()
	}
	f.refuse(kernel.ENOSYS, kernel.SYS_CLONE3) // its flags are in memory; threads are made by clone then
	f.onlyIf(syscall.SYS_CLONE, 0, func(yes func()) { f.ifBits(cloneThread, yes) })
	f.onlyIf(syscall.SYS_TGKILL, 0, func(yes func()) { f.ifEqual(yes, uint32(syscall.Getpid())) })
	f.onlyIf(syscall.SYS_FCNTL, 1, func(yes func()) {
		f.ifEqual(yes, syscall.F_GETFD, syscall.F_SETFD, syscall.F_GETFL, syscall.F_SETFL)
	})
	f.onlyIf(kernel.SYS_PRCTL, 0, func(yes func()) { f.ifEqual(yes, nameOfMemory) })
	f.onlyIf(kernel.SYS_PRLIMIT64, 0, func(yes func()) { f.ifEqual(yes, 0) })
	for _, nr := range []uint32{kernel.SYS_MMAP, syscall.SYS_MPROTECT} { // no new code
		f.on(nr, func() {
			f.low(2)
			f.ifBits(protExec, func() { f.ret(errnoAction(kernel.EPERM)) })
			f.allow()
		})
	}
}

// onlyIf allows a call where its argument is as test says.
func (f *filter) onlyIf(nr, arg uint32, test func(yes func())) {
	f.on(nr, func() {
		f.low(arg)
		test(f.allow)
		f.ret(errnoAction(kernel.EPERM))
	})
}
