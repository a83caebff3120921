package run

import (
	"context"
	"io"
	"log/slog"

	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/limiter"
	"github.com/parallax-run/parallax/internal/trace"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// Crew is the agents of a project, and the way to call them within their limits. Any number of runs share it.
type Crew struct {
	host   *host.Host
	agents limiter.Agents
}

// Crew makes the agents of a project; none is started. Their log goes to w. ask puts their questions to a person; nil means that there is nobody.
func (o *Options) Crew(p *project.Project, w io.Writer, ask func(context.Context, host.Question) (runtime.Payload, error)) *Crew {
	opts := project.HostOptions(o.App, p.Manifest)
	opts.Log = slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: noTime}))
	o.Allow.widen(opts.Agents, o.App.Dir)
	opts.Ask, opts.Trace = ask, trace.Parent
	limits := project.Limits(o.App, opts.Log)
	opts.Memory = limits
	h := host.New(opts)
	return &Crew{host: h, agents: limits.Agents(h, project.LimitsOf(o.App, p.Manifest))}
}

// Close ends all agents.
func (c *Crew) Close() error { return c.host.Close() }

// start makes sure that the agents are there that a pattern names.
func (c *Crew) start(ctx context.Context, p *project.Project) error {
	err := c.host.Start(ctx, p.Agents()...)
	if err != nil && ctx.Err() != nil {
		return runtime.ErrCancelled()
	}
	return err
}

// noTime leaves out the time of a log line: the screen gives one where it is wanted.
func noTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
