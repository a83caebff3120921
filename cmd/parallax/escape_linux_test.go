package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

// escape is an interpreter that was taken over: it tries what it should not be able to do, says on its last words what it could, and then lies to its
// parent.
func escape(string) int {
	if err := shim.Narrow(); err != nil {
		return 1
	}
	if could := escapes(os.Getppid()); len(could) > 0 {
		fmt.Fprintln(os.Stderr, "escaped: "+strings.Join(could, ", "))
		return 3
	}
	buf := make([]byte, 1<<16)
	_, _ = os.Stdin.Read(buf)
	lie := []byte{9, 0, 0, 0, 3, 200, 1, 2, 3, 4, 5, 6, 7} // an effect of a branch that is not there
	for range 1000 {
		if _, err := os.Stdout.Write(lie); err != nil {
			return 0
		}
	}
	select {}
}

// escapes tries to reach the machine and gives what could be done. Each attempt works for a process that nothing holds.
func escapes(parent int) (could []string) {
	try := func(what string, f func() error) {
		if f() == nil {
			could = append(could, what)
		}
	}
	try("read a file", func() error { _, err := os.ReadFile("/etc/passwd"); return err })
	try("list a directory", func() error { _, err := os.ReadDir("/"); return err })
	try("write a file", func() error {
		name := filepath.Join(os.TempDir(), fmt.Sprintf("parallax-escape-%d", os.Getpid()))
		defer func() { _ = os.Remove(name) }()
		return os.WriteFile(name, nil, 0o600)
	})
	try("read its own memory as a file", func() error { _, err := os.Open("/proc/self/mem"); return err })
	try("make a TCP socket", func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0); return err })
	try("make a UDP socket", func() error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0); return err })
	try("make a local socket", func() error { _, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); return err })
	try("listen", func() error { _, err := net.Listen("tcp", "127.0.0.1:0"); return err })
	try("start a program", func() error {
		p, err := os.StartProcess("/proc/self/exe", []string{"parallax", "nobody-is-called-this"}, &os.ProcAttr{})
		if err == nil {
			_, _ = p.Wait()
		}
		return err
	})
	try("fork", func() error {
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		switch {
		case errno != 0:
			return errno
		case pid == 0:
			for {
				_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
			}
		}
		_, err := unix.Wait4(int(pid), nil, 0, nil)
		return err
	})
	try("signal its parent", func() error { return unix.Kill(parent, 0) })
	try("limit its parent", func() error { return unix.Prlimit(parent, unix.RLIMIT_CORE, nil, new(unix.Rlimit)) })
	try("make code", func() error {
		b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
		if err == nil {
			_ = unix.Munmap(b)
		}
		return err
	})
	try("make a file in memory", func() error { _, err := unix.MemfdCreate("x", 0); return err })
	try("make a namespace", func() error {
		_, _, errno := unix.RawSyscall(unix.SYS_UNSHARE, 0, 0, 0)
		return none(errno)
	})
	try("change a signal's owner", func() error { _, err := unix.FcntlInt(0, unix.F_SETOWN, os.Getpid()); return err })
	try("ask for io_uring's help", func() error {
		var params [120]byte
		fd, _, errno := unix.RawSyscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
		if errno == unix.ENOSYS || errno == unix.EPERM { // many machines have it switched off
			return errno
		}
		_ = unix.Close(int(fd))
		return none(errno)
	})
	try("change its directory", func() error { return os.Chdir("/") })
	return could
}

func none(errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
