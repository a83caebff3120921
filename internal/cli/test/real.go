package test

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/parallax-run/parallax/internal/cli"
	cliproject "github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/plugins/host"
	"github.com/parallax-run/parallax/runtime"
)

// Real is what a recording asks.
type Real struct {
	Agents  patterntest.Agents
	Secrets []patterntest.Secret
}

// project runs the agents of the manifests that tests belong to, each manifest's once.
type project struct {
	app *cli.App

	mu    sync.Mutex
	hosts map[string]*Real // by path of the manifest
	open  []*host.Host
}

// agents gives the agents of the project that a file belongs to. None is started before it is asked.
func (p *project) agents(file string) (*Real, error) {
	m, err := cliproject.Manifest(p.app, file, "")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := p.hosts[m.Path]; ok {
		return r, nil
	}
	opts := cliproject.HostOptions(p.app, m)
	opts.Log = slog.New(slog.NewTextHandler(p.app.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	limits := cliproject.Limits(p.app, opts.Log)
	opts.Memory = limits
	h := host.New(opts)
	r := &Real{Agents: realAgents{limits.Agents(h, cliproject.LimitsOf(p.app, m))}}
	for i := range m.Agents {
		for _, name := range cliproject.Secrets(p.app, &m.Agents[i]) {
			r.Secrets = append(r.Secrets, patterntest.Secret{Name: name, Value: p.app.Getenv(name)})
		}
	}
	if p.hosts == nil {
		p.hosts = make(map[string]*Real)
	}
	p.hosts[m.Path] = r
	p.open = append(p.open, h)
	return r, nil
}

// close ends the agents.
func (p *project) close() {
	for _, h := range p.open {
		_ = h.Close() // the tests are over
	}
}

// realAgents are those of a host. That one cannot be started, or needs a person, ends the test: nothing of the sort is to be recorded as an answer.
type realAgents struct{ patterntest.Agents }

func (r realAgents) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	a, err := r.Agents.Call(ctx, c)
	if e, ok := errors.AsType[*host.StartError](err); ok {
		return a, e
	}
	if e, ok := errors.AsType[*host.NeedsPersonError](err); ok {
		return a, e
	}
	return a, err
}
