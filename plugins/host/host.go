// Package host starts agents, keeps them alive and talks to them.
//
// An agent is a process that speaks the protocol of agentpb behind go-plugin's handshake, or a Go value in this process
// (mock, replay). One process serves every configured agent that has the same command, directory, environment and secrets:
// each is a session in it. A Host does nothing until somebody calls an agent or asks to start one; Close leaves no
// process, goroutine or file behind.
//
// What happens to a process that fails:
//
//   - it exits: its calls in flight end as unavailable (retryable), and the next call starts it again after a pause that
//     grows from 100 ms to 30 s; after 5 exits within a minute it is not started again for 30 s,
//     by this host nor, where there is a Memory, by another.
//   - it ignores the end of a call's context: the call returns at once all the same. After 2 s the process is pinged; only if
//     that fails too is it killed, because other sessions may be at work in it.
//   - it hangs while calls without a timeout run: it is pinged every 15 s and killed after two failures in a row.
//   - it does not end when told to: its process group is killed after 2 s.
package host

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/parallax-run/parallax/plugins/host/sandbox"
	"github.com/parallax-run/parallax/plugins/host/sandbox/egress"
	"github.com/parallax-run/parallax/runtime"
)

// Options configure a Host. The zero value has no agents.
type Options struct {
	Agents []AgentConfig

	// Bundled gives the command of an agent that is part of this program, such as [self, "__agent", "openai"].
	Bundled func(use string) (argv []string, ok bool)
	// Shim is the command of the program that becomes a sandboxed agent, which must run sandbox.Shim. Agents with a policy need it.
	Shim []string
	// InProcess makes agents that need no process, by AgentConfig.Use.
	InProcess map[string]func(AgentConfig) (InProcessAgent, error)
	// Ask puts a question to a person. Nil means that there is nobody to ask: the call fails with a NeedsPersonError.
	Ask func(ctx context.Context, q Question) (runtime.Payload, error)

	LookupEnv    func(name string) (string, bool) // nil means os.LookupEnv
	Log          *slog.Logger                     // nil discards
	Version      string                           // of this program, told to agents
	StartTimeout time.Duration                    // for process and handshake, and again for opening a session; zero means 15 s
	TempDir      string                           // for sockets and blobs; "" means the system's
	ArtifactDir  string                           // where artifacts are kept; "" means until Close

	// Memory keeps what hosts after this one should know of processes that ended. Nil keeps nothing.
	Memory Memory
	// Trace gives the W3C traceparent of a call; nil or "" means none.
	Trace func(ctx context.Context) string
}

// AgentConfig is one agent as a project configures it.
type AgentConfig struct {
	Name           string          // in the project
	Use            string          // a bundled or in-process agent; "" when Command is given
	Command        []string        // of an agent process; the first word is a path, or a name on PATH
	Config         json.RawMessage // the agent's own settings, a JSON object; nil means {}
	Secrets        []string        // names of environment variables whose values the agent gets
	Env            []string        // names of further environment variables that the process may see
	Capabilities   []string
	Timeout        time.Duration // default of a call; zero means none
	MaxConcurrency int           // calls at a time; zero means as many as the agent itself allows
	Idempotent     bool          // the project vouches that calls may be repeated
	Dir            string        // where the agent works and Command is looked up; "" means the current directory
	Files          string        // where Command is looked up instead, if not "": the folder of a package, whose words name none of Dir

	// Policy is what the agent may do. Nil means that it is not sandboxed; in-process agents never are.
	Policy *sandbox.Policy
	// Gateways are for secrets that a sandboxed agent uses without holding them.
	Gateways []Gateway
}

// Gateway is a server that an agent reaches with a secret that it does not hold.
type Gateway struct {
	egress.Gateway
	Setting string // key of the agent's settings that is the server's URL; the agent finds the gateway's there
}

// Memory keeps a short text by key, for all hosts on this machine.
type Memory interface {
	// Recall gives what is kept, nil when that is nothing.
	Recall(key string) []byte
	// Change makes a new text of the old one while nobody else does.
	Change(key string, change func(old []byte) []byte)
}

// InProcessAgent is an agent without a process. Call must return soon after ctx ends. One that has a method Instant() bool that
// gives true never waits.
type InProcessAgent interface {
	Call(ctx context.Context, c runtime.Call) (runtime.Answer, error)
}

// Question is something an agent wants to know from a person.
type Question struct {
	Agent   string
	Call    string // id of the call
	Run     string
	Prompt  string
	Options []string        // to choose from; empty means free text
	Schema  runtime.Payload // JSON Schema of the answer; nil means a string
	Context runtime.Payload // what the person should see; nil means nothing
}

// Host runs the agents of one project. Its methods may be called at the same time.
type Host struct {
	opts   Options
	log    *slog.Logger
	agents map[string]*member
	names  []string // sorted

	mu     sync.Mutex
	closed bool
	procs  map[string]*process // by command, directory and grants
	ctx    context.Context     // ends when Close begins
	cancel context.CancelFunc
	calls  sync.WaitGroup
	work   sync.WaitGroup // goroutines that outlive a call

	pace    pace
	files   files
	spawner spawner
	levels  levels
}

// New makes a Host. It starts nothing and cannot fail: a wrong configuration shows when its agent is started.
func New(o Options) *Host {
	if o.LookupEnv == nil {
		o.LookupEnv = os.LookupEnv
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.StartTimeout <= 0 {
		o.StartTimeout = defaultStartTimeout
	}
	h := &Host{opts: o, log: o.Log, agents: make(map[string]*member), procs: make(map[string]*process), pace: defaultPace()}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.files.base = o.TempDir
	h.spawner.log, h.spawner.dirs = o.Log, h.files.all
	for _, cfg := range o.Agents {
		h.agents[cfg.Name] = newMember(h, cfg)
		h.names = append(h.names, cfg.Name)
	}
	slices.Sort(h.names)
	h.names = slices.Compact(h.names)
	return h
}

// Agents lists all agents, sorted by name.
func (h *Host) Agents() []runtime.AgentInfo { return h.Lookup("") }

// Lookup lists the agents with a capability, sorted by name; "" means all agents.
func (h *Host) Lookup(capability string) []runtime.AgentInfo {
	var list []runtime.AgentInfo
	for _, name := range h.names {
		if m := h.agents[name]; capability == "" || slices.Contains(m.cfg.Capabilities, capability) {
			list = append(list, m.info())
		}
	}
	return list
}

// Info is what is known of an agent without asking it; ok is false when there is none of that name.
func (h *Host) Info(name string) (info runtime.AgentInfo, ok bool) {
	m, ok := h.agents[name]
	if !ok {
		return runtime.AgentInfo{}, false
	}
	return m.info(), true
}

// Start makes sure that the named agents are there: it starts their processes and opens their sessions, many at a time.
// Every failure is a *StartError; several are joined in the order of their agents' names.
func (h *Host) Start(ctx context.Context, names ...string) error {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	errs := make([]error, len(names))
	limit := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for i, name := range names {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			errs[i] = h.start(ctx, name)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Ready makes sure that one agent is there, so that Info knows what it declares. It costs next to nothing when the agent is.
func (h *Host) Ready(ctx context.Context, name string) error { return h.start(ctx, name) }

func (h *Host) start(ctx context.Context, name string) error {
	m, ok := h.agents[name]
	if !ok {
		return &StartError{Agent: name, Problem: "is not configured", Hint: "add [agents." + name + "] to parallax.toml"}
	}
	leave, err := h.enter()
	if err != nil {
		return err
	}
	defer leave()
	return m.ready(ctx)
}

// Ping starts the agent if need be and says how long it takes to say that it is alive.
func (h *Host) Ping(ctx context.Context, name string) (time.Duration, error) {
	if err := h.start(ctx, name); err != nil {
		return 0, err
	}
	return h.agents[name].ping(ctx)
}

// Describe starts the agent if need be and says what it offers.
func (h *Host) Describe(ctx context.Context, name string) (Description, error) {
	if err := h.start(ctx, name); err != nil {
		return Description{}, err
	}
	return h.agents[name].describe(ctx)
}

// enter counts a caller in until it calls leave, so that Close waits for it.
func (h *Host) enter() (leave func(), err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrClosed
	}
	h.calls.Add(1)
	return h.calls.Done, nil
}

// background runs fn in a goroutine that Close waits for; it is not run once Close has begun.
func (h *Host) background(fn func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.work.Go(fn)
	return true
}

// process finds or makes the process that serves agents with this command and these grants.
func (h *Host) process(c command) *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := c.key()
	p := h.procs[key]
	if p == nil {
		p = newProcess(h, c)
		h.procs[key] = p
	}
	return p
}

// Close cancels the calls in flight, ends every process (by force after 2 s), waits for all goroutines and removes all
// temporary files. A second Close does nothing.
func (h *Host) Close() error {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil
	}
	h.closed = true
	procs := h.procs
	h.mu.Unlock()
	h.cancel()
	h.calls.Wait()
	var wg sync.WaitGroup
	for _, p := range procs {
		wg.Go(p.shutdown)
	}
	wg.Wait()
	h.work.Wait()
	return cmp.Or(h.spawner.close(), h.files.remove())
}
