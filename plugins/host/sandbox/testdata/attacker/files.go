//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"
)

func read(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	buf := make([]byte, 16)
	n, err := f.Read(buf)
	return string(buf[:n]), err
}

func create(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer f.Close()
	defer os.Remove(path)
	_, err = f.WriteString("x")
	return path, err
}

func hostMemory(t *target) (string, error) {
	buf := make([]byte, 8)
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", t.Host))
	var at uintptr = 0x400000
	if err == nil {
		_, _ = fmt.Sscanf(string(maps), "%x-", &at)
	}
	local := syscall.Iovec{Base: &buf[0], Len: 8}
	remote := struct{ base, len uintptr }{at, 8}
	n, _, errno := syscall.Syscall6(sysProcessVMReadv, uintptr(t.Host), uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	if errno == 0 {
		return fmt.Sprintf("%d bytes", n), nil
	}
	if f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", t.Host), os.O_RDWR, 0); err == nil {
		f.Close()
		return "mem is open", nil
	}
	return "", errno
}

// otherEnvirons reads the environment of any process that is not its own or its child.
func otherEnvirons(t *target) (string, error) {
	if s, err := read(fmt.Sprintf("/proc/%d/environ", t.Host)); err == nil {
		return s, nil
	}
	procs, _ := filepath.Glob("/proc/[0-9]*/environ")
	var last error = syscall.ENOENT
	for _, p := range procs {
		env, err := os.ReadFile(p)
		if err == nil && len(env) > 0 && !strings.Contains(string(env), "ATTACK=") {
			return p, nil
		}
		if err != nil {
			last = err
		}
	}
	return "", last
}

func readGrantedDirWrite(t *target) (string, error) { return create(filepath.Join(t.Granted, "new")) }

func device(*target) (string, error) {
	path := filepath.Join(os.TempDir(), "null")
	defer os.Remove(path)
	if err := syscall.Mknod(path, syscall.S_IFCHR|0o666, 1<<8|5); err != nil {
		return "", err
	}
	return "a device", nil
}

func terminal(*target) (string, error) {
	c := byte('x')
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, 0, syscall.TIOCSTI, uintptr(unsafe.Pointer(&c)))
	if errno == syscall.EPERM {
		return "", errno
	}
	return "asked the terminal: " + errno.Error(), nil
}

func environment(*target) (string, error) {
	if v := os.Getenv("HOST_SECRET"); v != "" {
		return v, nil
	}
	return "", syscall.ENOENT
}
