//go:build amd64 || arm64

package shim

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filter is a program of the kernel that sees each system call, written rule by rule. The first rule that decides wins.
//
// It is written here, and not by a package, because a list of what is refused must also refuse what it cannot read: the 32-bit calls of
// a 64-bit kernel have other numbers. See docs/decisions/0014-the-sandbox.md.
type filter struct {
	prog []unix.SockFilter
	arch *architecture
}

// architecture is what differs between machines.
type architecture struct {
	audit   uint32   // as the kernel calls it
	most    uint32   // the highest call that was looked at here; later ones do not exist for agents
	x32     bool     // a second set of numbers above 1<<30
	refused []uint32 // besides those that all machines have
}

// Offsets in what the kernel shows a filter.
const (
	offNumber = 0
	offArch   = 4
	offArgs   = 16
	x32Bit    = 0x40000000
)

func (f *filter) add(code uint16, k uint32, jt, jf uint8) {
	f.prog = append(f.prog, unix.SockFilter{Code: code, K: k, Jt: jt, Jf: jf})
}

func (f *filter) load(offset uint32) { f.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, offset, 0, 0) }
func (f *filter) ret(action uint32)  { f.add(unix.BPF_RET|unix.BPF_K, action, 0, 0) }

// number loads the number of the call, which the rules of calls expect.
func (f *filter) number() { f.load(offNumber) }

// low loads the lower half of an argument. The kernel takes flags, domains and commands from there.
func (f *filter) low(arg uint32) { f.load(offArgs + 8*arg) }

func errnoAction(e unix.Errno) uint32 {
	return unix.SECCOMP_RET_ERRNO | uint32(e)
}

// refuse refuses calls whatever their arguments.
func (f *filter) refuse(e unix.Errno, calls ...uint32) {
	for _, nr := range calls {
		f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, nr, 0, 1)
		f.ret(errnoAction(e))
	}
}

// on judges one call by its arguments: body must end in ret on every way, or fall through to what comes after.
func (f *filter) on(nr uint32, body func()) {
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, nr, 1, 0)
	skip := len(f.prog)
	f.add(unix.BPF_JMP|unix.BPF_JA, 0, 0, 0)
	body()
	f.prog[skip].K = uint32(len(f.prog) - skip - 1)
	f.number()
}

// ifEqual runs body when the loaded value is one of values.
func (f *filter) ifEqual(body func(), values ...uint32) {
	for i, v := range values {
		f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, v, uint8(len(values)-i), 0)
	}
	f.guarded(body)
}

// ifBits runs body when the loaded value has one of the bits.
func (f *filter) ifBits(bits uint32, body func()) {
	f.add(unix.BPF_JMP|unix.BPF_JSET|unix.BPF_K, bits, 1, 0)
	f.guarded(body)
}

// guarded is a jump over body.
func (f *filter) guarded(body func()) {
	skip := len(f.prog)
	f.add(unix.BPF_JMP|unix.BPF_JA, 0, 0, 0)
	body()
	f.prog[skip].K = uint32(len(f.prog) - skip - 1)
}

func (f *filter) and(mask uint32) { f.add(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, mask, 0, 0) }
func (f *filter) allow()          { f.ret(unix.SECCOMP_RET_ALLOW) }

// parts are the rules of a filter, by name. Tests leave one out.
func (p *Plan) parts(f *filter) []part {
	return []part{
		{"foreign calls", f.native},
		{"calls of the kernel's keepers", f.keepers},
		{"namespaces", f.namespaces},
		{"memory outside limits", f.memory},
		{"sockets", func() { f.sockets(p.Net) }},
		{"connections", func() { f.connections(p) }},
		{"death", f.death},
		{"sessions", func() { f.sessions(p.Level) }},
		{"terminals", f.terminals},
	}
}

type part struct {
	name  string
	write func()
}

// build writes the filter of a plan.
func (p *Plan) build(arch *architecture, leaveOut func(string) bool) []unix.SockFilter {
	f := &filter{arch: arch}
	f.number()
	for _, part := range p.parts(f) {
		if !leaveOut("filter: " + part.name) {
			part.write()
		}
	}
	f.allow()
	return f.prog
}

// native ends a process that makes calls of another set of numbers, and hides calls that nobody here has looked at.
func (f *filter) native() {
	f.load(offArch)
	f.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, f.arch.audit, 1, 0)
	f.ret(unix.SECCOMP_RET_KILL_PROCESS)
	f.number()
	if f.arch.x32 {
		f.ifBits(x32Bit, func() { f.ret(unix.SECCOMP_RET_KILL_PROCESS) })
	}
	f.add(unix.BPF_JMP|unix.BPF_JGT|unix.BPF_K, f.arch.most, 0, 1)
	f.ret(errnoAction(unix.ENOSYS))
}

// keepers refuses what runs a machine rather than a program, looks into other processes, or has often been a way out.
func (f *filter) keepers() {
	f.refuse(
		unix.EPERM,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR,
		unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR, unix.SYS_STATMOUNT, unix.SYS_LISTMOUNT,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD, unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_USERFAULTFD,
		unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_ACCT, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
		unix.SYS_SYSLOG, unix.SYS_VHANGUP, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_FANOTIFY_INIT, unix.SYS_FANOTIFY_MARK, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_LSM_SET_SELF_ATTR,
		unix.SYS_SHMGET, unix.SYS_SHMAT, unix.SYS_SHMCTL, unix.SYS_MSGGET, unix.SYS_MSGSND, unix.SYS_MSGRCV, unix.SYS_MSGCTL,
		unix.SYS_SEMGET, unix.SYS_SEMOP, unix.SYS_SEMTIMEDOP, unix.SYS_SEMCTL, unix.SYS_MQ_OPEN, unix.SYS_MQ_UNLINK,
	)
	f.refuse(unix.EPERM, f.arch.refused...)
	// Programs ask whether there is an io_uring and do without.
	f.refuse(unix.ENOSYS, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER)
	f.on(unix.SYS_PERSONALITY, func() {
		f.low(0)
		f.ifEqual(f.allow, 0, 0xffffffff)
		f.ret(errnoAction(unix.EPERM))
	})
}

// namespaces refuses new ones: inside them more of the kernel can be reached. The flags of clone3 are in memory, where a filter
// cannot look; without it programs use clone.
func (f *filter) namespaces() {
	const flags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	f.refuse(unix.EPERM, unix.SYS_UNSHARE, unix.SYS_SETNS)
	f.refuse(unix.ENOSYS, unix.SYS_CLONE3)
	f.on(unix.SYS_CLONE, func() {
		f.low(0)
		f.ifBits(flags, func() { f.ret(errnoAction(unix.EPERM)) })
		f.allow()
	})
}

// memory refuses what the limit of a process's data does not count. Files in memory are also programs that no path names.
func (f *filter) memory() {
	f.refuse(unix.ENOSYS, unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET)
	f.on(unix.SYS_MMAP, func() {
		f.low(3)
		f.and(unix.MAP_SHARED | unix.MAP_ANONYMOUS)
		f.ifEqual(func() { f.ret(errnoAction(unix.ENOMEM)) }, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
		f.allow()
	})
}

// sockets says which there are. Datagrams between processes of the machine are refused: each can name another receiver.
func (f *filter) sockets(net NetMode) {
	f.on(unix.SYS_SOCKETPAIR, func() { f.local(); f.ret(errnoAction(unix.EPERM)) })
	f.on(unix.SYS_SOCKET, func() {
		f.local()
		if net != NetNone {
			f.internet(net)
		}
		f.ret(errnoAction(unix.EPERM))
	})
}

// local allows stream sockets of the machine. What it does not decide comes to the next rule.
func (f *filter) local() {
	f.low(0)
	f.ifEqual(func() {
		f.low(1)
		f.and(0xf)
		f.ifEqual(f.allow, unix.SOCK_STREAM, unix.SOCK_SEQPACKET)
	}, unix.AF_UNIX)
}

// internet allows TCP, by name of the protocol or as what the kernel takes for a stream: MPTCP and SCTP are streams too. With all
// of the network it allows UDP.
func (f *filter) internet(net NetMode) {
	f.low(0)
	f.ifEqual(func() {
		f.low(1)
		f.and(0xf)
		f.ifEqual(func() {
			f.low(2)
			f.ifEqual(f.allow, 0, unix.IPPROTO_TCP)
		}, unix.SOCK_STREAM)
		if net == NetAll {
			f.low(1)
			f.and(0xf)
			f.ifEqual(func() {
				f.low(2)
				f.ifEqual(f.allow, 0, unix.IPPROTO_UDP)
			}, unix.SOCK_DGRAM)
		}
	}, unix.AF_INET, unix.AF_INET6)
}

// msgFastOpen makes a connection by sending.
const msgFastOpen = 0x20000000

// connections refuses to connect where nothing but the agent's own listener is needed, and else what connects without asking.
func (f *filter) connections(p *Plan) {
	if p.Net == NetNone {
		f.refuse(unix.EPERM, unix.SYS_CONNECT)
	}
	if p.Net == NetHosts && p.Level < Strict {
		for _, c := range []struct{ nr, flags uint32 }{{unix.SYS_SENDTO, 3}, {unix.SYS_SENDMSG, 2}, {unix.SYS_SENDMMSG, 3}} {
			f.on(c.nr, func() {
				f.low(c.flags)
				f.ifBits(msgFastOpen, func() { f.ret(errnoAction(unix.EPERM)) })
				f.allow()
			})
		}
	}
}

// death refuses to take back that a process dies with its host. Programs may ask for the same for their children.
func (f *filter) death() {
	f.on(unix.SYS_PRCTL, func() {
		f.low(0)
		f.ifEqual(func() {
			f.low(1)
			f.ifEqual(f.allow, uint32(unix.SIGKILL))
			f.ret(errnoAction(unix.EPERM))
		}, unix.PR_SET_PDEATHSIG)
		f.allow()
	})
}

// sessions keeps all processes of an agent in one group, by which they are ended, where they have no process space of their
// own. Programs that make groups to end their children believe that they have.
func (f *filter) sessions(l Level) {
	if l >= Strict {
		return
	}
	f.refuse(unix.EPERM, unix.SYS_SETSID)
	f.on(unix.SYS_SETPGID, func() { f.ret(unix.SECCOMP_RET_ERRNO) })
}

// terminals refuses to type into one.
func (f *filter) terminals() {
	f.on(unix.SYS_IOCTL, func() {
		f.low(1)
		f.ifEqual(func() { f.ret(errnoAction(unix.EPERM)) }, unix.TIOCSTI, tiocLinux)
		f.allow()
	})
}

const tiocLinux = 0x541c

// install puts the calling thread, and what it becomes, under the plan's filter.
func (p *Plan) install(leaveOut func(string) bool) error {
	prog := p.build(thisArchitecture(), leaveOut)
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog))); errno != 0 {
		return fmt.Errorf("a filter of %d instructions: %w", len(prog), errno)
	}
	return nil
}

// FiltersCalls says whether the kernel has filters of system calls.
func FiltersCalls() error {
	action := uint32(unix.SECCOMP_RET_KILL_PROCESS)
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))); errno != 0 {
		return errno
	}
	return nil
}
