package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	prunner "github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/plugins/host/sandbox"
)

// How instances are watched and stopped.
const (
	stopGrace    = 2 * time.Second
	pingDeadline = 5 * time.Second
	pingMisses   = 2
)

// pace is how often an instance is watched.
type pace struct {
	watch    time.Duration // also how long a stream may stay open after its result, at least
	ping     time.Duration // while calls are in flight
	deadline time.Duration // of such a ping
}

func defaultPace() pace {
	return pace{watch: 5 * time.Second, ping: 15 * time.Second, deadline: pingDeadline}
}

// MaxAnswer is the largest answer an agent may give, in bytes of JSON.
const MaxAnswer = 64 << 20

// instance is one running process.
type instance struct {
	proc    *process
	runner  *runner
	client  *goplugin.Client
	conn    *grpc.ClientConn
	rpc     agentpb.AgentServiceClient
	offer   *agentpb.DescribeResponse
	blobDir string
	dirs    []string // that go with the process
	level   sandbox.Level
	scrub   scrubber
	link    *link // nil where there is a process on this machine

	suspect atomic.Bool // a check is under way

	mu      sync.Mutex
	replies map[*reply]struct{} // of calls in flight
}

// startInstance starts the process, shakes hands and asks what it offers.
func startInstance(p *process) (*instance, error) {
	inst := &instance{proc: p, scrub: p.scrubber(), replies: make(map[*reply]struct{})}
	if err := inst.connect(); err != nil {
		return nil, err
	}
	if inst.link == nil {
		if err := inst.askOffer(); err != nil {
			return nil, err
		}
	}
	if !p.host.background(inst.watch) {
		inst.kill()
		return nil, ErrClosed
	}
	return inst, nil
}

// askOffer asks a process what it offers.
func (i *instance) askOffer() (err error) {
	h := i.proc.host
	ctx, cancel := context.WithTimeout(h.ctx, h.opts.StartTimeout)
	defer cancel()
	i.offer, err = i.rpc.Describe(ctx, &agentpb.DescribeRequest{HostVersion: h.opts.Version})
	if err != nil {
		serr := i.startError("did not say what it offers", err)
		i.kill()
		return serr
	}
	return nil
}

// scrubber hides the values of the secrets that this process gets.
func (p *process) scrubber() scrubber {
	var values []string
	for _, name := range p.cmd.hidden() {
		if v, ok := p.host.opts.LookupEnv(name); ok {
			values = append(values, v)
		}
	}
	return newScrubber(values)
}

// launch starts the process under go-plugin, which reads the handshake and dials.
func (i *instance) launch() error {
	h := i.proc.host
	blobs, sockets, err := h.files.dirs()
	if err != nil {
		return &StartError{Agent: i.proc.cmd.label, Problem: err.Error(), Cause: err}
	}
	i.blobDir, i.dirs = blobs, []string{blobs}
	i.client = goplugin.NewClient(i.clientConfig(sockets))
	defer i.spare()
	if _, err = i.client.Start(); err != nil {
		return i.failed(err)
	}
	proto, err := i.client.Client()
	if err != nil {
		return i.failed(err)
	}
	svc, err := proto.Dispense(agentpb.PluginName)
	if err != nil {
		return i.failed(err)
	}
	i.rpc = svc.(agentpb.AgentServiceClient)
	i.conn = proto.(*goplugin.GRPCClient).Conn
	return nil
}

// spare lets a process that has started outlive the host's wish to end: it is then asked to stop before it is killed.
func (i *instance) spare() {
	if i.runner != nil && i.runner.spared != nil {
		i.runner.spared()
	}
}

func (i *instance) clientConfig(sockets string) *goplugin.ClientConfig {
	h := i.proc.host
	return &goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion: agentpb.ProtocolVersion, MagicCookieKey: agentpb.CookieKey, MagicCookieValue: agentpb.CookieValue,
		},
		VersionedPlugins: map[int]goplugin.PluginSet{agentpb.ProtocolVersion: {agentpb.PluginName: wire{}}},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (prunner.Runner, error) {
			cmd := exec.Command(i.proc.cmd.argv[0], i.proc.cmd.argv[1:]...)
			if i.proc.cmd.policy != nil {
				return i.boxed(cmd, spec.Env)
			}
			cmd.Dir = i.proc.cmd.dir
			cmd.Env = environFor(i.proc.cmd.environ(h.opts.LookupEnv), spec.Env)
			i.runner = newRunner(h.ctx, &h.spawner, cmd, i.logLine())
			return i.runner, nil
		},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         needsTLS,
		SkipHostEnv:      true,
		StartTimeout:     h.opts.StartTimeout,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: sockets},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxAnswer + 1<<20))},
		Logger:           hclog.NewNullLogger(),
	}
}

// wire is the service as go-plugin wants it.
type wire struct {
	goplugin.NetRPCUnsupportedPlugin
}

// GRPCServer implements goplugin.GRPCPlugin.
func (wire) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("a host serves no agents")
}

// GRPCClient implements goplugin.GRPCPlugin.
func (wire) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, cc *grpc.ClientConn) (any, error) {
	return agentpb.NewAgentServiceClient(cc), nil
}

// failed ends a process that did not come up, and says what it did.
func (i *instance) failed(err error) *StartError {
	i.kill()
	label := i.proc.cmd.label
	e := &StartError{Agent: label, Cause: err, Hint: "try its command by hand: " + strings.Join(i.proc.cmd.argv, " ")}
	if i.runner != nil && i.runner.refused != nil {
		e.Cause = i.runner.refused
		e.Problem, e.Hint = i.scrub.clean(i.runner.refused.Error()), cmp.Or(i.proc.cmd.absent(), "parallax doctor says what this machine gives")
		if i.wordless() {
			e.Problem, e.Stderr = fmt.Sprintf("%s (%s)", e.Problem, i.runner.state), i.lastWords()
		}
		return e
	}
	if i.runner == nil || i.runner.cmd.Process == nil {
		e.Problem = i.scrub.clean(fmt.Sprintf("could not be started: %s", err))
		e.Hint = "check `command` in parallax.toml"
		return e
	}
	e.Printed = i.scrub.clean(excerpt(i.runner.printed.text()))
	e.Stderr = i.lastWords()
	switch {
	case i.runner.byItself():
		e.Problem = fmt.Sprintf("ended (%s) before it was ready", i.runner.state)
	case e.Printed != "":
		e.Problem = "printed something else than the handshake on stdout"
		e.Hint = "an agent prints to stderr; stdout is for the handshake of its SDK"
	case strings.HasPrefix(err.Error(), "timeout while waiting"):
		e.Problem = fmt.Sprintf("was not ready within %s", i.proc.host.opts.StartTimeout)
	default:
		e.Problem = i.scrub.clean("could not be connected to: " + err.Error())
	}
	return e
}

// wordless says whether the process ended by itself before the sandbox was closed, and did not say why.
func (i *instance) wordless() bool {
	step, ok := errors.AsType[*sandbox.StepError](i.runner.refused)
	return ok && step.Step == "shim" && i.runner.cmd.Process != nil && i.runner.byItself()
}

// crashed says whether a failure comes from the end of the process, which may show a moment later than the failure.
func (i *instance) crashed(err error) bool {
	if status.Code(err) != codes.Unavailable {
		return !i.alive()
	}
	if i.gone(drainTime / 2) {
		return true
	}
	return i.conn.GetState() != connectivity.Ready && i.gone(stopGrace)
}

// gone waits up to d for the process to end, and then for its last output.
func (i *instance) gone(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-i.runner.exited:
		<-i.runner.done
		return true
	case <-t.C:
		return false
	}
}

// startError describes a failure of a process that had shaken hands.
func (i *instance) startError(problem string, err error) *StartError {
	e := &StartError{Agent: i.proc.cmd.label, Cause: err, Hint: "run `parallax plugin test` on it"}
	if !fromAgent(err) && i.crashed(err) {
		if i.link != nil {
			return i.linkError(err)
		}
		e.Problem = fmt.Sprintf("ended (%s) before it was ready", i.runner.state)
		e.retryable = true
	} else {
		e.Problem = i.scrub.clean(fmt.Sprintf("%s: %s", problem, statusText(err)))
	}
	e.Stderr = i.lastWords()
	return e
}

func (i *instance) lastWords() string { return i.wordsSince(0) }

// wordsSince is the end of what the process printed on stderr after the first bytes of it.
func (i *instance) wordsSince(bytes int64) string {
	return i.scrub.clean(excerpt(i.scrub.clean(i.runner.stderr.since(bytes))))
}

func (i *instance) alive() bool { return i.runner.alive() }

// watch waits for the process to end. Meanwhile it pings it while calls are in flight, and ends streams that stay open
// after their result.
func (i *instance) watch() {
	pace := i.proc.host.pace
	tick := time.NewTicker(pace.watch)
	defer tick.Stop()
	misses, next := 0, time.Now().Add(pace.ping)
	for {
		select {
		case <-i.runner.done:
			if i.link == nil {
				i.client.Kill() // closes the connection; the process is gone, so this does not block
			}
			i.removeDirs()
			i.proc.ended()
			return
		case now := <-tick.C:
			if busy := i.endLate(now); now.Before(next) {
				continue
			} else if next = now.Add(pace.ping); !busy || i.ping(i.proc.host.ctx, pace.deadline) == nil {
				misses = 0
			} else if misses++; misses >= pingMisses {
				i.runner.kill()
			}
		}
	}
}

// endLate ends calls whose result came a while ago, and says whether any are in flight.
func (i *instance) endLate(now time.Time) (busy bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for r := range i.replies {
		if at := r.finished.Load(); at != 0 && now.Sub(time.Unix(0, at)) >= i.proc.host.pace.watch {
			r.fail(nil)
		}
	}
	return len(i.replies) > 0
}

func (i *instance) add(r *reply) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.replies[r] = struct{}{}
}

func (i *instance) drop(r *reply) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.replies, r)
}

// ping asks the process whether it is alive.
func (i *instance) ping(ctx context.Context, deadline time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	_, err := grpc_health_v1.NewHealthClient(i.conn).Check(ctx,
		&grpc_health_v1.HealthCheckRequest{Service: goplugin.GRPCServiceName})
	return err
}

// check is called when a call was given up: a process that hangs as a whole is killed, one that merely goes on working is not.
func (i *instance) check() {
	if !i.suspect.CompareAndSwap(false, true) {
		return
	}
	ok := i.proc.host.background(func() {
		defer i.suspect.Store(false)
		t := time.NewTimer(stopGrace)
		defer t.Stop()
		select {
		case <-t.C:
		case <-i.runner.done:
			return
		case <-i.proc.host.ctx.Done():
			return
		}
		if i.ping(i.proc.host.ctx, stopGrace) != nil && i.proc.host.ctx.Err() == nil {
			i.runner.kill()
		}
	})
	if !ok {
		i.suspect.Store(false)
	}
}

// stop asks the process to end, and kills it after stopGrace.
func (i *instance) stop() {
	if i.link != nil { // it serves others too
		i.runner.kill()
		<-i.runner.done
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	_ = i.shutdown(ctx) // it may be gone already
	_ = i.runner.stdin.Close()
	select {
	case <-i.runner.done:
	case <-ctx.Done():
		i.runner.kill()
		<-i.runner.done
	}
}

// shutdown asks the process to end. The messages of go-plugin's controller are empty, as emptypb's are.
func (i *instance) shutdown(ctx context.Context) error {
	return i.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", &emptypb.Empty{}, &emptypb.Empty{})
}

// kill ends a process that never got ready.
func (i *instance) kill() {
	if i.link != nil {
		i.stop()
		return
	}
	if i.runner != nil && i.runner.cmd.Process != nil {
		i.runner.kill()
		<-i.runner.done
	}
	i.client.Kill()
	i.removeDirs()
}

func (i *instance) removeDirs() {
	for _, dir := range i.dirs {
		_ = os.RemoveAll(dir)
	}
}
