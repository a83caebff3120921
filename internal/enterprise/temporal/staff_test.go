package temporal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/parallax-run/parallax/internal/enginetest"
	"github.com/parallax-run/parallax/internal/enterprise/temporal"
	"github.com/parallax-run/parallax/runtime"
)

// staff is two agents that answer at once with their task, or with so many bytes. One of them says so, so that it needs no activity.
type staff struct {
	bytes int
	calls atomic.Int64
}

func (s *staff) Info(name string) (runtime.AgentInfo, bool) {
	return runtime.AgentInfo{Name: name, Instant: name == "instant"}, name == "instant" || name == "worker"
}

func (s *staff) Lookup(string) []runtime.AgentInfo {
	return []runtime.AgentInfo{{Name: "instant", Instant: true}, {Name: "worker"}}
}

func (s *staff) Call(_ context.Context, c runtime.Call) (runtime.Answer, error) {
	s.calls.Add(1)
	text := c.Task
	if s.bytes > 0 {
		text = strings.Repeat("x", s.bytes)
	}
	return runtime.Answer{Value: runtime.Payload(fmt.Sprintf("%q", text))}, nil
}

// put keeps a script.
func put(t testing.TB, p *temporal.Patterns, script string) temporal.Pattern {
	t.Helper()
	main := filepath.Join(t.TempDir(), "main.star")
	require.NoError(t, os.WriteFile(main, []byte(script), 0o600))
	loaded, err := enginetest.Compile(main)
	require.NoError(t, err)
	pinned, err := p.Put(loaded)
	require.NoError(t, err)
	return pinned
}

// TestManyBranchesAskOnceWhatAnAgentIs counts how often an agent is started by branches that all want to know what it declares.
func TestManyBranchesAskOnceWhatAnAgentIs(t *testing.T) {
	t.Parallel()
	for name, broken := range map[string]error{"it says": nil, "it cannot say": errors.New("there is no such program")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			blobs := temporal.Dir(t.TempDir())
			p := patterns(blobs)
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
			env := suite.NewTestWorkflowEnvironment()
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "r", TaskQueue: "q"})
			env.SetDataConverter(temporal.Converter(blobs))
			s := &staff{}
			var started atomic.Int64
			temporal.Register(env, temporal.WorkerConfig{Patterns: p, Agents: s, Ready: func(context.Context, ...string) error {
				started.Add(1)
				return broken
			}})
			env.ExecuteWorkflow(temporal.WorkflowName, temporal.Start{ABI: runtime.ABI, Seed: 7, Pattern: put(t, p, `
def main():
    return parallel(lambda n: agent("worker").ask("part %d" % n).value, range(50)).values
`)})
			require.NoError(t, env.GetWorkflowError())
			require.EqualValues(t, 50, s.calls.Load(), "the call says what is wrong, if anything is")
			if broken == nil {
				require.EqualValues(t, 1, started.Load())
			}
			require.Less(t, started.Load(), int64(50), "those who wait do not all ask again")
		})
	}
}
