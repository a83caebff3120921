package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"

	"google.golang.org/grpc/metadata"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// server speaks the protocol for a Definition.
type server struct {
	agentpb.UnimplementedAgentServiceServer

	def    Definition
	log    *slog.Logger
	stderr io.Writer
	ready  func() // called once before the first request is served

	once     sync.Once
	ended    sync.Once
	mu       sync.Mutex
	sessions map[sessionKey]*Session
}

// sessionKey is by which a session is found: clients of different connections share none.
type sessionKey struct {
	from *connection
	id   string
}

func newServer(def Definition, log *slog.Logger, stderr io.Writer, ready func()) *server {
	return &server{def: def, log: log, stderr: stderr, ready: ready, sessions: make(map[sessionKey]*Session)}
}

// Describe implements agentpb.AgentServiceServer.
func (s *server) Describe(context.Context, *agentpb.DescribeRequest) (*agentpb.DescribeResponse, error) {
	s.once.Do(s.ready)
	i := s.def.Info
	r := &agentpb.DescribeResponse{Name: i.Name, Version: i.Version, Description: i.Description, Capabilities: i.promises()}
	var err error
	if r.ConfigSchema, err = s.def.configSchema(); err != nil {
		return nil, toStatus(&Error{kind: internal, Message: err.Error()})
	}
	for _, sk := range s.def.skills {
		d, err := sk.describe()
		if err != nil {
			return nil, toStatus(&Error{kind: internal, Message: err.Error()})
		}
		r.Skills = append(r.Skills, d)
	}
	return r, nil
}

// promises are the capabilities.
func (i Info) promises() *agentpb.Capabilities {
	return &agentpb.Capabilities{
		Streaming: i.Streaming, Interactive: i.Interactive, Deterministic: i.Deterministic,
		Idempotent: i.Idempotent, AtMostOnce: i.AtMostOnce, MaxConcurrency: uint32(max(i.Concurrency, 0)),
	}
}

func (s skill) describe() (*agentpb.Skill, error) {
	in, err := s.input()
	if err != nil {
		return nil, err
	}
	out, err := s.output()
	return &agentpb.Skill{Name: s.name, Description: s.description, InputSchema: in, OutputSchema: out}, err
}

// Open implements agentpb.AgentServiceServer.
func (s *server) Open(ctx context.Context, req *agentpb.OpenRequest) (_ *agentpb.OpenResponse, err error) {
	s.once.Do(s.ready)
	defer s.rescue(&err)
	sess := &Session{
		Agent: req.GetAgent(), Workdir: req.GetWorkdir(),
		id: req.GetSessionId(), from: connectionOf(ctx), secrets: req.GetSecrets(), blobDir: req.GetBlobDir(),
		log: s.log.With(slog.String("agent", req.GetAgent())), config: s.def.newConfig(),
	}
	if err := decodeConfig(req.GetConfig(), sess.config); err != nil {
		return nil, toStatus(err)
	}
	sess.ctx, sess.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if o, ok := sess.config.(Opener); ok {
		if err := o.Open(ctx, sess); err != nil {
			sess.cancel(err)
			return nil, toStatus(err)
		}
	}
	s.mu.Lock()
	key := sessionKey{sess.from, sess.id}
	old := s.sessions[key]
	s.sessions[key] = sess
	s.mu.Unlock()
	if old != nil {
		if err := old.end(); err != nil {
			s.log.WarnContext(ctx, "a replaced session did not close", slog.Any("error", err))
		}
	}
	return &agentpb.OpenResponse{Detail: sess.detail, Skills: sess.skills, Capabilities: sess.promises}, nil
}

// Close implements agentpb.AgentServiceServer.
func (s *server) Close(ctx context.Context, req *agentpb.CloseRequest) (_ *agentpb.CloseResponse, err error) {
	defer s.rescue(&err)
	s.mu.Lock()
	key := sessionKey{connectionOf(ctx), req.GetSessionId()}
	sess := s.sessions[key]
	delete(s.sessions, key)
	s.mu.Unlock()
	if sess != nil {
		if err := sess.end(); err != nil {
			return nil, toStatus(err)
		}
	}
	return &agentpb.CloseResponse{}, nil
}

// Answer implements agentpb.AgentServiceServer.
func (s *server) Answer(ctx context.Context, req *agentpb.AnswerRequest) (*agentpb.AnswerResponse, error) {
	sess, err := s.session(ctx, req.GetSessionId())
	if err != nil {
		return nil, toStatus(err)
	}
	if !sess.answer(req.GetCallId(), req.GetQuestionId(), req.GetJson()) {
		return nil, toStatus(NotFound("call %q has no open question %q", req.GetCallId(), req.GetQuestionId()))
	}
	return &agentpb.AnswerResponse{}, nil
}

func (s *server) session(ctx context.Context, id string) (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sess := s.sessions[sessionKey{connectionOf(ctx), id}]; sess != nil {
		return sess, nil
	}
	return nil, NotFound("no session %q; open it first", id)
}

// Run implements agentpb.AgentServiceServer.
func (s *server) Run(req *agentpb.RunRequest, stream agentpb.AgentService_RunServer) error {
	sess, err := s.session(stream.Context(), req.GetSessionId())
	if err != nil {
		return toStatus(err)
	}
	if !sess.enter() {
		return toStatus(Unavailable(0, "session %q is closing", sess.id))
	}
	defer sess.calls.Done()
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	defer context.AfterFunc(sess.ctx, func() { cancel(context.Cause(sess.ctx)) })()
	return toStatus(s.run(ctx, sess, req, stream.Send))
}

// run carries out one call and sends its events.
func (s *server) run(ctx context.Context, sess *Session, req *agentpb.RunRequest, send func(*agentpb.RunEvent) error) (err error) {
	c := &call{req: req, session: sess, events: &events{send: send}, log: sess.log, parent: traceparent(ctx)}
	defer func() { _ = c.events.close(nil) }() // after a panic or an error: no event may follow
	defer s.rescue(&err)
	input, err := unpackValue(sess.blobDir, req.GetInput())
	if err != nil {
		return err
	}
	if c.messages, err = readMessages(sess.blobDir, req.GetMessages()); err != nil {
		return err
	}
	sk, err := s.choose(req)
	if err != nil {
		return err
	}
	output, err := sk.run(ctx, c, input)
	if err != nil {
		return err
	}
	value, err := packValue(sess.blobDir, output)
	if err != nil {
		return err
	}
	return c.close(value)
}

// traceparent is the trace context that came with a request.
func traceparent(ctx context.Context) string {
	if given := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(given) > 0 {
		return given[0]
	}
	return ""
}

func readMessages(dir string, v *agentpb.Value) ([]Message, error) {
	if v == nil {
		return nil, nil
	}
	text, err := unpackValue(dir, v)
	if err != nil || len(text) == 0 {
		return nil, err
	}
	var list []Message
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, badField(BadInput, "messages", err)
	}
	return list, nil
}

// choose finds the skill: the named one, else the one whose name is the task, else the first.
func (s *server) choose(req *agentpb.RunRequest) (skill, error) {
	named := func(name string) int {
		return slices.IndexFunc(s.def.skills, func(k skill) bool { return k.name == name })
	}
	if name := req.GetSkill(); name != "" {
		if i := named(name); i >= 0 {
			return s.def.skills[i], nil
		}
		if len(s.def.skills) > 1 {
			return skill{}, NotFound("agent %s has no skill %q", s.def.Info.Name, name)
		}
	}
	if len(s.def.skills) == 0 {
		return skill{}, &Error{kind: internal, Message: fmt.Sprintf("agent %s has no skills", s.def.Info.Name)}
	}
	return s.def.skills[max(named(req.GetTask()), 0)], nil
}

// rescue turns a panic into an error and leaves its stack on stderr.
func (s *server) rescue(err *error) {
	if p := recover(); p != nil {
		fmt.Fprintf(s.stderr, "panic: %v\n\n%s", p, debug.Stack())
		*err = toStatus(&Error{
			kind:    internal,
			Message: fmt.Sprintf("panic: %v", p),
			Hint:    "this is a bug in the agent; its stack is in the agent's log",
		})
	}
}

// shutdown ends every session.
func (s *server) shutdown() {
	s.ended.Do(func() { s.endSessions(func(*Session) bool { return true }) })
}

// endSessions ends those sessions that are meant.
func (s *server) endSessions(meant func(*Session) bool) {
	s.mu.Lock()
	var over []*Session
	for key, sess := range s.sessions {
		if meant(sess) {
			over = append(over, sess)
			delete(s.sessions, key)
		}
	}
	s.mu.Unlock()
	for _, sess := range over {
		if err := sess.end(); err != nil {
			s.log.Warn("a session did not close", slog.Any("error", err))
		}
	}
}
