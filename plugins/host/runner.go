package host

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
)

const (
	handshakeBytes = 64 << 10 // longest handshake line; with a certificate it has about 2 KiB
	printedBytes   = 4 << 10  // of stdout kept to show what came instead of a handshake
	drainTime      = 500 * time.Millisecond
	wordsTime      = 50 * time.Millisecond // for the stderr of a living process to come through its pipe
)

// runner is one process as go-plugin drives it (runner.Runner), with its output and its end under our control.
type runner struct {
	cmd   *exec.Cmd
	spawn *spawner
	mark  string            // in the environment of the process and its descendants
	log   func(line string) // receives stderr line by line; may be nil

	doom    context.Context //nolint:containedctx // its end kills a process that is still starting
	spared  func() bool     // calls that off; nil before there is a process
	box     *sandbox.Box    // nil means none
	admit   time.Duration   // how long it may take to close the box
	refused error           // why there is no agent in the box
	cut     func()          // ends the connection that stands for a process elsewhere; nil here

	stdin     *os.File // kept open: its end tells the agent that the host is gone
	handshake *io.PipeReader
	stderr    tail
	printed   head // instead of a handshake
	noise     head // after it
	release   func()

	killed atomic.Bool   // by us
	exited chan struct{} // closed when the process has ended
	done   chan struct{} // closed when the process has ended and its output is drained
	state  string        // how it ended: "exit status 1"; valid after done
}

func newRunner(doom context.Context, s *spawner, cmd *exec.Cmd, log func(string)) *runner {
	mark := s.mark()
	cmd.Env = append(cmd.Env, markName+"="+mark)
	return &runner{doom: doom, cmd: cmd, spawn: s, mark: mark, log: log, exited: make(chan struct{}), done: make(chan struct{}), printed: head{limit: printedBytes}, noise: head{limit: printedBytes}}
}

// Start starts the process and the goroutines that drain it; done tells when all of them have ended.
func (r *runner) Start(context.Context) error {
	in, stdin, err := os.Pipe()
	if err != nil {
		return err
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close(), stdin.Close())
	}
	stderr, errw, err := os.Pipe()
	if err != nil {
		return errors.Join(err, in.Close(), stdin.Close(), stdout.Close(), out.Close())
	}
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = in, out, errw
	isolate(r.cmd)
	err = r.spawnBoxed()
	_, _, _ = in.Close(), out.Close(), errw.Close()
	if err != nil {
		_, _, _ = stdin.Close(), stdout.Close(), stderr.Close()
		return err
	}
	if r.release, err = contain(r.cmd); err != nil {
		r.release = func() {}
	}
	r.stdin = stdin
	pr, pw := io.Pipe()
	r.handshake = pr
	var pumps sync.WaitGroup
	pumps.Go(func() { r.pumpStdout(stdout, pw) })
	pumps.Go(func() { r.pumpStderr(stderr) })
	go r.reap(&pumps, stdout, stderr)
	r.spared = context.AfterFunc(r.doom, r.kill) //nolint:contextcheck // the host ends, not the caller
	return r.admitted()
}

// spawnBoxed starts the process, or what becomes the process in its box.
func (r *runner) spawnBoxed() error {
	if r.box == nil {
		return r.spawn.start(r.cmd)
	}
	if r.refused = r.box.Prepare(r.cmd); r.refused == nil {
		r.refused = r.box.Started(r.spawn.start(r.cmd))
	}
	if r.refused != nil {
		r.box.Close()
	}
	return r.refused
}

// admitted waits until the box is closed and the process in it is the agent.
func (r *runner) admitted() error {
	if r.box == nil {
		return nil
	}
	if r.refused = r.box.Admit(r.admit); r.refused != nil {
		r.kill()
		_ = r.handshake.Close() // nobody will read it
	}
	return r.refused
}

// reap waits for the process, ends what it leaves behind, and drains its output.
func (r *runner) reap(pumps *sync.WaitGroup, outputs ...*os.File) {
	pid := r.cmd.Process.Pid
	awaitExit(pid)
	killGroup(r.cmd)
	err := r.cmd.Wait()
	close(r.exited)
	killMarked(r.mark)
	r.release()
	r.spawn.ended(pid)
	for _, f := range outputs { // somebody who escaped may hold them open
		_ = f.SetReadDeadline(time.Now().Add(drainTime))
	}
	pumps.Wait()
	for _, f := range outputs {
		_ = f.Close()
	}
	_ = r.stdin.Close()
	if r.box != nil {
		r.box.Close()
	}
	r.state = "exit status 0"
	if err != nil {
		r.state = err.Error()
	}
	close(r.done)
}

// pumpStdout hands the first line to go-plugin; what else comes is kept with stderr.
func (r *runner) pumpStdout(stdout io.Reader, handshake *io.PipeWriter) {
	defer handshake.Close()
	lines := bufio.NewReaderSize(io.TeeReader(stdout, &r.printed), handshakeBytes)
	line, _ := lines.ReadSlice('\n') // an error comes again below
	if isHandshake(line) {
		r.printed.reset()
	}
	_, _ = handshake.Write(append([]byte(nil), line...))
	_, _ = io.Copy(io.MultiWriter(&r.stderr, &r.noise), lines)
}

// isHandshake says whether a line can be go-plugin's: CORE|APP|network|address|protocol.
func isHandshake(line []byte) bool {
	parts := strings.Split(strings.TrimSpace(string(line)), "|")
	if len(parts) < 5 {
		return false
	}
	_, err := strconv.Atoi(parts[0])
	return err == nil
}

func (r *runner) pumpStderr(stderr io.Reader) {
	if r.log == nil {
		_, _ = io.Copy(&r.stderr, stderr)
		return
	}
	lines := bufio.NewReaderSize(io.TeeReader(stderr, &r.stderr), handshakeBytes)
	for {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 {
			r.log(strings.TrimRight(string(line), "\r\n"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// kill ends the process and its group at once.
func (r *runner) kill() {
	r.killed.Store(true)
	if r.cut != nil {
		r.cut()
	}
	select {
	case <-r.exited:
	default:
		if r.cmd.Process != nil {
			killGroup(r.cmd)
		}
	}
}

// byItself says whether an ended process was not killed.
func (r *runner) byItself() bool { return !strings.HasPrefix(r.state, "signal: killed") }

// alive is false once the process has ended.
func (r *runner) alive() bool {
	select {
	case <-r.exited:
		return false
	default:
		return true
	}
}

// Wait implements runner.Runner.
func (r *runner) Wait(context.Context) error {
	<-r.done
	return nil
}

// Kill implements runner.Runner.
func (r *runner) Kill(context.Context) error {
	r.kill()
	return nil
}

// Stdout implements runner.Runner: only the handshake.
func (r *runner) Stdout() io.ReadCloser { return r.handshake }

// Stderr implements runner.Runner: nothing, it is drained here.
func (r *runner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name implements runner.Runner.
func (r *runner) Name() string { return r.cmd.Path }

// ID implements runner.Runner.
func (r *runner) ID() string {
	if r.cmd.Process == nil {
		return ""
	}
	return strconv.Itoa(r.cmd.Process.Pid)
}

// Diagnose implements runner.Runner.
func (r *runner) Diagnose(context.Context) string { return "" }

// PluginToHost implements runner.Runner. An agent must be on this machine.
func (r *runner) PluginToHost(network, address string) (string, string, error) {
	if network == "tcp" {
		hostname, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(hostname); err != nil || ip == nil || !ip.IsLoopback() {
			return "", "", fmt.Errorf("it listens on %s, which is not this machine's loopback address", address)
		}
	}
	return network, address, nil
}

// HostToPlugin implements runner.Runner.
func (r *runner) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// head keeps the first bytes written to it.
type head struct {
	limit int
	mu    sync.Mutex
	buf   []byte
	off   bool
}

// Write never fails.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := h.limit - len(h.buf); n > 0 && !h.off {
		h.buf = append(h.buf, p[:min(n, len(p))]...)
	}
	return len(p), nil
}

// reset forgets what was written and keeps nothing more.
func (h *head) reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf, h.off = nil, true
}

func (h *head) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.ToValidUTF8(string(h.buf), "\uFFFD")
}

// environFor joins the agent's environment with what go-plugin tells it.
func environFor(own, plugin []string) []string {
	env := append([]string(nil), own...)
	for _, kv := range plugin {
		if strings.HasPrefix(kv, "PLUGIN_") || strings.HasPrefix(kv, agentpb.CookieKey+"=") {
			env = append(env, kv)
		}
	}
	return env
}
