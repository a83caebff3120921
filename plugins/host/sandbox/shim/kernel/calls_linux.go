//go:build amd64 || arm64

// Package kernel is what the shim needs of golang.org/x/sys/unix, and nothing that has to be set up before it: see cmd/first.
package kernel

import (
	"syscall"
	"unsafe"
)

// Errno is the standard library's.
type Errno = syscall.Errno

// Rlimit is the standard library's.
type Rlimit = syscall.Rlimit

// Stat_t is the standard library's.
type Stat_t = syscall.Stat_t

// SockaddrInet4 is the standard library's.
type SockaddrInet4 = syscall.SockaddrInet4

// SockFilter is the standard library's.
type SockFilter = syscall.SockFilter

// SockFprog is the standard library's.
type SockFprog = syscall.SockFprog

// LandlockRulesetAttr is struct landlock_ruleset_attr of version 6.
type LandlockRulesetAttr struct {
	Handled_access_fs, Handled_access_net, Scoped uint64
}

// LandlockPathBeneathAttr is struct landlock_path_beneath_attr, whose last bytes the kernel does not read.
type LandlockPathBeneathAttr struct {
	Allowed_access uint64
	Parent_fd      int32
}

// CapUserHeader is struct __user_cap_header_struct.
type CapUserHeader struct {
	Version uint32
	Pid     int32
}

// CapUserData is struct __user_cap_data_struct.
type CapUserData struct{ Effective, Permitted, Inheritable uint32 }

// Syscall makes a call that may block.
func Syscall(nr, a, b, c uintptr) (r1, r2 uintptr, errno Errno) { return syscall.Syscall(nr, a, b, c) }

// Syscall6 is Syscall with six arguments.
func Syscall6(nr, a, b, c, d, e, f uintptr) (r1, r2 uintptr, errno Errno) {
	return syscall.Syscall6(nr, a, b, c, d, e, f)
}

// RawSyscall makes a call on this thread, and tells Go nothing of it.
func RawSyscall(nr, a, b, c uintptr) (r1, r2 uintptr, errno Errno) {
	return syscall.RawSyscall(nr, a, b, c)
}

// RawSyscall6 is RawSyscall with six arguments.
func RawSyscall6(nr, a, b, c, d, e, f uintptr) (r1, r2 uintptr, errno Errno) {
	return syscall.RawSyscall6(nr, a, b, c, d, e, f)
}

func result(errno Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}

// Capget reads the capabilities of this thread.
func Capget(hdr *CapUserHeader, data *CapUserData) error {
	_, _, errno := RawSyscall(SYS_CAPGET, uintptr(unsafe.Pointer(hdr)), uintptr(unsafe.Pointer(data)), 0)
	return result(errno)
}

// Capset sets the capabilities of this thread.
func Capset(hdr *CapUserHeader, data *CapUserData) error {
	_, _, errno := RawSyscall(SYS_CAPSET, uintptr(unsafe.Pointer(hdr)), uintptr(unsafe.Pointer(data)), 0)
	return result(errno)
}

// CloseRange does something to descriptors from first to last.
func CloseRange(first, last uint, flags int) error {
	_, _, errno := RawSyscall(SYS_CLOSE_RANGE, uintptr(first), uintptr(last), uintptr(flags))
	return result(errno)
}

// SetFlags sets the flags of a network interface.
func SetFlags(fd int, name string, flags uint16) error {
	var req struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(req.name[:15], name)
	req.flags = flags
	_, _, errno := Syscall(SYS_IOCTL, uintptr(fd), SIOCSIFFLAGS, uintptr(unsafe.Pointer(&req)))
	return result(errno)
}
