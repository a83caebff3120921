package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/examples/team/repair"
	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
)

const source = `package p

func other(a int) bool { return a < 1 }

func suspect(a, b int) bool {
	return a == b || a < b && b >= 2
}
`

// mended asks the junior to mend what is in dir.
func mended(t *testing.T, dir string, work *repair.Repair) (repair.Repair, error) {
	t.Helper()
	def := agent.Define(agent.Info{Name: "junior", Version: "0.1.0"}, mend)
	job := repair.Job{Path: dir, Review: repair.Review{
		Failing: []string{"TestP"}, Findings: []repair.Finding{{File: "p.go", Function: "suspect", Line: 6, EndLine: 6, Suspicion: 1}},
	}, Work: work}
	reply, err := agenttest.Run(t, def, agenttest.Request{Input: job})
	if err != nil {
		return repair.Repair{}, err
	}
	var r repair.Repair
	require.NoError(t, json.Unmarshal(reply.Output, &r))
	return r, nil
}

func TestJuniorChangesOneBoundAfterTheOther(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o600))

	first, err := mended(t, dir, nil)
	require.NoError(t, err)
	require.Equal(t, "line 6: a < b becomes a <= b", first.Note)
	require.Contains(t, first.Source, "a == b || a <= b && b >= 2")

	second, err := mended(t, dir, &first)
	require.NoError(t, err)
	require.Equal(t, "line 6: b >= 2 becomes b > 2", second.Note)
	require.Contains(t, second.Source, "a == b || a < b && b > 2")

	_, err = mended(t, dir, &second)
	require.ErrorContains(t, err, "no bound in suspect is left to change")
}

func TestJuniorNeedsAPackage(t *testing.T) {
	t.Parallel()
	_, err := mended(t, t.TempDir(), nil)
	require.ErrorContains(t, err, "cannot read p.go")
}
