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

func TestReviewerPointsAtWhatFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.org/p\n\ngo 1.26\n",
		"p.go":      "package p\n\nfunc good() int { return 1 }\n\nfunc bad() int { return 1 }\n",
		"p_test.go": "package p\n\nimport \"testing\"\n\nfunc TestGood(*testing.T) { good() }\n\nfunc TestBad(t *testing.T) {\n\tif bad() != 2 {\n\t\tt.Fatal(\"no\")\n\t}\n}\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	def := agent.Define(agent.Info{Name: "reviewer", Version: "0.1.0"}, review)
	reply, err := agenttest.Run(t, def, agenttest.Request{Input: In{Path: dir}, Config: Config{DollarsPerRun: 0.5}})
	require.NoError(t, err)
	var got repair.Review
	require.NoError(t, json.Unmarshal(reply.Output, &got))
	require.Equal(t, repair.Review{Passing: 1, Failing: []string{"TestBad"}, Findings: []repair.Finding{{
		File: "p.go", Function: "bad", Line: 5, EndLine: 5, Suspicion: 1, Message: "runs in 1 of 1 failing tests and in 0 of 1 others",
	}}}, got)

	_, err = agenttest.Run(t, def, agenttest.Request{Input: In{Path: "nowhere"}})
	require.ErrorContains(t, err, "cannot review nowhere")
}
