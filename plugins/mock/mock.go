// Package mock is an agent that answers from a script, inside the host's process. It is for tests, examples and
// measurements: it starts nothing and costs a few hundred nanoseconds a call.
//
//	[agents.juror]
//	use = "mock"
//	answers = ["yes", "no", "yes"]        # any values; see below which one is given
//	confidence = 0.9                      # or a list, one for each answer
//	basis = "self_report"                 # the default; or "logprob" or "verifier"
//	reasoning = "because"
//	finish = "stop"
//	usage = {input_tokens = 10, output_tokens = 2, cost_microusd = 5, model = "mock"}
//	delay = "10ms"                        # before every answer
//	stream = true                         # say the answer's text word by word first
//	fail = {code = "unavailable", message = "try later", times = 2}
//	echo = true                           # answer with the inputs; with the task if there are none
//	sequence = false                      # the default
//	repeat = "cycle"                      # the default; or "last"
//
//	[[agents.juror.when]]                 # the first that fits decides; then the keys above do not apply
//	task = "weather"                      # is part of the task
//	input = {city = "Oslo"}               # these inputs have these values
//	answer = "rain"                       # or answers, confidence, reasoning, usage, delay, fail, echo ... as above
//
// # Which answer
//
// The place of a call in the pattern decides, so that a run gives the same result however its branches interleave: the
// first call of branch i of a fork gets answer i, the next effect of that branch the one after it, and in main the first
// effect gets the first answer. With sequence = true the answers go by the order in which calls arrive. After the last
// answer they start again, or with repeat = "last" the last is repeated. Without answers and echo the answer is null.
//
// # Failures
//
// fail gives the error of that code. With times the first so many attempts at each call fail, without it all do. The codes
// "timeout" and "unavailable" can be retried, others not; retryable = true or false says otherwise.
package mock

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parallax-run/parallax/runtime"
)

// Version is the agent's version.
const Version = "1.0.0"

// Agent is a configured mock. It is safe for concurrent use.
type Agent struct {
	otherwise *part
	cases     []*matcher
}

// part is a script of answers.
type part struct {
	answers    []runtime.Payload
	confidence []*float64 // none, one for all, or one for each answer
	basis      string
	reasoning  string
	finish     string
	usage      runtime.Usage
	delay      time.Duration
	stream     bool
	fail       *failure
	echo       bool
	sequence   bool
	last       bool // is repeated
	arrived    atomic.Int64
}

// failure is an error to give.
type failure struct {
	err   runtime.Error
	times int // attempts that fail; zero means all
}

// Instant says that no call waits.
func (a *Agent) Instant() bool {
	for _, m := range a.cases {
		if m.part.delay > 0 {
			return false
		}
	}
	return a.otherwise.delay == 0
}

// Call answers.
func (a *Agent) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	p, err := a.choose(&c)
	if err != nil {
		return runtime.Answer{}, err
	}
	if p.delay > 0 {
		if err := pause(ctx, p.delay); err != nil {
			return runtime.Answer{}, err
		}
	}
	if p.fail != nil && (p.fail.times == 0 || c.Attempt <= p.fail.times) {
		e := p.fail.err
		e.Agent = c.Agent
		return runtime.Answer{}, &e
	}
	return p.answer(&c)
}

// choose finds the script for a call.
func (a *Agent) choose(c *runtime.Call) (*part, error) {
	for _, m := range a.cases {
		ok, err := m.fits(c)
		if err != nil {
			return nil, err
		}
		if ok {
			return m.part, nil
		}
	}
	return a.otherwise, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *part) answer(c *runtime.Call) (runtime.Answer, error) {
	a := runtime.Answer{
		Agent: c.Agent, Version: Version, Attempts: c.Attempt, Reasoning: p.reasoning, Finish: p.finish, Usage: p.usage,
	}
	i := p.index(c)
	switch {
	case p.echo:
		value, err := echoed(c)
		if err != nil {
			return runtime.Answer{}, err
		}
		a.Value = value
	case len(p.answers) == 0:
		a.Value = null()
	default:
		a.Value = p.answers[i]
	}
	if len(p.confidence) > 0 {
		a.Confidence, a.Basis = p.confidence[min(i, len(p.confidence)-1)], p.basis
	}
	if p.stream && c.Watch != nil {
		say(c.Watch, a.Value)
	}
	return a, nil
}

func null() runtime.Payload { return runtime.Payload("null") }

// index is which answer a call gets.
func (p *part) index(c *runtime.Call) int {
	n := len(p.answers)
	if n <= 1 {
		return 0
	}
	var at int
	if p.sequence {
		at = int(p.arrived.Add(1) - 1)
	} else {
		at = place(c)
	}
	if p.last {
		return min(at, n-1)
	}
	return at % n
}

// place is a call's place in the pattern: the number of its branch in the innermost fork plus the effects of the branch
// before it.
func place(c *runtime.Call) int {
	address, _ := strings.CutPrefix(c.ID, c.Run)
	at, _ := runtime.ParseAddress(strings.TrimPrefix(address, "/"))
	_, branch, _ := cutLast(string(at.Path))
	return max(number(branch)+at.N-1, 0)
}

func cutLast(path string) (before, after string, found bool) {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", "", false
	}
	return path[:i], path[i+1:], true
}

func number(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

// echoed is the inputs, or the task if there are none.
func echoed(c *runtime.Call) (runtime.Payload, error) {
	if len(c.Input) > 0 && !bytes.Equal(c.Input, []byte("{}")) {
		return c.Input, nil
	}
	text, err := json.Marshal(c.Task)
	if err != nil {
		return nil, err
	}
	return runtime.Canonical(text)
}

// say tells the answer's text word by word.
func say(watch func(runtime.Progress), value runtime.Payload) {
	text := string(value)
	var plain string
	if json.Unmarshal(value, &plain) == nil {
		text = plain
	}
	for _, word := range strings.SplitAfter(text, " ") {
		watch(runtime.Progress{Text: word})
	}
}
