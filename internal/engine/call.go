package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"slices"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// defaultRetry is what an agent that declares itself idempotent gets without the script's consent.
var defaultRetry = runtime.RetryPolicy{
	Attempts: 3, Backoff: 500 * time.Millisecond, Factor: 2, Max: 30 * time.Second,
	On: []runtime.Code{runtime.Unavailable},
}

// call asks an agent, and asks again where that is allowed.
func (b *branch) call(at runtime.Address, e runtime.AgentCall) (runtime.Payload, error) {
	info, ok := b.x.Agents.Info(e.Agent)
	if !ok {
		return nil, unknownAgent(e.Agent, b.x.Agents.Lookup(""))
	}
	if !info.Instant || b.keeps() && !b.x.Replay { // an answer that is kept has a disk to wait for
		b.yield()
	}
	if b.keeps() && !info.Instant {
		if b.place.Ready(b.ctx, e.Agent) == nil { // else the call says what is wrong
			info, _ = b.x.Agents.Info(e.Agent)
		}
	}
	if e.Timeout == 0 {
		e.Timeout = info.Timeout
	}
	if e.Timeout == 0 {
		e.Timeout = DefaultTimeout
	}
	if e.Retry.Attempts == 0 && info.Idempotent {
		e.Retry = defaultRetry
	}
	if info.AtMostOnce {
		e.Retry = runtime.RetryPolicy{} // whatever the script consents to
	}
	c := runtime.Call{AgentCall: e, Run: b.run.ID, ID: b.run.ID + "/" + at.String()}
	if b.x.Watch {
		c.Watch = func(p runtime.Progress) {
			b.emit(runtime.Event{Kind: runtime.AgentProgress, Addr: at, Agent: e.Agent, Progress: &p})
		}
	}
	if f := b.before(at); f != nil {
		if err := b.interrupted(at, e, f, info); err != nil {
			return nil, err
		}
		c.Attempt = f.Attempt
	}
	if e.Reuse != nil && b.x.Cache != nil {
		return b.reuse(at, c, info)
	}
	return b.ask(at, c, info)
}

// ask makes attempts at a call until one is answered or none may follow.
func (b *branch) ask(at runtime.Address, c runtime.Call, info runtime.AgentInfo) (runtime.Payload, error) {
	for {
		if err := b.enter(); err != nil {
			return nil, err
		}
		c.Attempt++
		b.attempts = c.Attempt
		if err := b.begin(at, c.AgentCall, c.Attempt, time.Time{}, info.AtMostOnce); err != nil {
			return nil, err
		}
		answer, err := b.attempt(at, c)
		if err == nil {
			return b.answered(at, c, answer)
		}
		failed, ok := errors.AsType[*runtime.Error](err)
		if !ok {
			return nil, err
		}
		if err := b.unanswered(at, c, failed, info); err != nil {
			return nil, err
		}
		if again, err := b.again(at, c, failed); !again {
			return nil, err
		}
	}
}

// unanswered suspends a run that is kept when an agent has a question and nobody is there to answer it: somebody may be when it goes on.
func (b *branch) unanswered(at runtime.Address, c runtime.Call, failed *runtime.Error, info runtime.AgentInfo) error {
	person, ok := errors.AsType[interface {
		error
		NeedsPerson() string
	}](failed)
	if !ok || !b.keeps() || info.AtMostOnce {
		return nil
	}
	b.emit(runtime.Event{Kind: runtime.AgentCancelled, Addr: at, Agent: c.Agent, N: c.Attempt})
	if b.place.Landed(b.ctx) != nil {
		return b.stopped()
	}
	return &NeedsPerson{What: person.NeedsPerson(), Agent: c.Agent}
}

// interrupted says what becomes of a call that was under way when the host died: it is made again, unless the agent must not be asked twice.
func (b *branch) interrupted(at runtime.Address, e runtime.AgentCall, begun *runtime.Fact, info runtime.AgentInfo) error {
	if err := b.same(begun, runtime.Request(e), e.Pos); err != nil {
		return err
	}
	if !info.AtMostOnce {
		return nil
	}
	b.attempts = begun.Attempt
	failed := Lost(e.Agent, begun.Attempt)
	b.emit(runtime.Event{Kind: runtime.AgentFailed, Addr: at, Agent: e.Agent, N: begun.Attempt, Error: failed, Then: begun.At})
	return failed
}

// Lost is the error of a call to an agent that must not be asked twice, when its answer was lost.
func Lost(agent string, attempt int) *runtime.Error {
	e := runtime.Errorf(runtime.UnknownOutcome, "agent %q was asked when the run broke off, and must not be asked twice: whether it did its work is not known", agent)
	e.Hint = "find out what it did; attempt(...) lets the pattern go on"
	e.Agent, e.Attempts = agent, attempt
	return e
}

// attempt makes one attempt within the run's budget.
func (b *branch) attempt(at runtime.Address, c runtime.Call) (runtime.Answer, error) {
	hold, err := b.reserve()
	if err != nil {
		b.attempts-- // there was none
		return runtime.Answer{}, err
	}
	b.emit(runtime.Event{Kind: runtime.AgentCalled, Addr: at, Agent: c.Agent, Text: c.Task, Value: c.Input, N: c.Attempt, Then: b.then(at)})
	ctx, cancel := b.paidTime()
	defer cancel()
	answer, callErr := b.place.Call(ctx, c)
	b.settle(at, hold, answer.Usage)
	b.took.Add(answer.Usage)
	if callErr == nil {
		return answer, b.stopped()
	}
	if err := b.stopped(); err != nil {
		return answer, err
	}
	if why, ok := errors.AsType[*runtime.Error](context.Cause(ctx)); ok {
		return answer, why
	}
	return answer, callErr
}

func (b *branch) answered(at runtime.Address, c runtime.Call, a runtime.Answer) (runtime.Payload, error) {
	a.Agent, a.Attempts = c.Agent, c.Attempt
	if b.x.Emit != nil {
		b.emit(runtime.Event{
			Kind: runtime.AgentAnswered, Addr: at, Agent: c.Agent, N: c.Attempt,
			Value: a.Value, Confidence: a.Confidence, Usage: &a.Usage,
		})
	}
	return a.Payload(), nil
}

// again decides what follows a failed attempt: another one after a pause, or the error for the script.
func (b *branch) again(at runtime.Address, c runtime.Call, failed *runtime.Error) (bool, error) {
	e := *failed
	e.Agent, e.Attempts = c.Agent, c.Attempt
	event := runtime.Event{Kind: runtime.AgentFailed, Addr: at, Agent: c.Agent, N: c.Attempt, Error: &e}
	if e.Code == runtime.Cancelled {
		event.Kind, event.Error = runtime.AgentCancelled, nil
	}
	if !c.Retry.Allows(&e, c.Attempt) {
		b.emit(event)
		return false, &e
	}
	pause := max(jittered(c.Retry.Wait(c.Attempt), c.ID, c.Attempt), retryAfter(&e))
	event.Kind, event.For = runtime.AgentRetrying, pause
	b.emit(event)
	if err := b.pause(pause); err != nil {
		return false, err
	}
	return true, nil
}

// jittered spreads a pause over 50 to 100 % of it, by the call and attempt, so that a retry storm disperses and a
// replay does the same.
func jittered(d time.Duration, id string, attempt int) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	_ = binary.Write(h, binary.BigEndian, int64(attempt))
	return d/2 + time.Duration(float64(d/2)*float64(h.Sum64()>>11)/(1<<53))
}

// retryAfter is the pause that the agent itself asked for.
func retryAfter(e *runtime.Error) time.Duration {
	ms, ok := detail(e.Details, "retry_after_ms")
	if !ok {
		return 0
	}
	return min(time.Duration(ms)*time.Millisecond, 5*time.Minute)
}

// advisor is an Agents whose agents are not those of parallax.toml. It says how to come by one that has a capability.
type advisor interface {
	HowToHave(capability string) string
}

func (b *branch) lookup(e runtime.AgentLookup) (runtime.Payload, error) {
	found := b.x.capable(e.Capability)
	if len(found) < e.Min {
		err := runtime.Errorf(runtime.NotFound, "%d agents declare the capability %q, at least %d are needed", len(found), e.Capability, e.Min)
		err.Hint = "add capabilities = [\"" + e.Capability + "\"] to agents in parallax.toml"
		if source, ok := b.x.Agents.(advisor); ok {
			err.Hint = source.HowToHave(e.Capability)
		}
		return nil, err
	}
	if e.Count > 0 && len(found) > e.Count {
		found = found[:e.Count]
	}
	return names(found), nil
}

// capable gives the agents that have a capability. The one called idempotent have also those that declare themselves so.
func (x *execution) capable(capability string) []runtime.AgentInfo {
	if capability != runtime.Idempotent {
		return x.Agents.Lookup(capability)
	}
	return slices.DeleteFunc(slices.Clone(x.Agents.Lookup("")), func(a runtime.AgentInfo) bool {
		return !a.Idempotent && !slices.Contains(a.Capabilities, capability)
	})
}
