package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/keep"
	"github.com/parallax-run/parallax/internal/cli/project"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

// work is a run that is about to begin, and all it needs.
type work struct {
	engine  *local.Engine
	run     engine.Run
	timeout time.Duration
	stay    bool // it waits for people who are not there
}

// do runs without a record.
func (w *work) do(ctx context.Context, signals []keep.Signal) (runtime.Payload, error) {
	for _, s := range signals {
		w.engine.Signals.Send(s.Name, s.Value)
	}
	w.engine.Signals.Close()
	ctx, cancel := bound(ctx, w.timeout, tookLonger(w.timeout))
	defer cancel()
	return w.engine.Run(ctx, w.run)
}

// record runs and keeps what happens. When ctx ends, or its time is up, the run is suspended: what ends it for good is never the clock.
func (w *work) record(ctx context.Context, s *keep.Session) (runtime.Payload, error) {
	running, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	defer context.AfterFunc(ctx, func() { stop(interruption(ctx)) })()
	running, cancel := bound(running, w.timeout, &engine.Suspension{Why: fmt.Sprintf("it took longer than %s", w.timeout)})
	defer cancel()
	w.engine.Keep, w.engine.Decisions = s, &local.Decisions{}
	w.engine.Cache = keep.Answers{Store: s.Store}
	deaf, err := s.Listen(running, keep.Box{
		Signals: w.engine.Signals, Decisions: w.engine.Decisions, Stay: w.stay,
		Cancel: func(why *runtime.Error) { stop(why) },
	})
	var result runtime.Payload
	if err == nil {
		result, err = w.engine.Run(running, w.run)
		deaf()
	}
	if lost := s.End(result, err); lost != nil {
		if _, gone := errors.AsType[*runtime.Error](err); gone || err == nil {
			result, err = nil, lost
		}
	}
	return result, err
}

// interruption is why a kept run stops when ctx has ended: it can go on unless somebody wanted it to be over.
func interruption(ctx context.Context) error {
	if e, ok := errors.AsType[*runtime.Error](context.Cause(ctx)); ok {
		return e
	}
	return &engine.Suspension{Why: "it was interrupted"}
}

// suspended says of an error that ended a kept run but not the pattern how the run can go on.
func (o *Options) suspended(err error) error {
	if keep.StatusOf(err) != badger.Suspended {
		return err
	}
	if o.Took != nil {
		err = &cli.ReplayError{Run: o.Took.Run, Against: o.Took.Against, State: o.Keep.State, Err: err}
	}
	return &cli.SuspendedError{Run: o.ID, State: o.Keep.State, Err: err}
}

// Replay does a run again from its record and shows it. judged sees how it ended, and says what to make of that.
func (o *Options) Replay(ctx context.Context, p *project.Project, j *Job, record engine.Keeper, judged func(runtime.Payload, error) error) error {
	sinks, err := o.sinks(nil)
	if err != nil {
		return err
	}
	defer sinks.close()
	eng := &local.Engine{
		Agents: Nobody{}, Budget: j.Bounds.Budget, Open: p.Loaded.Open, Keep: record, Replay: true, Emit: sinks.emit(),
	}
	result, err := eng.Run(ctx, engine.Run{
		ID: o.ID, Program: p.Loaded.Program, Inputs: j.Inputs, Config: runtime.Config{Limits: j.Bounds.Limits, Seed: o.Seed},
	})
	return o.finish(sinks, result, p.Sourced(judged(result, err)))
}

// Nobody is the agents of a replay, which asks none.
type Nobody struct{}

// Call implements local.Agents.
func (Nobody) Call(_ context.Context, c runtime.Call) (runtime.Answer, error) {
	return runtime.Answer{}, fmt.Errorf("agent %q was to be asked in a replay", c.Agent)
}

// Info implements local.Agents.
func (Nobody) Info(string) (runtime.AgentInfo, bool) { return runtime.AgentInfo{}, false }

// Lookup implements local.Agents.
func (Nobody) Lookup(string) []runtime.AgentInfo { return nil }

// Begin makes the record of the run.
func (o *Options) Begin(store *badger.Store, p *project.Project, j *Job) (*keep.Session, error) {
	prog := p.Loaded.Program
	r := badger.Record{
		ID: o.ID, Pattern: o.Pattern, Name: prog.Name, Digest: prog.Digest, ABI: runtime.ABI, Version: o.App.Version, Root: p.Loaded.Root,
		Inputs: j.Inputs, Seed: o.Seed, Limits: j.Bounds.Limits, Budget: j.Bounds.Budget, Manifest: p.Manifest.Path,
		Started: time.Now().UTC(), Status: badger.Running, Sources: make(map[string]string),
		Origin: o.Origin, From: o.From,
	}
	if r.Pattern == "" {
		r.Pattern = prog.Name
	}
	for name, text := range p.Loaded.Sources() {
		digest, err := store.Put([]byte(text))
		if err != nil {
			return nil, err
		}
		r.Sources[name] = digest
	}
	s, err := keep.Begin(store, r, j.Signals, j.Inherited)
	if errors.Is(err, badger.ErrExists) {
		resume := (&cli.SuspendedError{Run: o.ID, State: o.Keep.State}).Command("resume %s")
		return nil, &cli.Advised{Err: err, Exit: cli.Usage, Hint: "give the run another name with --id, or go on with that one: " + resume}
	}
	return s, o.inState(err)
}
