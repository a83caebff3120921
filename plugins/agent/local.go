package agent

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"

	"github.com/parallax-run/parallax/plugins/agent/agentpb"
)

// Local is an agent with one open session in this process: what tests use in the place of a host. Errors are those of the
// agent, before they become statuses.
type Local struct {
	srv     *server
	session *Session
}

// OpenLocal opens a session as a host would. What the agent logs goes to log.
func OpenLocal(ctx context.Context, def Definition, req *agentpb.OpenRequest, log io.Writer) (*Local, error) {
	srv := newServer(def, newLog(log), log, func() {})
	sess := &Session{
		Agent: req.GetAgent(), Workdir: req.GetWorkdir(),
		id: req.GetSessionId(), secrets: req.GetSecrets(), blobDir: req.GetBlobDir(),
		log: srv.log.With(slog.String("agent", req.GetAgent())), config: def.newConfig(),
	}
	if err := decodeConfig(req.GetConfig(), sess.config); err != nil {
		return nil, err
	}
	sess.ctx, sess.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if o, ok := sess.config.(Opener); ok {
		if err := o.Open(ctx, sess); err != nil {
			sess.cancel(err)
			return nil, err
		}
	}
	return &Local{srv: srv, session: sess}, nil
}

// Detail is what the session described itself as.
func (l *Local) Detail() string { return l.session.detail }

// Run carries out one call; send receives its events, the last of which is its result.
func (l *Local) Run(ctx context.Context, req *agentpb.RunRequest, send func(*agentpb.RunEvent) error) error {
	if !l.session.enter() {
		return Unavailable(0, "the session is closed")
	}
	defer l.session.calls.Done()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.session.ctx, func() { cancel(context.Cause(l.session.ctx)) })()
	return l.srv.run(ctx, l.session, req, send)
}

// Answer answers a question; it is false when the call does not wait for one of that id.
func (l *Local) Answer(callID, questionID string, answer json.RawMessage) bool {
	return l.session.answer(callID, questionID, answer)
}

// Close cancels the session's calls and closes it.
func (l *Local) Close() error { return l.session.end() }
