//go:build linux && amd64

package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
)

// job is what a host is to do, in a process of its own: attacks on the host shall not hit the test.
type job struct {
	Attacker string        `json:"attacker"`
	Args     []string      `json:"args"`
	Level    sandbox.Level `json:"level"`
	Hosts    []string      `json:"hosts"`
	Exec     []string      `json:"exec"`
	Hole     string        `json:"hole"` // a step or a namespace to leave out

	Gateways []egress.Gateway  `json:"gateways"`
	Secrets  map[string]string `json:"secrets"`
}

const attackMemory = 512 << 20

// beHost starts the attacker in a sandbox and passes on what it prints.
func beHost(text string) int {
	var j job
	err := json.Unmarshal([]byte(text), &j)
	if err == nil {
		err = j.run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func (j *job) run() error {
	dir, err := os.MkdirTemp("/tmp", "px-attack-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // others have to get through
		return err
	}
	o, err := newOutside(dir)
	if err != nil {
		return err
	}
	defer o.close()
	attack, err := json.Marshal(o.target)
	if err != nil {
		return err
	}
	scratch, root := filepath.Join(dir, "scratch"), filepath.Join(dir, "root")
	if err := errors.Join(os.Mkdir(scratch, 0o700), os.Mkdir(root, 0o700)); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	shim := []string{self, "__shim"}
	if _, ok := sandbox.Namespaces()[j.Hole]; j.Hole != "" && !ok {
		shim = append(shim, j.Hole)
	}
	b, err := sandbox.New(sandbox.Spec{
		Policy: &sandbox.Policy{
			Net: sandbox.ListOf(j.Hosts), Read: []string{o.target.Granted}, Memory: attackMemory, Exec: sandbox.ListOf(j.Exec),
		},
		Level: j.Level, Argv: append([]string{j.Attacker}, j.Args...), Env: []string{"ATTACK=" + string(attack)},
		Shared: []string{scratch}, Scratch: scratch, Root: root, Shim: shim,
		Gateways: j.Gateways, Secret: func(name string) (string, bool) { v, ok := j.Secrets[name]; return v, ok },
	})
	if err != nil {
		return err
	}
	defer b.Close()
	b.WithoutNamespace(sandbox.Namespaces()[j.Hole])
	return j.attack(b, scratch)
}

// attack runs the attacker to its end.
func (j *job) attack(b *sandbox.Box, scratch string) error {
	var out, errs bytes.Buffer
	cmd := exec.Command(j.Attacker)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := b.Prepare(cmd); err != nil {
		return err
	}
	if err := b.Started(cmd.Start()); err != nil {
		return err
	}
	if err := b.Admit(8 * time.Second); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	stop := connectToPorts(filepath.Join(scratch, "port"))
	err := cmd.Wait()
	stop()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("the attacker: %w: %s", err, errs.String())
	}
	_, err = os.Stdout.Write(out.Bytes())
	return err
}

// connectToPorts is the machine's neighbour, which connects to any port that the attacker has opened.
func connectToPorts(note string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if port, err := os.ReadFile(note); err == nil {
				if c, err := net.DialTimeout("tcp", "127.0.0.1:"+string(port), time.Second); err == nil {
					c.Close()
				}
			}
			<-time.After(5 * time.Millisecond)
		}
	}()
	return func() { cancel(); <-done }
}

// outside is what the attacker must not get at.
type outside struct {
	target target
	close  func()
}

// target is told to the attacker.
type target struct {
	Secret    string `json:"secret"`
	Scratch   string `json:"scratch"`
	Open      string `json:"open"`
	Granted   string `json:"granted"`
	Host      int    `json:"host"`
	TCP4      int    `json:"tcp4"`
	TCP6      int    `json:"tcp6"`
	UDP       int    `json:"udp"`
	Abstract  string `json:"abstract"`
	Path      string `json:"path"`
	Datagrams string `json:"datagrams"`
	Memory    int64  `json:"memory"`
}

func newOutside(dir string) (*outside, error) {
	o := &outside{target: target{
		Secret: filepath.Join(dir, "secret"), Scratch: filepath.Join(dir, "other", "scratch"), Open: filepath.Join(dir, "open"), Granted: filepath.Join(dir, "granted"),
		Host: os.Getpid(), Abstract: "px-attack-" + strconv.Itoa(os.Getpid()), Path: filepath.Join(dir, "server"), Datagrams: filepath.Join(dir, "log"), Memory: attackMemory,
	}}
	t := &o.target
	if err := os.Setenv("HOST_SECRET", "s3cret"); err != nil {
		return nil, err
	}
	for _, d := range []string{t.Open, t.Granted, filepath.Dir(t.Scratch)} {
		if err := errors.Join(os.Mkdir(d, 0o700), os.Chmod(d, 0o777)); err != nil { //nolint:gosec // nothing but the sandbox shall protect them
			return nil, err
		}
	}
	for _, f := range []string{t.Secret, t.Scratch} {
		if err := os.WriteFile(f, []byte("s3cret"), 0o644); err != nil { //nolint:gosec // as above
			return nil, err
		}
	}
	closers, err := o.serve()
	if err != nil {
		return nil, err
	}
	leak, err := leaked(t.Secret)
	o.close = func() {
		for _, c := range closers {
			_ = c.Close()
		}
		_ = unix.Close(leak)
	}
	return o, err
}

// leaked is a descriptor that every child process gets.
func leaked(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 20)
}

// serve starts servers that answer whatever comes.
func (o *outside) serve() (closers []io.Closer, err error) {
	t := &o.target
	listen := func(network, addr string) net.Addr {
		l, e := net.Listen(network, addr)
		if e != nil {
			err = errors.Join(err, e)
			return nil
		}
		closers = append(closers, l)
		go echo(l)
		return l.Addr()
	}
	t.TCP4 = portOf(listen("tcp4", "127.0.0.1:0"))
	t.TCP6 = portOf(listen("tcp6", "[::1]:0"))
	listen("unix", "@"+t.Abstract)
	listen("unix", t.Path)
	udp, e := net.ListenPacket("udp4", "127.0.0.1:0")
	if e != nil {
		return closers, errors.Join(err, e)
	}
	t.UDP = udp.LocalAddr().(*net.UDPAddr).Port
	logs, e := net.ListenPacket("unixgram", t.Datagrams)
	if e != nil {
		return closers, errors.Join(err, e)
	}
	go echoPackets(udp)
	closers = append(closers, udp, logs)
	return closers, errors.Join(err, os.Chmod(t.Path, 0o777), os.Chmod(t.Datagrams, 0o777)) //nolint:gosec // as above
}

func portOf(a net.Addr) int {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

func echo(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

func echoPackets(c net.PacketConn) {
	buf := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = c.WriteTo(buf[:n], from)
	}
}
