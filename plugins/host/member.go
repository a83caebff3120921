package host

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
	"github.com/parallax-run/parallax/runtime"
)

// member is one configured agent. It has at most one session at a time, or is an in-process agent.
type member struct {
	host *Host
	cfg  AgentConfig

	opening chan struct{} // holds a token while somebody opens the session

	mu         sync.Mutex
	session    *session
	inproc     InProcessAgent
	queue      chan struct{} // of the in-process agent; nil means no limit
	idempotent bool
	atMostOnce bool
}

// session is a member's place in an instance.
type session struct {
	inst  *instance
	id    string
	open  *agentpb.OpenResponse
	queue chan struct{} // one token a call; nil means no limit
}

func newMember(h *Host, cfg AgentConfig) *member {
	cfg.Idempotent = cfg.Idempotent || slices.Contains(cfg.Capabilities, runtime.Idempotent)
	m := &member{host: h, cfg: cfg, opening: make(chan struct{}, 1), idempotent: cfg.Idempotent}
	m.queue = newQueue(cfg.MaxConcurrency)
	return m
}

func newQueue(n int) chan struct{} {
	if n <= 0 {
		return nil
	}
	return make(chan struct{}, n)
}

func (m *member) info() runtime.AgentInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	return runtime.AgentInfo{
		Name: m.cfg.Name, Capabilities: m.cfg.Capabilities, Idempotent: m.idempotent, AtMostOnce: m.atMostOnce, Timeout: m.cfg.Timeout,
		Instant: m.queue == nil && isInstant(m.inproc),
	}
}

// factory makes the in-process agent, if the configuration names one.
func (m *member) factory() (func(AgentConfig) (InProcessAgent, error), bool) {
	f, ok := m.host.opts.InProcess[m.cfg.Use]
	return f, ok && m.cfg.Use != ""
}

// ready makes sure that the agent is there.
func (m *member) ready(ctx context.Context) error {
	if _, ok := m.factory(); ok {
		_, err := m.local()
		return err
	}
	_, err := m.join(ctx)
	return err
}

// local gives the in-process agent.
func (m *member) local() (InProcessAgent, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inproc != nil {
		return m.inproc, nil
	}
	factory, _ := m.factory()
	a, err := factory(m.cfg)
	if err != nil {
		return nil, &StartError{Agent: m.cfg.Name, Problem: err.Error(), Hint: "check its settings in parallax.toml", Cause: err}
	}
	m.inproc = a
	return a, nil
}

// join gives the open session, or opens one. Errors are *StartError, ErrClosed, or the cause of ctx's end.
func (m *member) join(ctx context.Context) (*session, error) {
	if s := m.current(); s != nil {
		return s, nil
	}
	select {
	case m.opening <- struct{}{}:
		defer func() { <-m.opening }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if s := m.current(); s != nil {
		return s, nil
	}
	s, err := m.open(ctx)
	if err != nil {
		return nil, m.own(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = s
	m.idempotent = m.cfg.Idempotent || s.capabilities().GetIdempotent()
	m.atMostOnce = s.capabilities().GetAtMostOnce()
	return s, nil
}

// current is the session, if its process lives.
func (m *member) current() *session {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil && m.session.inst.alive() {
		return m.session
	}
	return nil
}

// own gives an error of a shared process the name of this agent.
func (m *member) own(err error) error {
	e, ok := errors.AsType[*StartError](err)
	if !ok || e.Agent == m.cfg.Name {
		return err
	}
	mine := *e
	mine.Agent = m.cfg.Name
	return &mine
}

// open starts the process if need be and binds the configuration to a session in it.
func (m *member) open(ctx context.Context) (*session, error) {
	secrets, err := m.host.secretsOf(m.cfg)
	if err != nil {
		return nil, err
	}
	cmd, err := m.host.commandOf(m.cfg)
	if err != nil {
		return nil, err
	}
	inst, err := m.host.process(cmd).instance(ctx)
	if err != nil {
		return nil, err
	}
	octx, cancel := context.WithTimeout(ctx, m.host.opts.StartTimeout)
	defer cancel()
	config, err := inst.settings(m.cfg)
	if err != nil {
		return nil, err
	}
	id := inst.sessionID(m.cfg.Name)
	open, err := inst.rpc.Open(octx, &agentpb.OpenRequest{
		SessionId: id, Agent: m.cfg.Name, Config: config, Secrets: secrets,
		Workdir: inst.workdir(m.cfg.Dir), BlobDir: inst.blobDir,
	})
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		e := inst.startError("refused its configuration", err)
		if fromAgent(err) {
			e.Stderr, e.Hint = "", cmp.Or(fromStatus(m.cfg.Name, err).Hint, "check its settings in parallax.toml")
		}
		return nil, e
	}
	s := &session{inst: inst, id: id, open: open}
	s.queue = newQueue(cmp.Or(m.cfg.MaxConcurrency, int(s.capabilities().GetMaxConcurrency())))
	return s, nil
}

// ping says how long the agent's process takes to say that it is alive.
func (m *member) ping(ctx context.Context) (time.Duration, error) {
	s := m.current()
	if s == nil { // in process
		return 0, nil
	}
	begin := time.Now()
	if err := s.inst.ping(ctx, pingDeadline); err != nil {
		return 0, &runtime.Error{
			Code: runtime.Unavailable, Agent: m.cfg.Name, Retryable: true, Cause: err,
			Message: "agent \"" + m.cfg.Name + "\" does not say that it is alive: " + statusText(err),
		}
	}
	return time.Since(begin), nil
}
