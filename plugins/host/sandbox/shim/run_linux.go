//go:build amd64 || arm64

package shim

import (
	"errors"
	goruntime "runtime"
	"syscall"
	"unsafe"

	"github.com/parallax-run/parallax/plugins/host/sandbox/shim/kernel"
)

// Run is the program that becomes the agent: `parallax __shim`. Its host talks to it on descriptor 3. It returns only when
// something failed, with the exit code of the process; the host has been told by then.
func Run() int { return run(nil) }

// shim closes the doors around its own thread. Only that thread is left when it becomes the agent, so that nothing has to be
// done to the others.
type shim struct {
	plan     Plan
	leaveOut func(step string) bool // tests see whether they notice
}

// step is one door.
type step struct {
	name   string
	least  Level // at which it is closed
	absent bool  // a failure means that the machine does not give it
	do     func() error
}

func (s *shim) steps() []step {
	return []step{
		{"limits", Basic, false, s.limits},
		{"loopback", Strict, true, s.loopback},
		{"file tree", Strict, true, s.fileTree},
		{"processes", Strict, false, s.processes},
		{"user", Basic, false, s.user},
		{"capabilities", Basic, false, s.capabilities},
		{"no new privileges", Basic, false, s.noNewPrivileges},
		{"death signal", Basic, false, s.deathSignal},
		{"work directory", Basic, false, func() error { return syscall.Chdir(s.plan.Dir) }},
		{"landlock", Standard, false, s.plan.restrict},
		{"descriptors", Basic, false, descriptors},
		{"system calls", Standard, false, func() error { return s.plan.install(s.leaveOut) }},
	}
}

// run reads the plan, does every step and becomes the agent. leaveOut is nil outside of tests.
func run(leaveOut func(string) bool) int {
	goruntime.LockOSThread()
	if leaveOut == nil {
		leaveOut = func(string) bool { return false }
	}
	s := &shim{leaveOut: leaveOut}
	fault := s.run()
	if fault == nil {
		return 0
	}
	if err := say(Message{Fault: fault}, -1); err != nil {
		_, _ = syscall.Write(2, []byte("parallax: "+fault.Error()+"\n"))
	}
	return 1
}

func (s *shim) run() *StepError {
	if err := s.receive(); err != nil {
		return &StepError{Step: "plan", Err: err.Error()}
	}
	for _, st := range s.steps() {
		if s.plan.Level < st.least || s.leaveOut(st.name) {
			continue
		}
		if err := st.do(); err != nil {
			return &StepError{Step: st.name, Err: err.Error(), Absent: st.absent}
		}
	}
	if err := s.confirm(); err != nil {
		return &StepError{Step: "confirmation", Err: err.Error()}
	}
	if s.plan.Probe {
		return nil
	}
	return &StepError{Step: "start", Err: s.become().Error()}
}

// confirm tells the host that all is closed, and makes sure that there still is one: if it died before this process asked to die with
// it, nobody holds the other end of the socket.
func (s *shim) confirm() error {
	_, _, err := syscall.Recvfrom(controlFD, make([]byte, 1), kernel.MSG_PEEK|kernel.MSG_DONTWAIT)
	if !errors.Is(err, kernel.EAGAIN) {
		return errors.New("the host is gone")
	}
	return say(Message{Ready: true}, -1)
}

// become replaces the program by the agent. It returns only the error.
func (s *shim) become() error {
	argv, err := syscall.SlicePtrFromStrings(s.plan.Argv)
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(s.plan.Env)
	if err != nil {
		return err
	}
	_, _, errno := kernel.RawSyscall(kernel.SYS_EXECVE, uintptr(unsafe.Pointer(argv[0])), uintptr(unsafe.Pointer(&argv[0])), uintptr(unsafe.Pointer(&env[0])))
	return kernel.Wrap(errno, s.plan.Argv[0])
}

// receive reads the plan of the host.
func (s *shim) receive() error {
	buf := make([]byte, MaxMessage)
	n, err := retry(func() (int, error) { return syscall.Read(controlFD, buf) })
	switch {
	case err != nil:
		return err
	case n == 0:
		return errors.New("the host is gone")
	}
	return s.plan.Decode(buf[:n])
}

// say sends a message, with a descriptor if it is not negative.
func say(m Message, fd int) error {
	var rights []byte
	if fd >= 0 {
		rights = syscall.UnixRights(fd)
	}
	_, err := retry(func() (int, error) {
		return 0, syscall.Sendmsg(controlFD, m.Encode(), rights, nil, kernel.MSG_NOSIGNAL)
	})
	return err
}

func retry(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, kernel.EINTR) {
			return n, err
		}
	}
}

// limits bounds what one process may use. Go raises its own limit of open files when it starts, so the plan's is set here.
func (s *shim) limits() error {
	for _, l := range s.plan.Limits {
		lim := kernel.Rlimit{Cur: uint64(l.Most), Max: uint64(l.Most)}
		if err := setLimit(l.What, &lim); err != nil {
			return kernel.Wrap(err, "limit ", kernel.Itoa(l.What))
		}
	}
	return nil
}

// setLimit sets a limit by the bare system call: Go's own remembers the limit of open files and would put it back at exec.
func setLimit(what int, lim *kernel.Rlimit) error {
	if _, _, errno := kernel.RawSyscall6(kernel.SYS_PRLIMIT64, 0, uintptr(what), uintptr(unsafe.Pointer(lim)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// loopback brings up the agent's own network, which leads nowhere, and hands a listener in it to the host.
func (s *shim) loopback() error {
	if s.plan.Net == NetAll {
		return nil
	}
	fd, err := syscall.Socket(kernel.AF_INET, kernel.SOCK_DGRAM|kernel.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if err := kernel.SetFlags(fd, "lo", kernel.IFF_UP|kernel.IFF_RUNNING); err != nil {
		return kernel.Wrap(err, "bring it up")
	}
	if s.plan.Net == NetNone {
		return nil
	}
	return listen()
}

func listen() error {
	fd, err := syscall.Socket(kernel.AF_INET, kernel.SOCK_STREAM|kernel.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &kernel.SockaddrInet4{Port: ProxyPort, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := syscall.Listen(fd, kernel.SOMAXCONN); err != nil {
		return err
	}
	return say(Message{Listener: true}, fd)
}

// processes bounds how many there are in the agent's own process space, where the kernel can do that (since 6.14). It counts for root too,
// for whom the limit by user does not; on older kernels an agent that has to stay root is not bounded in this.
func (s *shim) processes() error {
	err := kernel.WriteFile("/proc/sys/kernel/pid_max", kernel.Itoa(s.plan.Tasks))
	if err != nil && !errors.Is(err, kernel.EACCES) && !errors.Is(err, kernel.EPERM) && !errors.Is(err, kernel.ENOENT) {
		return err
	}
	return nil
}

// user becomes nobody where the plan says so.
func (s *shim) user() error {
	if s.plan.UID == 0 {
		return nil
	}
	id := uintptr(s.plan.UID)
	if _, _, errno := kernel.RawSyscall(kernel.SYS_SETGROUPS, 0, 0, 0); errno != 0 {
		return kernel.Wrap(errno, "leave groups")
	}
	if _, _, errno := kernel.RawSyscall(kernel.SYS_SETRESGID, id, id, id); errno != 0 {
		return kernel.Wrap(errno, "group ", kernel.Itoa(id))
	}
	if _, _, errno := kernel.RawSyscall(kernel.SYS_PRCTL, kernel.PR_SET_KEEPCAPS, 1, 0); errno != 0 {
		return errno
	}
	if _, _, errno := kernel.RawSyscall(kernel.SYS_SETRESUID, id, id, id); errno != 0 {
		return kernel.Wrap(errno, "user ", kernel.Itoa(id))
	}
	return nil
}

// capabilities gives up all privileges, also those that a program of root would get.
func (s *shim) capabilities() error {
	hdr := kernel.CapUserHeader{Version: kernel.LINUX_CAPABILITY_VERSION_3}
	var caps [2]kernel.CapUserData
	if err := kernel.Capget(&hdr, &caps[0]); err != nil {
		return err
	}
	if permitted := uint64(caps[1].Permitted)<<32 | uint64(caps[0].Permitted); permitted&(1<<kernel.CAP_SETPCAP) != 0 {
		caps[0].Effective, caps[1].Effective = caps[0].Permitted, caps[1].Permitted
		if err := kernel.Capset(&hdr, &caps[0]); err != nil {
			return err
		}
		if err := dropBounding(); err != nil {
			return err
		}
	}
	if err := prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
		return kernel.Wrap(err, "ambient")
	}
	caps = [2]kernel.CapUserData{}
	if err := kernel.Capset(&hdr, &caps[0]); err != nil {
		return err
	}
	if err := kernel.Capget(&hdr, &caps[0]); err != nil {
		return err
	}
	if caps != [2]kernel.CapUserData{} {
		return errors.New("some are left")
	}
	return nil
}

// dropBounding bounds what programs of root may get: nothing.
func dropBounding() error {
	for c := uintptr(0); ; c++ {
		if prctl(kernel.PR_CAPBSET_READ, c) != nil {
			break
		}
		if err := prctl(kernel.PR_CAPBSET_DROP, c); err != nil {
			return kernel.Wrap(err, "bound ", kernel.Itoa(c))
		}
	}
	const noRoot = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7 // SECBIT_NOROOT, NO_SETUID_FIXUP, KEEP_CAPS_LOCKED, NO_CAP_AMBIENT_RAISE, each locked
	if err := prctl(kernel.PR_SET_SECUREBITS, noRoot); err != nil {
		return kernel.Wrap(err, "secure bits")
	}
	return nil
}

func prctl(option int, arg uintptr) error {
	if _, _, errno := kernel.RawSyscall6(kernel.SYS_PRCTL, uintptr(option), arg, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func (s *shim) noNewPrivileges() error { return prctl(kernel.PR_SET_NO_NEW_PRIVS, 1) }

// deathSignal has the kernel kill the agent when its host ends. A change of user has undone what was asked for before.
func (s *shim) deathSignal() error { return prctl(kernel.PR_SET_PDEATHSIG, uintptr(kernel.SIGKILL)) }

// descriptors closes at the start of the agent what this process was given besides its three streams.
func descriptors() error {
	return kernel.CloseRange(controlFD, ^uint(0)>>1, kernel.CLOSE_RANGE_CLOEXEC)
}
