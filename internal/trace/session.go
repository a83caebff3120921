package trace

import (
	"context"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Session exports one run. A nil Session exports nothing, and is what there is when nobody asks for traces.
type Session struct {
	tracer *Tracer
	queue  *Queue
}

// Source is what a Session is told of a run.
type Source struct {
	Run       string
	Kept      bool                                        // it is on record, and may be resumed
	Version   string                                      // of this program
	Model     func(agent string) (provider, model string) // as in Options
	LookupEnv func(string) (string, bool)
}

// Start begins to export a run, if the environment asks for it. An error says why there are no traces; the run does not need them.
func Start(ctx context.Context, s Source) (*Session, error) {
	env, err := Asked(s.LookupEnv)
	if err != nil || env == nil || !env.Samples(s.Run) {
		return nil, err
	}
	q, err := env.Open(ctx, s.Version)
	if err != nil {
		return nil, err
	}
	return &Session{queue: q, tracer: New(q, Options{
		Kept: s.Kept, Content: env.Content, Limit: env.Limit, Model: s.Model, Caller: env.Caller,
	})}, nil
}

// Event takes the next event of the run. It is not called concurrently.
func (s *Session) Event(e runtime.Event) {
	if s != nil {
		s.tracer.Event(e)
	}
}

// Agents makes calls carry the context of their spans: Parent is for the host that makes them.
func (s *Session) Agents(next Caller) Caller {
	if s == nil {
		return next
	}
	return Agents(next)
}

// Over is called when the end of a kept run is on record. A run that is suspended is not over.
func (s *Session) Over() {
	if s != nil {
		s.tracer.Over()
	}
}

// Close sends what waits, for no longer than patience. It returns a *Lost, or nil. It is called once, when no event comes any more.
func (s *Session) Close(ctx context.Context, patience time.Duration) error {
	if s == nil {
		return nil
	}
	return s.queue.Close(ctx, patience)
}
