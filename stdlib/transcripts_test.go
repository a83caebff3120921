package stdlib_test

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

var update = flag.Bool("update", false, "rewrite golden files")

// TestTranscripts shows by the events of real runs what is asked and, above all, what is not. Transcripts are sorted by address.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	unneeded := map[string][]string{ // agents that are there and must not be called
		"cascade":             {"large"},
		"cascade-passed-over": {"large"},
		"router":              {"balanced"},
		"budget":              {"dear"},
		"budget-of-the-run":   {"dear"},
		"budget-refused":      {"dear"},
		"mapreduce":           {},
	}
	files, err := filepath.Glob(filepath.Join("testdata", "transcripts", "*.star"))
	require.NoError(t, err)
	require.Len(t, files, len(unneeded))
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".star")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, unneeded, name)
			got := transcript(t, file)
			for _, agent := range unneeded[name] {
				require.NotContains(t, got, "agent.called   "+agent, "%s was called and is not needed", agent)
			}
			golden(t, strings.TrimSuffix(file, ".star")+".golden", got)
		})
	}
}

// cast answers by the name of the agent, and the probe by how hard the question is.
type cast struct{}

func (cast) Lookup(string) []runtime.AgentInfo { return nil }

func (cast) Info(name string) (runtime.AgentInfo, bool) {
	return runtime.AgentInfo{Name: name, Instant: true}, true
}

func (cast) Call(_ context.Context, c runtime.Call) (runtime.Answer, error) {
	role, known := map[string]struct {
		confidence float64
		microUSD   int64
	}{
		"small": {0.6, 20_000}, "medium": {0.85, 40_000}, "large": {0.99, 900_000}, "dear": {0.99, 400_000},
		"probe": {0.9, 0}, "specialist": {0.9, 0}, "balanced": {0.9, 0}, "generalist": {0.9, 0},
	}[c.Agent]
	if !known {
		return runtime.Answer{}, runtime.Errorf(runtime.Refused, "it is down")
	}
	if c.Agent == "probe" && strings.Contains(c.Input.String(), "hard") {
		role.confidence = 0.3
	}
	return runtime.Answer{
		Value: runtime.Payload(`"by ` + c.Agent + `"`), Confidence: &role.confidence, Usage: runtime.Usage{CostMicroUSD: role.microUSD},
	}, nil
}

// transcript runs a pattern on the engine in memory and writes down what happened.
func transcript(t *testing.T, file string) string {
	t.Helper()
	loaded, err := pattern.Load(file, runtime.Environment{Builtins: builtins.All()}, pattern.Options{Std: stdlib.FS()})
	require.NoError(t, err)
	var events []runtime.Event
	eng := &local.Engine{Agents: cast{}, Emit: func(e runtime.Event) { events = append(events, e) }}
	_, err = eng.Run(t.Context(), engine.Run{ID: "r", Program: loaded.Program})
	require.NoError(t, err)
	slices.SortStableFunc(events, func(a, b runtime.Event) int {
		return cmp.Or(ends(a)-ends(b), a.Addr.Compare(b.Addr), cmp.Compare(a.Seq, b.Seq))
	})
	var b strings.Builder
	for _, e := range events {
		b.WriteString(line(e) + "\n")
	}
	return b.String()
}

// ends puts the end of the run last.
func ends(e runtime.Event) int {
	if e.Kind == runtime.RunDone {
		return 1
	}
	return 0
}

// line is an event as a transcript has it: its address, what happened, and to whom.
func line(e runtime.Event) string {
	at := ""
	if e.Addr.N > 0 {
		at = e.Addr.String()
	}
	what := []string{e.Agent + e.Name}
	switch {
	case e.Kind == runtime.AgentCalled:
		what = append(what, e.Text, e.Value.String())
	case e.Error != nil:
		what = append(what, string(e.Error.Code), e.Error.Message)
	case e.Kind == runtime.AgentAnswered:
		what = append(what, e.Value.String(), fmt.Sprintf("confidence %v", *e.Confidence), fmt.Sprintf("$%v", float64(e.Usage.CostMicroUSD)/1e6))
	case e.Kind == runtime.RunDone:
		what = []string{e.Value.String()}
	case e.Kind == runtime.RunStarted:
		what = nil
	}
	return strings.TrimSpace(fmt.Sprintf("%-6s %-14s %s", at, e.Kind, strings.Join(what, " ")))
}

// golden compares with a file, or rewrites it under -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./stdlib -update writes it")
	require.Equal(t, string(want), got, "go test ./stdlib -update rewrites %s; read the diff", path)
}
