package run

import (
	"context"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli/input"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

// Call is a run that another program asked for.
type Call struct {
	Inputs runtime.Payload     // a JSON object, or nil
	Tell   func(runtime.Event) // must return quickly; nil means that nobody listens
	People local.People        // nil means nobody
	Store  *badger.Store       // where it is recorded; nil records nothing
}

// Call runs a pattern within the bounds of o and prints nothing. When ctx ends with a *runtime.Error as its cause the run is over; with another
// cause one that is recorded is suspended. Whatever happens, id names the run.
func (o *Options) Call(ctx context.Context, p *project.Project, crew *Crew, c Call) (id string, result runtime.Payload, err error) {
	own := *o
	own.ID, own.Seeded = "", false
	if err := own.Identify(); err != nil {
		return "", nil, err
	}
	result, err = own.call(ctx, p, crew, c)
	return own.ID, result, p.Sourced(err)
}

func (o *Options) call(ctx context.Context, p *project.Project, crew *Crew, c Call) (runtime.Payload, error) {
	j, err := o.prepareCall(p, c.Inputs)
	if err != nil {
		return nil, err
	}
	if err := p.Missing(); err != nil {
		return nil, err
	}
	if err := crew.start(ctx, p); err != nil {
		return nil, err
	}
	w := &work{
		run: engine.Run{
			ID: o.ID, Program: p.Loaded.Program, Inputs: j.Inputs, Config: runtime.Config{Limits: j.Bounds.Limits, Seed: o.Seed},
		},
		engine: &local.Engine{
			Agents: crew.agents, People: c.People, Signals: &local.Signals{}, Budget: j.Bounds.Budget, Open: p.Loaded.Open, Emit: c.Tell,
			Cache: &local.Memory{}, Anew: o.Anew, Identity: crew.host.Identity,
		},
		timeout: j.Timeout,
		stay:    c.People != nil,
	}
	if c.Store == nil {
		return w.do(ctx, nil)
	}
	s, err := o.Begin(c.Store, p, j)
	if err != nil {
		return nil, err
	}
	result, err := w.record(ctx, s)
	return result, o.suspended(err)
}

// prepareCall checks what can be checked before an agent is asked.
func (o *Options) prepareCall(p *project.Project, given runtime.Payload) (*Job, error) {
	j := &Job{Bounds: input.Bounds{Limits: p.Manifest.Limits}}
	var err error
	if j.Timeout, err = o.TimeoutOf(p.Manifest); err != nil {
		return nil, err
	}
	if err := j.Bounds.Override(o.Limits); err != nil {
		return nil, err
	}
	prog := p.Loaded.Program
	if j.Inputs, err = p.InputReader(o.App).Given(prog.Params(), given); err != nil {
		return nil, err
	}
	return j, prog.Bind(j.Inputs)
}

// KeepIn opens the store in which runs of a project are to be recorded; nil when they are not.
func (o *Options) KeepIn(ctx context.Context, p *project.Project) (*badger.Store, error) {
	if kept, err := o.Recorded(p); !kept {
		return nil, err
	}
	return o.Keep.Open(ctx, o.App, p.Manifest)
}
