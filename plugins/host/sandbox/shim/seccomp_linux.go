//go:build amd64 || arm64

package shim

import (
	"unsafe"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim/kernel"
)

// filter is a program of the kernel that sees each system call, written rule by rule. The first rule that decides wins.
//
// It is written here, and not by a package, because a list of what is refused must also refuse what it cannot read: the 32-bit calls of
// a 64-bit kernel have other numbers. See docs/decisions/0018-the-sandbox.md.
type filter struct {
	prog []kernel.SockFilter
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
	f.prog = append(f.prog, kernel.SockFilter{Code: code, K: k, Jt: jt, Jf: jf})
}

func (f *filter) load(offset uint32) { f.add(kernel.BPF_LD|kernel.BPF_W|kernel.BPF_ABS, offset, 0, 0) }
func (f *filter) ret(action uint32)  { f.add(kernel.BPF_RET|kernel.BPF_K, action, 0, 0) }

// number loads the number of the call, which the rules of calls expect.
func (f *filter) number() { f.load(offNumber) }

// low loads the lower half of an argument. The kernel takes flags, domains and commands from there.
func (f *filter) low(arg uint32) { f.load(offArgs + 8*arg) }

func errnoAction(e kernel.Errno) uint32 {
	return kernel.SECCOMP_RET_ERRNO | uint32(e)
}

// refuse refuses calls whatever their arguments.
func (f *filter) refuse(e kernel.Errno, calls ...uint32) {
	for _, nr := range calls {
		f.add(kernel.BPF_JMP|kernel.BPF_JEQ|kernel.BPF_K, nr, 0, 1)
		f.ret(errnoAction(e))
	}
}

// on judges one call by its arguments: body must end in ret on every way, or fall through to what comes after.
func (f *filter) on(nr uint32, body func()) {
	f.add(kernel.BPF_JMP|kernel.BPF_JEQ|kernel.BPF_K, nr, 1, 0)
	skip := len(f.prog)
	f.add(kernel.BPF_JMP|kernel.BPF_JA, 0, 0, 0)
	body()
	f.prog[skip].K = uint32(len(f.prog) - skip - 1)
	f.number()
}

// ifEqual runs body when the loaded value is one of values.
func (f *filter) ifEqual(body func(), values ...uint32) {
	for i, v := range values {
		f.add(kernel.BPF_JMP|kernel.BPF_JEQ|kernel.BPF_K, v, uint8(len(values)-i), 0)
	}
	f.guarded(body)
}

// ifBits runs body when the loaded value has one of the bits.
func (f *filter) ifBits(bits uint32, body func()) {
	f.add(kernel.BPF_JMP|kernel.BPF_JSET|kernel.BPF_K, bits, 1, 0)
	f.guarded(body)
}

// guarded is a jump over body.
func (f *filter) guarded(body func()) {
	skip := len(f.prog)
	f.add(kernel.BPF_JMP|kernel.BPF_JA, 0, 0, 0)
	body()
	f.prog[skip].K = uint32(len(f.prog) - skip - 1)
}

func (f *filter) and(mask uint32) { f.add(kernel.BPF_ALU|kernel.BPF_AND|kernel.BPF_K, mask, 0, 0) }
func (f *filter) allow()          { f.ret(kernel.SECCOMP_RET_ALLOW) }

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
func (p *Plan) build(arch *architecture, leaveOut func(string) bool) []kernel.SockFilter {
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
	f.add(kernel.BPF_JMP|kernel.BPF_JEQ|kernel.BPF_K, f.arch.audit, 1, 0)
	f.ret(kernel.SECCOMP_RET_KILL_PROCESS)
	f.number()
	if f.arch.x32 {
		f.ifBits(x32Bit, func() { f.ret(kernel.SECCOMP_RET_KILL_PROCESS) })
	}
	f.add(kernel.BPF_JMP|kernel.BPF_JGT|kernel.BPF_K, f.arch.most, 0, 1)
	f.ret(errnoAction(kernel.ENOSYS))
}

// keepers refuses what runs a machine rather than a program, looks into other processes, or has often been a way out.
func (f *filter) keepers() {
	f.refuse(
		kernel.EPERM,
		kernel.SYS_PTRACE, kernel.SYS_PROCESS_VM_READV, kernel.SYS_PROCESS_VM_WRITEV, kernel.SYS_PROCESS_MADVISE, kernel.SYS_KCMP, kernel.SYS_PIDFD_GETFD,
		kernel.SYS_MOUNT, kernel.SYS_UMOUNT2, kernel.SYS_PIVOT_ROOT, kernel.SYS_CHROOT, kernel.SYS_MOVE_MOUNT, kernel.SYS_OPEN_TREE, kernel.SYS_OPEN_TREE_ATTR,
		kernel.SYS_FSOPEN, kernel.SYS_FSCONFIG, kernel.SYS_FSMOUNT, kernel.SYS_FSPICK, kernel.SYS_MOUNT_SETATTR, kernel.SYS_STATMOUNT, kernel.SYS_LISTMOUNT,
		kernel.SYS_SWAPON, kernel.SYS_SWAPOFF, kernel.SYS_REBOOT, kernel.SYS_KEXEC_LOAD, kernel.SYS_INIT_MODULE, kernel.SYS_FINIT_MODULE, kernel.SYS_DELETE_MODULE,
		kernel.SYS_BPF, kernel.SYS_PERF_EVENT_OPEN, kernel.SYS_ADD_KEY, kernel.SYS_REQUEST_KEY, kernel.SYS_KEYCTL, kernel.SYS_USERFAULTFD,
		kernel.SYS_QUOTACTL, kernel.SYS_QUOTACTL_FD, kernel.SYS_ACCT, kernel.SYS_SETTIMEOFDAY, kernel.SYS_CLOCK_SETTIME, kernel.SYS_ADJTIMEX, kernel.SYS_CLOCK_ADJTIME,
		kernel.SYS_SYSLOG, kernel.SYS_VHANGUP, kernel.SYS_SETHOSTNAME, kernel.SYS_SETDOMAINNAME, kernel.SYS_NAME_TO_HANDLE_AT, kernel.SYS_OPEN_BY_HANDLE_AT,
		kernel.SYS_FANOTIFY_INIT, kernel.SYS_FANOTIFY_MARK, kernel.SYS_MIGRATE_PAGES, kernel.SYS_MOVE_PAGES, kernel.SYS_LSM_SET_SELF_ATTR,
		kernel.SYS_SHMGET, kernel.SYS_SHMAT, kernel.SYS_SHMCTL, kernel.SYS_MSGGET, kernel.SYS_MSGSND, kernel.SYS_MSGRCV, kernel.SYS_MSGCTL,
		kernel.SYS_SEMGET, kernel.SYS_SEMOP, kernel.SYS_SEMTIMEDOP, kernel.SYS_SEMCTL, kernel.SYS_MQ_OPEN, kernel.SYS_MQ_UNLINK,
	)
	f.refuse(kernel.EPERM, f.arch.refused...)
	// Programs ask whether there is an io_uring and do without.
	f.refuse(kernel.ENOSYS, kernel.SYS_IO_URING_SETUP, kernel.SYS_IO_URING_ENTER, kernel.SYS_IO_URING_REGISTER)
	f.on(kernel.SYS_PERSONALITY, func() {
		f.low(0)
		f.ifEqual(f.allow, 0, 0xffffffff)
		f.ret(errnoAction(kernel.EPERM))
	})
}

// namespaces refuses new ones: inside them more of the kernel can be reached. The flags of clone3 are in memory, where a filter
// cannot look; without it programs use clone.
func (f *filter) namespaces() {
	const flags = kernel.CLONE_NEWNS | kernel.CLONE_NEWCGROUP | kernel.CLONE_NEWUTS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET
	f.refuse(kernel.EPERM, kernel.SYS_UNSHARE, kernel.SYS_SETNS)
	f.refuse(kernel.ENOSYS, kernel.SYS_CLONE3)
	f.on(kernel.SYS_CLONE, func() {
		f.low(0)
		f.ifBits(flags, func() { f.ret(errnoAction(kernel.EPERM)) })
		f.allow()
	})
}

// memory refuses what the limit of a process's data does not count. Files in memory are also programs that no path names.
func (f *filter) memory() {
	f.refuse(kernel.ENOSYS, kernel.SYS_MEMFD_CREATE, kernel.SYS_MEMFD_SECRET)
	f.on(kernel.SYS_MMAP, func() {
		f.low(3)
		f.and(kernel.MAP_SHARED | kernel.MAP_ANONYMOUS)
		f.ifEqual(func() { f.ret(errnoAction(kernel.ENOMEM)) }, kernel.MAP_SHARED|kernel.MAP_ANONYMOUS)
		f.allow()
	})
}

// sockets says which there are. Datagrams between processes of the machine are refused: each can name another receiver.
func (f *filter) sockets(net NetMode) {
	f.on(kernel.SYS_SOCKETPAIR, func() { f.local(); f.ret(errnoAction(kernel.EPERM)) })
	f.on(kernel.SYS_SOCKET, func() {
		f.local()
		if net != NetNone {
			f.internet(net)
		}
		f.ret(errnoAction(kernel.EPERM))
	})
}

// local allows stream sockets of the machine. What it does not decide comes to the next rule.
func (f *filter) local() {
	f.low(0)
	f.ifEqual(func() {
		f.low(1)
		f.and(0xf)
		f.ifEqual(f.allow, kernel.SOCK_STREAM, kernel.SOCK_SEQPACKET)
	}, kernel.AF_UNIX)
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
			f.ifEqual(f.allow, 0, kernel.IPPROTO_TCP)
		}, kernel.SOCK_STREAM)
		if net == NetAll {
			f.low(1)
			f.and(0xf)
			f.ifEqual(func() {
				f.low(2)
				f.ifEqual(f.allow, 0, kernel.IPPROTO_UDP)
			}, kernel.SOCK_DGRAM)
		}
	}, kernel.AF_INET, kernel.AF_INET6)
}

// msgFastOpen makes a connection by sending.
const msgFastOpen = 0x20000000

// connections refuses to connect where nothing but the agent's own listener is needed, and else what connects without asking.
func (f *filter) connections(p *Plan) {
	if p.Net == NetNone {
		f.refuse(kernel.EPERM, kernel.SYS_CONNECT)
	}
	if p.Net == NetHosts && p.Level < Strict {
		for _, c := range []struct{ nr, flags uint32 }{{kernel.SYS_SENDTO, 3}, {kernel.SYS_SENDMSG, 2}, {kernel.SYS_SENDMMSG, 3}} {
			f.on(c.nr, func() {
				f.low(c.flags)
				f.ifBits(msgFastOpen, func() { f.ret(errnoAction(kernel.EPERM)) })
				f.allow()
			})
		}
	}
}

// death refuses to take back that a process dies with its host. Programs may ask for the same for their children.
func (f *filter) death() {
	f.on(kernel.SYS_PRCTL, func() {
		f.low(0)
		f.ifEqual(func() {
			f.low(1)
			f.ifEqual(f.allow, uint32(kernel.SIGKILL))
			f.ret(errnoAction(kernel.EPERM))
		}, kernel.PR_SET_PDEATHSIG)
		f.allow()
	})
}

// sessions keeps all processes of an agent in one group, by which they are ended, where they have no process space of their
// own. Programs that make groups to end their children believe that they have.
func (f *filter) sessions(l Level) {
	if l >= Strict {
		return
	}
	f.refuse(kernel.EPERM, kernel.SYS_SETSID)
	f.on(kernel.SYS_SETPGID, func() { f.ret(kernel.SECCOMP_RET_ERRNO) })
}

// terminals refuses to type into one.
func (f *filter) terminals() {
	f.on(kernel.SYS_IOCTL, func() {
		f.low(1)
		f.ifEqual(func() { f.ret(errnoAction(kernel.EPERM)) }, kernel.TIOCSTI, tiocLinux)
		f.allow()
	})
}

const tiocLinux = 0x541c

// install puts the calling thread, and what it becomes, under the plan's filter.
func (p *Plan) install(leaveOut func(string) bool) error {
	prog := p.build(thisArchitecture(), leaveOut)
	fprog := kernel.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	if _, _, errno := kernel.RawSyscall(kernel.SYS_SECCOMP, kernel.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog))); errno != 0 {
		return kernel.Wrap(errno, "a filter of ", kernel.Itoa(len(prog)), " instructions")
	}
	return nil
}

// FiltersCalls says whether the kernel has filters of system calls.
func FiltersCalls() error {
	action := uint32(kernel.SECCOMP_RET_KILL_PROCESS)
	if _, _, errno := kernel.Syscall(kernel.SYS_SECCOMP, kernel.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action))); errno != 0 {
		return errno
	}
	return nil
}
