package runs_test

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/badger"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/cli/runs"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is somebody at a command line with a store of their own.
type desk struct {
	t     *testing.T
	state string
	dir   string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	return &desk{t: t, state: t.TempDir() + "/parallax", dir: t.TempDir()}
}

// outcome is how a command line ended.
type outcome struct {
	exit           cli.Exit
	stdout, stderr string
}

func (d *desk) run(args ...string) outcome {
	d.t.Helper()
	return d.in(d.t.Context(), strings.NewReader(""), args...)
}

func (d *desk) in(ctx context.Context, in *strings.Reader, args ...string) outcome {
	d.t.Helper()
	return d.seen(ctx, in, func(string) {}, args...)
}

// seen runs a command line, and tells what it writes to standard error as it does.
func (d *desk) seen(ctx context.Context, in *strings.Reader, see func(text string), args ...string) outcome {
	d.t.Helper()
	var stdout, stderr bytes.Buffer
	watched := writer(func(p []byte) (int, error) {
		see(string(p))
		return stderr.Write(p)
	})
	app := &cli.App{In: in, Out: &stdout, Err: watched, Dir: d.dir, Version: "1.2.3", LookupEnv: func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": d.dir, "XDG_STATE_HOME": filepath.Dir(d.state), "NO_COLOR": "1"}[name]
		return v, ok
	}}
	exit := cli.Main(ctx, app, args, runs.NewCmd, runs.NewGCCmd)
	return outcome{cli.Exit(exit), stdout.String(), stderr.String()}
}

// writer is a function that takes what is written.
type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

// ok runs a command line that works.
func (d *desk) ok(args ...string) string {
	d.t.Helper()
	o := d.run(args...)
	require.Equal(d.t, cli.Done, o.exit, "%s\n%s", args, o.stderr)
	return o.stdout
}

// store opens the store, as another process does.
func (d *desk) store() *badger.Store {
	d.t.Helper()
	s, err := badger.Open(d.state, badger.Options{Durability: badger.Process, Version: "1.2.3"})
	require.NoError(d.t, err)
	d.t.Cleanup(func() { require.NoError(d.t, s.Close()) })
	return s
}

// office answers for agents: "say X" with X, "fail" with a refusal, "flaky" at the second attempt, "wait" when the gate is open, "never" not at all.
type office struct {
	gate chan struct{}
	emit func(runtime.Event)
}

func (a office) Call(ctx context.Context, c runtime.Call) (runtime.Answer, error) {
	used := runtime.Usage{InputTokens: 10, OutputTokens: 2, CostMicroUSD: 1500, Model: "tiny"}
	if c.Task == "never" || c.Task == "wait" {
		gate := a.gate
		if c.Task == "never" {
			gate = nil
		}
		select {
		case <-gate:
		case <-ctx.Done():
			return runtime.Answer{}, runtime.ErrCancelled()
		}
	}
	if c.Task == "flaky" && c.Attempt == 1 {
		e := runtime.Errorf(runtime.Unavailable, "not yet")
		e.Retryable = true
		return runtime.Answer{Usage: used}, e
	}
	if c.Task == "fail" {
		return runtime.Answer{Usage: used}, runtime.Errorf(runtime.Refused, "not this one")
	}
	sure := 0.75
	return runtime.Answer{Value: runtime.Payload(fmt.Sprintf("%q", strings.TrimPrefix(c.Task, "say "))), Confidence: &sure, Usage: used}, nil
}

func (office) Info(name string) (runtime.AgentInfo, bool) { return runtime.AgentInfo{Name: name}, true }
func (office) Lookup(string) []runtime.AgentInfo          { return nil }

func compiled(src string) (*runtime.Program, error) {
	f, err := runtime.Parse("p.star", []byte(src))
	if err != nil {
		return nil, err
	}
	return runtime.Compile([]*runtime.File{f}, nil, runtime.Environment{Builtins: builtins.All()})
}

// keeps runs a pattern and keeps it, up to its end or that of ctx, as parallax run --keep does.
func keeps(ctx context.Context, t *testing.T, s *badger.Store, id, src string, agents office) error {
	t.Helper()
	inputs := runtime.Payload(`{}`)
	if strings.Contains(src, "main(topic)") {
		inputs = runtime.Payload(`{"topic":"tea"}`)
	}
	return keepsOf(ctx, t, s, id, src, agents, inputs)
}

// keepsOf is keeps with inputs.
func keepsOf(ctx context.Context, t *testing.T, s *badger.Store, id, src string, agents office, inputs runtime.Payload) error {
	t.Helper()
	p, err := compiled(src)
	require.NoError(t, err)
	require.NoError(t, s.Create(badger.Record{
		ID: id, Pattern: "talks/" + id + ".star", Name: "p.star", Version: "1.2.3", Inputs: inputs, Seed: 7, Started: time.Now().UTC(), Status: badger.Running,
	}))
	lease, err := s.Lease(id)
	require.NoError(t, err)
	defer func() { require.NoError(t, lease.Release()) }()
	child := "def main(n):\n    return agent(\"bo\").ask(\"say child \" + str(n)).value\n"
	host := &local.Engine{Agents: agents, Keep: lease, Emit: agents.emit, Open: func(string, string) (*runtime.Program, error) { return compiled(child) }}
	result, failed := host.Run(ctx, engine.Run{ID: id, Program: p, Inputs: inputs, Config: runtime.Config{Seed: 7}})
	require.NoError(t, lease.End(func(r *badger.Record) {
		r.Status, r.Result, r.Calls = badger.Done, result, 1
		switch e, is := failed.(*runtime.Error); {
		case is && e.Code == runtime.Cancelled:
			r.Status, r.Error = badger.Cancelled, e
		case is:
			r.Status, r.Error = badger.Failed, e
		case failed != nil:
			r.Status, r.Why = badger.Suspended, failed.Error()
		}
	}))
	return failed
}

// talk is a pattern with everything in it that is shown.
const talk = `
def ask(q):
    return agent("ada").ask(q).value

def main(topic):
    phase("Think")
    log("begun", topic = topic)
    found = parallel(ask, ["say one", "fail", "say three"], on_error = "collect")
    first = race(lambda: ask("never"), lambda: ask("say quick"))
    return [found.values, first, run(":child.star", n = 3)]
`
