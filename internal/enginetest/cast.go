package enginetest

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Agent is one that a case has.
type Agent struct {
	Capabilities []string `json:"capabilities"`
	Idempotent   bool     `json:"idempotent"`
	AtMostOnce   bool     `json:"at_most_once"`
	Instant      bool     `json:"instant"`
	Timeout      Duration `json:"timeout"`
}

// Reply is what agents answer to some calls. The first reply that fits a call is taken; a call that none fits is answered with its task.
type Reply struct {
	Agent    string          `json:"agent"`    // "" is any
	Task     string          `json:"task"`     // with * and ? as in a file name; "" is any
	Input    runtime.Payload `json:"input"`    // nil is any
	Feedback string          `json:"feedback"` // is part of what the call says was wrong with the answer before
	Behind   []string        `json:"behind"`   // what must have happened before any attempt is answered, see Cast.Emit
	Answers  []Answer        `json:"answers"`  // by attempt, the last one repeats; so an attempt that is made again has the same answer or a later one
	Answer
}

// Answer is what comes of one attempt.
type Answer struct {
	Value      runtime.Payload    `json:"value"`
	Echo       bool               `json:"echo"`  // Value is the input
	Bytes      int                `json:"bytes"` // Value is a string of so many bytes
	Depth      int                `json:"depth"` // Value is so many lists in one another
	Never      bool               `json:"never"` // there is none: the attempt goes on until it is stopped
	Takes      Duration           `json:"takes"`
	Error      *Failure           `json:"error"`
	Confidence *float64           `json:"confidence"`
	Basis      string             `json:"basis"`
	Reasoning  string             `json:"reasoning"`
	Version    string             `json:"version"`
	Finish     string             `json:"finish"`
	Usage      runtime.Usage      `json:"usage"`
	Artifacts  []runtime.Artifact `json:"artifacts"`
}

// Failure is an error that an agent ends in.
type Failure struct {
	Code      runtime.Code    `json:"code"`
	Message   string          `json:"message"`
	Hint      string          `json:"hint"`
	Retryable bool            `json:"retryable"`
	Details   runtime.Payload `json:"details"`
}

// Duration is written as Go does: "50ms".
type Duration time.Duration

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Cast is the agents of a case, and what else is outside the run. It survives whatever becomes of the engine, and knows all calls that were made.
type Cast struct {
	c *Case

	mu      sync.Mutex
	made    map[string][]int // attempts by call id
	seen    map[string]bool  // what happened in this life of the run
	dies    bool             // the engine says what it has kept
	waiting []*waiter
	act     actors // who answers instead of the case's replies, or nil
}

// actors make attempts.
type actors func(ctx context.Context, call runtime.Call) (runtime.Answer, error)

// waiter waits until all of some things have happened.
type waiter struct {
	missing []string
	done    chan struct{}
}

// Cast gives the agents of the case, who have not been asked anything yet.
func (c *Case) Cast() *Cast {
	cast := &Cast{c: c, made: make(map[string][]int), seen: make(map[string]bool)}
	if c.stage != nil {
		cast.act = c.stage()
	}
	return cast
}

// Info gives what is known of an agent.
func (c *Cast) Info(name string) (runtime.AgentInfo, bool) {
	a, ok := c.c.Script.Agents[name]
	return runtime.AgentInfo{
		Name: name, Capabilities: a.Capabilities, Idempotent: a.Idempotent, AtMostOnce: a.AtMostOnce, Instant: a.Instant,
		Timeout: time.Duration(a.Timeout),
	}, ok
}

// Lookup gives the agents that declare a capability, sorted by name; "" means all agents.
func (c *Cast) Lookup(capability string) (found []runtime.AgentInfo) {
	for name, a := range c.c.Script.Agents {
		if capability == "" || slices.Contains(a.Capabilities, capability) {
			info, _ := c.Info(name)
			found = append(found, info)
		}
	}
	slices.SortFunc(found, func(a, b runtime.AgentInfo) int { return cmp.Compare(a.Name, b.Name) })
	return found
}

// Call makes one attempt.
func (c *Cast) Call(ctx context.Context, call runtime.Call) (runtime.Answer, error) {
	c.mu.Lock()
	c.made[call.ID] = append(c.made[call.ID], call.Attempt)
	c.mu.Unlock()
	c.happened("call " + below(call.ID))
	bound, cancel := ctx, func() {}
	if 0 < call.Timeout && call.Timeout < 1000*time.Hour {
		bound, cancel = context.WithTimeout(ctx, call.Timeout)
	}
	defer cancel()
	act := c.act
	if act == nil {
		act = c.scripted
	}
	answer, err := act(bound, call)
	switch {
	case ctx.Err() != nil:
		return runtime.Answer{}, runtime.ErrCancelled()
	case bound.Err() != nil:
		late := runtime.Errorf(runtime.Timeout, "agent %q did not answer within %s", call.Agent, call.Timeout)
		late.Retryable = true
		return runtime.Answer{}, late
	}
	return answer, err
}

// scripted makes an attempt as the case says. When ctx ends there is no answer.
func (c *Cast) scripted(ctx context.Context, call runtime.Call) (runtime.Answer, error) {
	reply := c.reply(&call)
	answer := reply.Answer
	if n := len(reply.Answers); n > 0 {
		answer = reply.Answers[min(call.Attempt, n)-1]
	}
	if err := c.await(ctx, reply.Behind); err != nil {
		return runtime.Answer{}, err
	}
	if err := answer.pass(ctx); err != nil {
		return runtime.Answer{}, err
	}
	return answer.give(&call)
}

func (c *Cast) reply(call *runtime.Call) Reply {
	for _, r := range c.c.Script.Replies {
		if fits(r.Agent, call.Agent) && fits(r.Task, call.Task) && strings.Contains(call.Feedback, r.Feedback) &&
			(r.Input == nil || string(r.Input) == string(call.Input)) {
			return r
		}
	}
	return Reply{}
}

// fits says whether s is as a pattern says.
func fits(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	return pattern == "" || ok && err == nil
}

// pass lets the time pass that an attempt takes.
func (a *Answer) pass(ctx context.Context) error {
	if a.Never {
		<-ctx.Done()
		return ctx.Err()
	}
	if a.Takes == 0 {
		return ctx.Err()
	}
	return rest(ctx, time.Duration(a.Takes))
}

func (a *Answer) give(call *runtime.Call) (runtime.Answer, error) {
	got := runtime.Answer{
		Value: a.Value, Confidence: a.Confidence, Basis: a.Basis, Reasoning: a.Reasoning, Version: a.Version, Finish: a.Finish, Usage: a.Usage,
		Artifacts: a.Artifacts,
	}
	if e := a.Error; e != nil {
		return got, &runtime.Error{
			Code: e.Code, Message: cmp.Or(e.Message, call.Task+" went wrong"), Hint: e.Hint, Retryable: e.Retryable, Details: e.Details,
		}
	}
	switch {
	case a.Echo:
		got.Value = call.Input
	case a.Bytes > 0:
		got.Value = runtime.Payload(strconv.Quote(strings.Repeat("x", a.Bytes)))
	case a.Depth > 0:
		got.Value = runtime.Payload(strings.Repeat("[", a.Depth) + strings.Repeat("]", a.Depth))
	case a.Value == nil:
		got.Value = runtime.Payload(strconv.Quote(call.Task))
	}
	return got, nil
}

// Emit is to be given every event of the run. What a case can wait for are its kind and where it was: "agent.answered 1.0/1", "branch.done 1.3",
// "approval.asked 2", in a child run with its address before that: "sleep 3/1". That a call has reached its agent is "call 1.0/1". That a branch has
// ended, and will be the next of its fork even if the host dies, is "delivered 1.3"; of successes there is such a word only where the script wants them
// as they come.
func (c *Cast) Emit(e runtime.Event) {
	where := e.Addr.String()
	if earlier, ok := told[e.Kind]; ok && e.Past {
		c.happened(earlier + " " + below(e.Run+"/"+where))
	}
	switch e.Kind { //nolint:exhaustive // the others are where they were
	case runtime.BranchStarted, runtime.BranchDone, runtime.BranchFailed, runtime.BranchCancelled:
		where = string(e.Addr.Path.Child(e.Addr.N, e.N))
		if ended := e.Kind == runtime.BranchDone || e.Kind == runtime.BranchFailed; ended && !c.dies {
			c.happened("delivered " + below(e.Run+"/"+where))
		}
	}
	c.happened(string(e.Kind) + " " + below(e.Run+"/"+where))
}

// told is what had happened before, when a resumed run tells only of its end.
var told = map[runtime.EventKind]string{
	runtime.AgentCalled: "call", runtime.SignalTaken: string(runtime.SignalAwaited), runtime.ApprovalDecided: string(runtime.ApprovalAsked),
}

// below is an id without that of the run, which is before the first slash.
func below(id string) string {
	_, rest, _ := strings.Cut(id, "/")
	return rest
}

func (c *Cast) happened(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[what] = true
	c.waiting = slices.DeleteFunc(c.waiting, func(w *waiter) bool {
		w.missing = slices.DeleteFunc(w.missing, func(s string) bool { return s == what })
		if len(w.missing) == 0 {
			close(w.done)
		}
		return len(w.missing) == 0
	})
}

// await waits until all of this has happened.
func (c *Cast) await(ctx context.Context, what []string) error {
	c.mu.Lock()
	w := &waiter{slices.DeleteFunc(slices.Clone(what), func(s string) bool { return c.seen[s] }), make(chan struct{})}
	if len(w.missing) == 0 {
		c.mu.Unlock()
		return ctx.Err()
	}
	c.waiting = append(c.waiting, w)
	c.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// missing is what has not happened that something waited for.
func (c *Cast) missing() (all []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.waiting {
		all = append(all, w.missing...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Again begins a life of the run, with what is kept of those before it: what happened in them may happen again. The calls that were made stay made. The
// host may die in this life, so Kept is to be given all that is kept in it.
func (c *Cast) Again(facts map[string][]runtime.Fact) {
	c.mu.Lock()
	clear(c.seen)
	c.waiting, c.dies = nil, true
	c.mu.Unlock()
	for run, list := range facts {
		c.Kept(run, list...)
	}
}

// Kept is to be given the facts of a run that may be resumed, each once it is durable.
func (c *Cast) Kept(run string, facts ...runtime.Fact) {
	for i := range facts {
		if f := &facts[i]; f.Kind == runtime.Delivered {
			c.happened("delivered " + below(run+"/"+string(f.Addr.Path.Child(f.Addr.N, f.Index))))
		}
	}
}

// Made gives the attempts that were made at each call, by call id.
func (c *Cast) Made() map[string][]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make(map[string][]int, len(c.made))
	for id, attempts := range c.made {
		all[id] = slices.Clone(attempts)
	}
	return all
}
