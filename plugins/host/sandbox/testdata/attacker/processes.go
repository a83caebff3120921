//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func attempts() map[string]attempt {
	m := map[string]attempt{
		"read /etc/shadow":        func(*target) (string, error) { return read("/etc/shadow") },
		"read a file":             func(t *target) (string, error) { return read(t.Secret) },
		"read another's scratch":  func(t *target) (string, error) { return read(t.Scratch) },
		"host environment":        otherEnvirons,
		"host memory":             hostMemory,
		"inherited environment":   environment,
		"write a file":            func(t *target) (string, error) { return create(filepath.Join(t.Open, "new")) },
		"write where it may read": readGrantedDirWrite,
		"make a device":           device,
		"type into a terminal":    terminal,

		"TCP":                  func(t *target) (string, error) { return dial("tcp4", fmt.Sprint("127.0.0.1:", t.TCP4)) },
		"IPv6":                 func(t *target) (string, error) { return dial("tcp6", fmt.Sprint("[::1]:", t.TCP6)) },
		"TCP fast open":        fastOpen,
		"MPTCP":                multipath,
		"UDP":                  udp,
		"DNS":                  dns,
		"raw socket":           socket(syscall.AF_INET, syscall.SOCK_RAW, syscall.IPPROTO_ICMP),
		"packet socket":        socket(syscall.AF_PACKET, syscall.SOCK_RAW, 0),
		"netlink":              socket(syscall.AF_NETLINK, syscall.SOCK_RAW, 0),
		"virtual socket":       socket(40, syscall.SOCK_STREAM, 0),
		"kernel crypto":        socket(38, syscall.SOCK_SEQPACKET, 0),
		"listen on a port":     listen(true),
		"listen on any port":   listen(false),
		"abstract unix socket": abstract,
		"unix socket":          path,
		"unix datagram":        datagram,
		"unix packet":          seqpacket,

		"signal the host":       func(t *target) (string, error) { return "a signal", syscall.Kill(t.Host, 0) },
		"trace the host":        trace,
		"run a program":         func(*target) (string, error) { return start("/bin/true") },
		"run from scratch":      copied,
		"run from memory":       fromMemory,
		"become another user":   func(*target) (string, error) { return "setresuid", raw(syscall.SYS_SETRESUID, 12345, 12345, 12345) },
		"stay root":             stayRoot,
		"helper: new session":   func(*target) (string, error) { return "a session", raw(syscall.SYS_SETSID, 0, 0, 0) },
		"keep capabilities":     capabilities,
		"gain privileges":       newPrivileges,
		"mount":                 mount,
		"new user namespace":    func(*target) (string, error) { return cloned(syscall.CLONE_NEWUSER) },
		"new mount namespace":   func(*target) (string, error) { return cloned(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS) },
		"unshare":               func(*target) (string, error) { return "unshared", raw(syscall.SYS_UNSHARE, syscall.CLONE_NEWNS, 0, 0) },
		"namespaces by clone3":  clone3,
		"io_uring":              ioURing,
		"bpf":                   func(*target) (string, error) { return reached(raw(321, 0, 0, 0)) },
		"performance counters":  func(*target) (string, error) { return reached(raw(298, 0, 0, 0)) },
		"keyring":               func(*target) (string, error) { return reached(raw(250, 0, ^uintptr(2), 0)) },
		"userfaultfd":           func(*target) (string, error) { return reached(raw(323, 1, 0, 0)) },
		"x32 system call":       x32,
		"32-bit system call":    int80,
		"unknown system call":   func(*target) (string, error) { return unknown() },
		"undo the death signal": outlive,

		"fork bomb":       threads,
		"memory":          private,
		"shared memory":   shared,
		"memory file":     memoryFile,
		"System V memory": func(*target) (string, error) { return reached(raw(29, 0, 1<<20, 0o1600)) },
		"large file":      large,
		"open files":      files,
		"memory of many":  many,
		"many files":      manyFiles,
	}
	return m
}

const sysProcessVMReadv = 310

func raw(nr, a, b, c uintptr) error {
	if _, _, errno := syscall.Syscall(nr, a, b, c); errno != 0 {
		return errno
	}
	return nil
}

// reached says whether a call came to the kernel, which may then refuse it for other reasons.
func reached(err error) (string, error) {
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSYS) {
		return "", err
	}
	return fmt.Sprint("the kernel said: ", err), nil
}

func trace(t *target) (string, error) {
	goruntime.LockOSThread()
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, 0x4206, uintptr(t.Host), 0, 0, 0, 0)
	if errno != 0 {
		return "", errno
	}
	return "seized", nil
}

func start(path string, args ...string) (string, error) {
	if err := exec.Command(path, args...).Run(); err != nil {
		return "", err
	}
	return path, nil
}

func copied(*target) (string, error) {
	self, err := os.Open(os.Args[0])
	if err != nil {
		return "", err
	}
	path := filepath.Join(os.Getenv("HOME"), "copy")
	defer os.Remove(path)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(f, self)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return start(path, "hello")
}

func fromMemory(*target) (string, error) {
	name := []byte("x\x00")
	fd, _, errno := syscall.Syscall(319, uintptr(unsafe.Pointer(&name[0])), 0, 0)
	if errno != 0 {
		return "", errno
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		return "", err
	}
	f := os.NewFile(fd, "memory")
	if _, err := f.Write(self); err != nil {
		return "", err
	}
	return start(fmt.Sprintf("/proc/self/fd/%d", fd), "hello")
}

func stayRoot(*target) (string, error) {
	if os.Getuid() != 0 {
		return "", fmt.Errorf("it is user %d", os.Getuid())
	}
	return "root", nil
}

func capabilities(*target) (string, error) {
	hdr := struct {
		version uint32
		pid     int32
	}{0x20080522, 0}
	var caps [6]uint32
	if _, _, errno := syscall.Syscall(syscall.SYS_CAPGET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&caps[0])), 0); errno != 0 {
		return "", errno
	}
	if caps != [6]uint32{} {
		return fmt.Sprintf("%x", caps), nil
	}
	return "", errors.New("there are none")
}

// newPrivileges asks whether a program of another user would run as that user.
func newPrivileges(*target) (string, error) {
	v, _, errno := syscall.Syscall6(syscall.SYS_PRCTL, 39, 0, 0, 0, 0, 0)
	if errno != 0 || v == 1 {
		return "", errors.New("it would not")
	}
	return "programs of others run as theirs", nil
}

func mount(*target) (string, error) {
	if err := syscall.Mount("tmpfs", os.Getenv("HOME"), "tmpfs", 0, ""); err != nil {
		return "", err
	}
	return "mounted", syscall.Unmount(os.Getenv("HOME"), 0)
}

// cloned starts itself in new namespaces.
func cloned(flags uintptr) (string, error) {
	cmd := exec.Command(os.Args[0])
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	err := cmd.Start()
	if err != nil {
		return "", err
	}
	_ = cmd.Wait()
	return "started", nil
}

func clone3(*target) (string, error) {
	err := raw(435, 0, 0, 0)
	if errors.Is(err, syscall.ENOSYS) {
		return "", err
	}
	return fmt.Sprint("the kernel said: ", err), nil
}

func ioURing(*target) (string, error) {
	var params [120]byte
	fd, _, errno := syscall.Syscall(425, 4, uintptr(unsafe.Pointer(&params[0])), 0)
	if errno != 0 {
		return "", errno
	}
	return fmt.Sprint("ring ", fd), nil
}

// x32 makes a call of the third set of numbers. Where the kernel has none the process lives on, and others would have it.
func x32(*target) (string, error) {
	_, _, errno := syscall.Syscall(0x40000000|syscall.SYS_GETPID, 0, 0, 0)
	return "the kernel said: " + errno.Error(), nil
}

func unknown() (string, error) {
	// The number of a call that lists namespaces, newer than those that are allowed.
	err := raw(470, 0, 0, 0)
	if errors.Is(err, syscall.ENOSYS) {
		return "", err
	}
	return fmt.Sprint("the kernel said: ", err), nil
}

// int80 makes a call as 32-bit programs do: machine code in a page of its own.
func int80(*target) (string, error) {
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return "", err
	}
	copy(page, []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3}) // mov eax, getpid; int 0x80; ret
	code := unsafe.Pointer(&page[0])
	entry := unsafe.Pointer(&code)
	call := *(*func() uintptr)(unsafe.Pointer(&entry))
	if pid := int32(call()); pid != int32(os.Getpid()) {
		return "", fmt.Errorf("it gave %d", pid)
	}
	return "getpid", nil
}

func outlive(*target) (string, error) {
	goruntime.LockOSThread()
	return "it need not die", raw(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, 0, 0)
}

// daemonize leaves behind a process without parent, group, session and environment, and says when it is there.
func daemonize(mark string) {
	_, _ = outlive(nil)
	for _, own := range []bool{true, false} {
		cmd := exec.Command(os.Args[0], "daemon", "fork", mark)
		cmd.Env = []string{}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: own}
		if cmd.Run() == nil {
			return
		}
	}
}

// daemon is started twice: the second one stays.
func daemon(args []string) {
	if args[0] == "stay" {
		for {
			time.Sleep(time.Hour)
		}
	}
	for _, own := range []bool{true, false} {
		cmd := exec.Command(os.Args[0], "daemon", "stay", args[1])
		cmd.Env = []string{}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: own, Setpgid: !own}
		if cmd.Start() == nil {
			return
		}
	}
	os.Exit(1)
}

// threads makes more than any agent may have.
func threads(*target) (string, error) {
	const n = 6000
	var there atomic.Int64
	for range n {
		go func() {
			goruntime.LockOSThread()
			there.Add(1)
			var ts = syscall.Timespec{Sec: 100}
			_ = syscall.Nanosleep(&ts, nil)
		}()
	}
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if there.Load() == n {
			return "6000 threads", nil
		}
	}
	return "", fmt.Errorf("there are %d", there.Load())
}

func private(t *target) (string, error) {
	_, err := syscall.Mmap(-1, 0, int(t.Memory), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	return "as much as there is", err
}

func shared(t *target) (string, error) {
	_, err := syscall.Mmap(-1, 0, int(t.Memory), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
	return "as much as there is", err
}

func memoryFile(*target) (string, error) {
	name := []byte("x\x00")
	return "a file in memory", raw(319, uintptr(unsafe.Pointer(&name[0])), 0, 0)
}

func large(*target) (string, error) {
	path := filepath.Join(os.Getenv("HOME"), "large")
	defer os.Remove(path)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return "2 GiB", f.Truncate(2 << 30)
}

func files(*target) (string, error) {
	for i := range 5000 {
		if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil {
			return "", fmt.Errorf("after %d: %w", i, err)
		}
	}
	return "5000", nil
}

// many has processes that together use more than one may.
func many(t *target) (string, error) {
	for range 3 {
		cmd := exec.Command(os.Args[0], "most memory")
		in, err := cmd.StdinPipe()
		if err != nil {
			return "", err
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			return "", err
		}
		if err := cmd.Start(); err != nil {
			return "", err
		}
		defer func() { _ = in.Close(); _ = cmd.Wait() }()
		if b := make([]byte, 4); true {
			if _, err := io.ReadFull(out, b); err != nil {
				return "", err
			}
		}
	}
	return "three times two thirds", nil
}

// manyFiles are together larger than one may be.
func manyFiles(*target) (string, error) {
	for i := range 3 {
		path := filepath.Join(os.Getenv("HOME"), fmt.Sprint("file", i))
		defer os.Remove(path)
		f, err := os.Create(path)
		if err != nil {
			return "", err
		}
		defer f.Close()
		if err := f.Truncate(900 << 20); err != nil {
			return "", err
		}
	}
	return "2.7 GB", nil
}
