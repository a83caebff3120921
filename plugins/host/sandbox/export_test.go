//go:build linux && (amd64 || arm64)

package sandbox

import "golang.org/x/sys/unix"

// Namespaces are those that Strict has, by name.
func Namespaces() map[string]uintptr {
	return map[string]uintptr{"process space": unix.CLONE_NEWPID, "network space": unix.CLONE_NEWNET, "ipc space": unix.CLONE_NEWIPC}
}

// WithoutNamespace leaves one out.
func (b *Box) WithoutNamespace(flag uintptr) { b.leaveOut = flag }
