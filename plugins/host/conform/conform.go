// Package conform checks that a program, or what is served elsewhere, is a good agent: that it keeps the protocol of agentpb in any language, also when
// it is treated badly. `parallax plugin test` prints its reports.
package conform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parallax-run/parallax/plugins/host"
)

// Options say what to check. Only Argv or Remote is needed.
type Options struct {
	Argv    []string
	Remote  json.RawMessage // instead of Argv: where the agent is served, with the keys of use = "grpc"
	Dir     string          // where the program works
	Config  json.RawMessage // a configuration that the agent accepts; nil means {}
	Secrets []string        // names of environment variables for the sessions
	Env     []string        // names of environment variables that the program may see
	Task    string          // of sample calls; "" means "test"
	Input   json.RawMessage // of sample calls; nil means one made up from the agent's schema
	Timeout time.Duration   // of each check; zero means 30 s
}

// Report is the outcome of all checks, in their order.
type Report struct {
	Name    string  `json:"name,omitempty"` // of the agent
	Version string  `json:"version,omitempty"`
	Checks  []Check `json:"checks"`
}

// Check is the outcome of one check.
type Check struct {
	Name    string        `json:"name"`
	Wants   string        `json:"wants"` // what an agent has to do
	OK      bool          `json:"ok"`
	Skipped bool          `json:"skipped,omitempty"` // it does not apply to this agent; OK is true
	Why     string        `json:"why,omitempty"`     // it failed or was skipped
	Took    time.Duration `json:"took_ns"`
}

// OK says whether no check failed.
func (r Report) OK() bool {
	for _, c := range r.Checks {
		if !c.OK {
			return false
		}
	}
	return true
}

// agentName is what the checked program is called in its host.
const agentName = "subject"

// Run starts the program, several times, and makes all checks. When it does not start, that is the only one.
func Run(ctx context.Context, o Options) Report {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Task == "" {
		o.Task = "test"
	}
	var r Report
	s := &subject{opts: o}
	defer s.close()
	for _, c := range s.checks() {
		r.Checks = append(r.Checks, s.check(ctx, c))
		if p := s.proc; p != nil && r.Name == "" {
			r.Name, r.Version = p.Offer().GetName(), p.Offer().GetVersion()
		}
		if s.proc == nil || ctx.Err() != nil {
			break
		}
	}
	return r
}

// subject is the program under test. Checks share a process until one of them breaks it.
type subject struct {
	opts  Options
	host  *host.Host
	proc  *host.Process
	count int
}

// checks are those that apply to a program, or to what is served elsewhere, which shares neither files nor streams with us.
func (s *subject) checks() []check {
	all := checks()
	if s.opts.Remote == nil {
		return all
	}
	all[0] = check{"connect", "let this host in", func(context.Context, *subject) error { return nil }, false}
	for i := range all {
		if c := &all[i]; slices.Contains([]string{"bad-blob", "interrupt", "stdout", "shutdown", "orphan"}, c.name) {
			c.ends, c.run = false, func(context.Context, *subject) error { return errSkip("it is served elsewhere") }
		}
	}
	return all
}

// errSkip says that a check does not apply.
type errSkip string

func (e errSkip) Error() string { return string(e) }

func (s *subject) check(ctx context.Context, c check) Check {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	begin := time.Now()
	err := s.start(ctx)
	if err == nil {
		err = c.run(ctx, s)
		err = errors.Join(err, s.broken(c, err))
	}
	out := Check{Name: c.name, Wants: c.wants, OK: err == nil, Took: time.Since(begin)}
	if skip, ok := errors.AsType[errSkip](err); ok {
		out.OK, out.Skipped, out.Why = true, true, skip.Error()
	} else if err != nil {
		out.Why = strings.TrimSpace(err.Error())
	}
	return out
}

// start makes sure that the program runs.
func (s *subject) start(ctx context.Context) error {
	if s.proc != nil && !s.ended() {
		return nil
	}
	s.close()
	cfg := host.AgentConfig{Name: agentName, Command: s.opts.Argv, Dir: s.opts.Dir, Secrets: s.opts.Secrets, Env: s.opts.Env}
	if s.opts.Remote != nil {
		cfg.Use, cfg.Config = host.Grpc, s.opts.Remote
	}
	s.host = host.New(host.Options{StartTimeout: s.opts.Timeout, Agents: []host.AgentConfig{cfg}})
	p, err := s.host.Dial(ctx, agentName)
	if err != nil {
		return err
	}
	s.proc = p
	return nil
}

func (s *subject) ended() bool {
	select {
	case <-s.proc.Exited():
		return true
	default:
		return false
	}
}

// broken says whether a check that should not have ended the process did. After a failure the end may show a moment later.
func (s *subject) broken(c check, failure error) error {
	if c.ends {
		return nil
	}
	wait := time.Duration(0)
	if failure != nil {
		wait = time.Second
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-s.proc.Exited():
	case <-t.C:
		if !s.ended() {
			return nil
		}
	}
	what := "the process ended"
	if s.opts.Remote != nil {
		what = "its connection broke"
	}
	err := fmt.Errorf("%s: %s", what, s.proc.How())
	if words := s.proc.Stderr(); words != "" {
		err = fmt.Errorf("%w; its last stderr:\n%s", err, words)
	}
	return err
}

func (s *subject) close() {
	s.proc = nil
	if s.host != nil {
		_ = s.host.Close()
		s.host = nil
	}
}
