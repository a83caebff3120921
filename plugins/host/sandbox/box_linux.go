//go:build amd64 || arm64

package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
	"github.com/parallax-run/parallax/plugins/host/sandbox/shim"
)

// LeastLevel is the level that a policy needs when it does not say.
const LeastLevel = Standard

// Gateways says whether secrets can be kept from agents.
const Gateways = true

// Box is the sandbox of one process. Prepare, Started and Admit are called once, in this order, and Close at the end.
type Box struct {
	spec  Spec
	plan  shim.Plan
	proxy *egress.Proxy
	front string // of the proxy: host:port, with its token if it has one

	ours  *net.UnixConn
	child *os.File

	// leaveOut are namespaces that tests leave out.
	leaveOut uintptr
}

// How much one process may have, and all of one agent's processes.
const (
	maxOpenFiles = 4096
	maxFileBytes = 1 << 30
	maxTasks     = 512
)

// nobody is the user that agents of root become.
const nobody = 65534

// New makes the sandbox of a process that is about to be started.
func New(s Spec) (*Box, error) {
	if err := s.Policy.Check(); err != nil {
		return nil, err
	}
	b := &Box{spec: s}
	if err := b.openProxy(); err != nil {
		return nil, err
	}
	if err := b.makePlan(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// UID is the user that the process becomes, for whom what is shared must be readable; ok is false when it stays who the host is.
func (b *Box) UID() (uid int, ok bool) { return b.plan.UID, b.plan.UID != 0 }

// netMode is what of the network the process needs: a gateway is reached through the proxy.
func (b *Box) netMode() shim.NetMode {
	switch p := b.spec.Policy; {
	case p.Net.All:
		return shim.NetAll
	case p.Net.None() && len(b.spec.Gateways) == 0:
		return shim.NetNone
	}
	return shim.NetHosts
}

// ownNetwork says whether the listener of the proxy is in a network of the agent's own.
func (b *Box) ownNetwork() bool { return b.spec.Level >= Strict && b.netMode() == shim.NetHosts }

// openProxy makes the proxy. Where it listens on the machine's own loopback, a token keeps others out.
func (b *Box) openProxy() error {
	mode := b.netMode()
	if mode == shim.NetNone || mode == shim.NetAll && len(b.spec.Gateways) == 0 {
		return nil
	}
	rules, err := egress.Parse(b.spec.Policy.Net.Items)
	if err != nil {
		return err
	}
	b.proxy = &egress.Proxy{Rules: rules, Gateways: b.spec.Gateways, Secret: b.spec.Secret}
	b.front = net.JoinHostPort("127.0.0.1", strconv.Itoa(shim.ProxyPort))
	if b.ownNetwork() {
		b.plan.Port = shim.ProxyPort
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the agent's requests: %w", err)
	}
	addr := netip.MustParseAddrPort(l.Addr().String())
	b.proxy.Token = rand.Text()
	b.front, b.plan.Port = addr.String(), int(addr.Port())
	b.proxy.Serve(l)
	return nil
}

// Gateway is the URL at which the process reaches the gateway of a secret, or "".
func (b *Box) Gateway(secret string) string {
	for _, g := range b.spec.Gateways {
		if g.Secret == secret && b.proxy != nil {
			return "http://" + b.front + b.proxy.GatewayPath(secret)
		}
	}
	return ""
}

// proxyEnv tells programs where the way out is.
func (b *Box) proxyEnv() []string {
	var env []string
	if b.netMode() == shim.NetHosts {
		url := "http://" + b.front
		if t := b.proxy.Token; t != "" {
			url = "http://" + t + "@" + b.front
		}
		for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
			env = append(env, name+"="+url)
		}
		env = append(env, "NO_PROXY=127.0.0.1,localhost", "no_proxy=127.0.0.1,localhost", "NODE_USE_ENV_PROXY=1")
	}
	for _, g := range b.spec.Gateways {
		env = append(env, "PARALLAX_GATEWAY_"+g.Secret+"="+b.Gateway(g.Secret), g.Secret+"="+egress.Placeholder)
	}
	return env
}

func (b *Box) makePlan() error {
	s, p := &b.spec, &b.plan
	p.Level, p.Argv, p.Dir, p.Root = s.Level, s.Argv, s.Scratch, s.Root
	p.Net, p.Tasks = b.netMode(), maxTasks
	p.Env = append(s.environment(), b.proxyEnv()...)
	if !s.Bare {
		p.Env = append(p.Env, fmt.Sprintf("GOMEMLIMIT=%d", s.Policy.memory()/10*9))
	}
	if err := b.makeRules(); err != nil {
		return err
	}
	if os.Geteuid() == 0 && canDrop() && b.droppable() {
		p.UID = nobody
	}
	p.Limits = b.limits()
	for _, r := range p.Rules {
		if !strings.HasPrefix(r.Path, "/proc") {
			p.Binds = append(p.Binds, r.Path)
		}
	}
	slices.Sort(p.Binds)
	p.Binds = slices.Compact(p.Binds)
	return nil
}

// makeRules lists what may be read, written and run.
func (b *Box) makeRules() error {
	s := &b.spec
	read := uint64(shim.RightsRead)
	if s.Policy.Exec.All {
		read |= shim.RightsExec
	}
	allow := func(rights uint64, must bool, paths ...string) {
		for _, path := range paths {
			b.plan.Rules = append(b.plan.Rules, shim.Rule{Path: filepath.Clean(path), Rights: rights, Must: must})
		}
	}
	files, err := programs(s.Argv[0])
	if err != nil {
		return err
	}
	allow(rightsOfProgram, true, files...)
	if s.Bare {
		if len(files) > 1 { // libraries, before it is narrowed
			allow(read, false, systemPaths()...)
		}
		return nil
	}
	allow(read, false, certificates()...)
	if len(files) > 1 || !s.Policy.Exec.None() {
		allow(read, false, systemPaths()...)
	}
	allow(read, false, procPaths(s.Level)...)
	allow(shim.RightsRead|shim.RightsWrite, false, "/dev/null")
	allow(shim.RightsRead, false, "/dev/full", "/dev/random", "/dev/urandom")
	if s.Policy.Net.All {
		allow(read, false, "/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/gai.conf")
	}
	allow(read, true, s.Policy.Read...)
	allow(read, false, s.Read...)
	allow(read|shim.RightsWrite, true, s.Policy.Write...)
	allow(read|shim.RightsWrite, true, s.Shared...)
	for _, path := range s.Policy.Exec.Items {
		files, err := programs(path)
		if err != nil {
			return err
		}
		allow(rightsOfProgram, true, files...)
	}
	return nil
}

// rightsOfProgram are what the kernel needs to run one.
const rightsOfProgram = shim.RightsRead | shim.RightsExec

// certificates and the zones of time are what a program in one file needs of the system.
func certificates() []string {
	return []string{
		"/etc/localtime", "/usr/share/zoneinfo", "/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted", "/etc/ca-certificates",
		"/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
	}
}

// systemPaths are the libraries and data that all others expect. None of them is private on a machine in good order.
func systemPaths() []string {
	return []string{
		"/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin", "/nix/store", "/gnu/store",
		"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/mime.types", "/etc/ssl/openssl.cnf",
	}
}

// procPaths are what a process may know of processes: in a space of its own all there are, else itself.
func procPaths(l Level) []string {
	if l >= Strict {
		return []string{"/proc"}
	}
	return []string{"/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat"}
}

// limits bounds one process, by no more than what the host may have itself. What no limit counts is said in docs/guides/permissions.md.
func (b *Box) limits() []shim.Limit {
	list := []shim.Limit{
		{What: unix.RLIMIT_CORE},
		{What: unix.RLIMIT_MSGQUEUE},
		{What: unix.RLIMIT_NOFILE, Most: maxOpenFiles},
		{What: unix.RLIMIT_DATA, Most: b.spec.Policy.memory()},
		{What: unix.RLIMIT_FSIZE, Most: maxFileBytes},
		{What: unix.RLIMIT_MEMLOCK, Most: 1 << 20},
	}
	if b.spec.CPU > 0 {
		list = append(list, shim.Limit{What: unix.RLIMIT_CPU, Most: int64(b.spec.CPU.Seconds())})
	}
	uid := os.Geteuid()
	if b.plan.UID != 0 {
		uid = b.plan.UID
	}
	switch {
	case b.spec.Level >= Strict:
		list = append(list, shim.Limit{What: unix.RLIMIT_NPROC, Most: maxTasks}) // counted in the user space of its own
	case uid != 0:
		list = append(list, shim.Limit{What: unix.RLIMIT_NPROC, Most: maxTasks + tasksNow()}) // of all processes of the user
	}
	for i := range list {
		var own unix.Rlimit
		if unix.Getrlimit(list[i].What, &own) == nil && own.Max < uint64(list[i].Most) {
			list[i].Most = int64(own.Max)
		}
	}
	return list
}

// tasksNow is how many processes and threads the machine has, of which the user's are some. Counting those would take as long as all else.
func tasksNow() int64 {
	text, err := os.ReadFile("/proc/loadavg")
	if fields := strings.Fields(string(text)); err == nil && len(fields) > 3 {
		_, all, _ := strings.Cut(fields[3], "/")
		if n, err := strconv.ParseInt(all, 10, 32); err == nil {
			return min(n, mostTasks)
		}
	}
	return 4096
}

// mostTasks is where counting ends: who has more cannot be told from a fork bomb.
const mostTasks = 5000

// canDrop says whether this process can make others nobody: root in a container often cannot.
func canDrop() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	const needed = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID | 1<<unix.CAP_CHOWN
	if unix.Capget(&hdr, &caps[0]) != nil || caps[0].Effective&needed != needed {
		return false
	}
	return mapped("/proc/self/uid_map") && mapped("/proc/self/gid_map")
}

// mapped says whether there is a user, or group, nobody in this process's user space.
func mapped(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		var first, outside, n int64
		if _, err := fmt.Sscan(line, &first, &outside, &n); err == nil && nobody >= first && nobody < first+n {
			return true
		}
	}
	return false
}

// droppable says whether nobody can use all that the process needs.
func (b *Box) droppable() bool {
	s := &b.spec
	programs := append([]string{s.Argv[0]}, s.Policy.Exec.Items...)
	return all(programs, b.reachable(0o5)) && all(s.Policy.Read, b.reachable(0o4)) && all(s.Policy.Write, b.reachable(0o6))
}

func all(paths []string, ok func(string) bool) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return !ok(p) })
}

// reachable looks at the permissions of others. In a tree of its own only those of the thing itself count.
func (b *Box) reachable(bits os.FileMode) func(string) bool {
	return func(path string) bool {
		resolved, err := filepath.EvalSymlinks(path)
		if err != nil {
			return false
		}
		st, err := os.Stat(resolved)
		if err != nil {
			return false
		}
		need := bits
		if st.IsDir() {
			need |= 0o5
		}
		if st.Mode().Perm()&need != need {
			return false
		}
		for dir := filepath.Dir(resolved); b.spec.Level < Strict; dir = filepath.Dir(dir) {
			if st, err := os.Stat(dir); err != nil || st.Mode().Perm()&0o1 == 0 {
				return false
			}
			if dir == "/" {
				break
			}
		}
		return true
	}
}

// Prepare makes a command start the shim. The command's streams stay as they are.
func (b *Box) Prepare(cmd *exec.Cmd) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("a socket to the shim: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "shim")
	defer ours.Close()
	b.child = os.NewFile(uintptr(fds[1]), "host")
	_ = unix.SetNonblock(fds[1], false) // the shim waits in its system calls
	conn, err := net.FileConn(ours)
	if err != nil {
		return err
	}
	b.ours = conn.(*net.UnixConn)
	cmd.Path, cmd.Args, cmd.Dir = b.spec.Shim[0], b.spec.Shim, "/"
	cmd.ExtraFiles = []*os.File{b.child}
	// What becomes another program has to wait for its threads to end.
	cmd.Env = append(cmd.Env, shim.Asked+"=1", "GOMAXPROCS=1", "GOGC=off")
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = 0 // the shim asks for it when it has become whom it stays
	if b.spec.Level >= Strict {
		b.spaces(cmd.SysProcAttr)
	}
	b.share()
	return nil
}

// spaces gives the process a user space, file tree, process space, and what else the kernel can divide.
func (b *Box) spaces(a *syscall.SysProcAttr) {
	a.Cloneflags |= unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if b.plan.Net != shim.NetAll {
		a.Cloneflags |= unix.CLONE_NEWNET
	}
	a.Cloneflags &^= b.leaveOut
	uid, gid := os.Geteuid(), os.Getegid()
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
	if b.plan.UID != 0 {
		id := syscall.SysProcIDMap{ContainerID: b.plan.UID, HostID: b.plan.UID, Size: 1}
		a.UidMappings, a.GidMappings = append(a.UidMappings, id), append(a.GidMappings, id)
		a.GidMappingsEnableSetgroups = true
	}
	if uid != 0 {
		a.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP}
	}
}

// share gives what is shared to the user that the process becomes.
func (b *Box) share() {
	if b.plan.UID == 0 {
		return
	}
	for _, dir := range b.spec.Shared {
		_ = os.Chown(dir, b.plan.UID, b.plan.UID)
	}
}

// Started says how the start of the command ended, and translates its error.
func (b *Box) Started(err error) error {
	_ = b.child.Close()
	if err == nil {
		return nil
	}
	absent := errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EUSERS)
	if b.spec.Level >= Strict && absent {
		return &StepError{Step: "namespaces", Err: err.Error(), Absent: true}
	}
	return err
}

// Admit tells the shim what to do and waits until it has become the agent. A *StepError says which step failed.
func (b *Box) Admit(timeout time.Duration) error {
	defer b.ours.Close()
	if err := b.ours.SetDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	if err := b.tell(b.plan.Encode()); err != nil {
		return &StepError{Step: "plan", Err: err.Error()}
	}
	for ready := false; ; {
		m, gone, err := b.hear()
		switch {
		case gone && ready:
			return nil
		case err != nil:
			return &StepError{Step: "shim", Err: err.Error()}
		case m.Fault != nil:
			return m.Fault
		case m.Ready:
			ready = true
		}
	}
}

func (b *Box) tell(msg []byte) error {
	if len(msg) > shim.MaxMessage {
		return fmt.Errorf("it has %d bytes, the most is %d", len(msg), shim.MaxMessage)
	}
	_, err := b.ours.Write(msg)
	return err
}

// hear reads a message and takes the listener that comes with it. gone says that the other end is closed.
func (b *Box) hear() (m shim.Message, gone bool, err error) {
	buf, oob := make([]byte, shim.MaxMessage), make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := b.ours.ReadMsgUnix(buf, oob)
	if n == 0 && (err == nil || !errors.Is(err, os.ErrDeadlineExceeded)) {
		return m, true, errors.New("it ended without a word")
	}
	if err != nil {
		return m, false, err
	}
	if err := m.Decode(buf[:n]); err != nil {
		return m, false, err
	}
	if m.Listener {
		err = b.take(oob[:oobn])
	}
	return m, false, err
}

// take serves the proxy on a listener that the shim made.
func (b *Box) take(oob []byte) error {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil || len(msgs) != 1 {
		return fmt.Errorf("the listener did not come: %w", err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return fmt.Errorf("the listener did not come: %w", err)
	}
	unix.CloseOnExec(fds[0])
	f := os.NewFile(uintptr(fds[0]), "listener")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return err
	}
	b.proxy.Serve(l)
	return nil
}

// Close ends the proxy. The process has ended by then.
func (b *Box) Close() {
	if b.proxy != nil {
		b.proxy.Close()
	}
	if b.ours != nil {
		_ = b.ours.Close()
	}
}
