//go:build amd64 || arm64

package shim

import (
	"errors"
	"syscall"
	"unsafe"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim/kernel"
)

// Landlock is used by its system calls and not through a package that falls back to less: what a kernel cannot do is decided
// once, by the level.

// Rights on files.
const (
	RightsRead  = kernel.LANDLOCK_ACCESS_FS_READ_FILE | kernel.LANDLOCK_ACCESS_FS_READ_DIR
	RightsExec  = kernel.LANDLOCK_ACCESS_FS_EXECUTE
	RightsWrite = kernel.LANDLOCK_ACCESS_FS_WRITE_FILE | kernel.LANDLOCK_ACCESS_FS_TRUNCATE | kernel.LANDLOCK_ACCESS_FS_REFER |
		kernel.LANDLOCK_ACCESS_FS_MAKE_REG | kernel.LANDLOCK_ACCESS_FS_MAKE_DIR | kernel.LANDLOCK_ACCESS_FS_MAKE_SYM |
		kernel.LANDLOCK_ACCESS_FS_MAKE_FIFO | kernel.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		kernel.LANDLOCK_ACCESS_FS_REMOVE_FILE | kernel.LANDLOCK_ACCESS_FS_REMOVE_DIR
	// rightsOfFiles are those that make sense on what is no directory.
	rightsOfFiles = kernel.LANDLOCK_ACCESS_FS_EXECUTE | kernel.LANDLOCK_ACCESS_FS_WRITE_FILE | kernel.LANDLOCK_ACCESS_FS_READ_FILE |
		kernel.LANDLOCK_ACCESS_FS_TRUNCATE | kernel.LANDLOCK_ACCESS_FS_IOCTL_DEV

	handledFS  = kernel.LANDLOCK_ACCESS_FS_IOCTL_DEV<<1 - 1 // all that version 5 knows
	handledNet = kernel.LANDLOCK_ACCESS_NET_BIND_TCP | kernel.LANDLOCK_ACCESS_NET_CONNECT_TCP
	scopes     = kernel.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | kernel.LANDLOCK_SCOPE_SIGNAL

	LeastLandlock    = 6 // the first version with scopes
	landlockUnix     = 9 // the first version that knows connections to sockets in the file tree
	rulePathBeneath  = kernel.LANDLOCK_RULE_PATH_BENEATH
	ruleNetPort      = 2
	bytesOfRuleset6  = 24 // size of the structure that version 6 knows
	bytesOfPathRule  = 12 // the kernel's structure is packed
	landlockVersions = kernel.LANDLOCK_CREATE_RULESET_VERSION
)

// LandlockVersion is the version of Landlock that the kernel has, 0 when there is none.
func LandlockVersion() (int, error) {
	v, _, errno := kernel.Syscall(kernel.SYS_LANDLOCK_CREATE_RULESET, 0, 0, landlockVersions)
	if errno != 0 {
		return 0, errno
	}
	return int(v), nil
}

// restrict puts the calling thread, and what it becomes, into a domain with the plan's rules.
func (p *Plan) restrict() error {
	version, err := LandlockVersion()
	if err != nil {
		return err
	}
	if version < LeastLandlock {
		return errors.New("the kernel has version " + kernel.Itoa(version) + ", " + kernel.Itoa(LeastLandlock) + " is needed")
	}
	attr := kernel.LandlockRulesetAttr{Handled_access_fs: handledFS, Scoped: scopes}
	if version >= landlockUnix {
		attr.Handled_access_fs |= kernel.LANDLOCK_ACCESS_FS_RESOLVE_UNIX
	}
	if p.Net != NetAll {
		attr.Handled_access_net = handledNet
	}
	fd, _, errno := kernel.Syscall(kernel.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), bytesOfRuleset6, 0)
	if errno != 0 {
		return kernel.Wrap(errno, "create the ruleset")
	}
	defer syscall.Close(int(fd))
	for _, r := range p.Rules {
		if err := r.add(fd); err != nil {
			return err
		}
	}
	if p.Net == NetHosts {
		if err := allowConnect(fd, p.Port); err != nil {
			return err
		}
	}
	if _, _, errno := kernel.RawSyscall(kernel.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return kernel.Wrap(errno, "restrict")
	}
	return nil
}

// add adds a rule to a ruleset.
func (r *Rule) add(ruleset uintptr) error {
	fd, err := syscall.Open(r.Path, kernel.O_PATH|kernel.O_CLOEXEC, 0)
	if errors.Is(err, kernel.ENOENT) && !r.Must {
		return nil
	}
	if err != nil {
		return &kernel.Fault{What: "open " + r.Path, Err: err}
	}
	defer syscall.Close(fd)
	var st kernel.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return &kernel.Fault{What: "stat " + r.Path, Err: err}
	}
	rights := r.Rights
	if st.Mode&kernel.S_IFMT != kernel.S_IFDIR {
		rights &= rightsOfFiles
	}
	attr := kernel.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := kernel.Syscall6(kernel.SYS_LANDLOCK_ADD_RULE, ruleset, rulePathBeneath, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 {
		return kernel.Wrap(errno, "allow ", r.Path)
	}
	return nil
}

func allowConnect(ruleset uintptr, port int) error {
	attr := struct{ access, port uint64 }{kernel.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(port)}
	if _, _, errno := kernel.Syscall6(kernel.SYS_LANDLOCK_ADD_RULE, ruleset, ruleNetPort, uintptr(unsafe.Pointer(&attr)), 0, 0, 0); errno != 0 {
		return kernel.Wrap(errno, "allow port ", kernel.Itoa(port))
	}
	return nil
}
