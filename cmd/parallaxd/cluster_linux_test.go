//go:build e2e

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/enterprise/testcluster"
	"github.com/parallax-run/parallax/internal/testkit/guide"
)

var cluster testcluster.Shared

func runAll(m *testing.M) int { return cluster.Main(m) }

// TestCluster tells the story of each command on a real cluster. $TEMPORAL_ADDRESS, $TEMPORAL_NAMESPACE and $PARALLAX_BLOBS say where it is,
// and each script has a queue of its own, $QUEUE.
func TestCluster(t *testing.T) {
	c := cluster.Of(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/cluster",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "until": until},
		Setup:               setup(t, c),
	})
}

// patience is how long something may take on a busy machine.
const patience = time.Minute

// until repeats a program until it succeeds: until grep -q asked agent.log
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: until PROGRAM [ARG...]")
	}
	tick, late := time.NewTicker(100*time.Millisecond), time.After(patience)
	defer tick.Stop()
	for {
		err := ts.Exec(args[0], args[1:]...)
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%v: it never succeeded: %v", args, err)
		}
	}
}

// TestAServerThatIsKilled waits for a run through the death of the server. It comes after the scripts, which share the server.
func TestAServerThatIsKilled(t *testing.T) {
	c := cluster.Of(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/faults",
		RequireExplicitExec: true,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"until": until,
			"kill-server": func(ts *testscript.TestScript, _ bool, _ []string) {
				ts.Check(c.KillServer())
				ts.Check(c.StartServer(t.Context()))
			},
		},
		Setup: setup(t, c),
	})
}

// setup says to a script where the cluster is.
func setup(t *testing.T, c *testcluster.Cluster) func(*testscript.Env) error {
	t.Helper()
	examples, err := filepath.Abs("../../examples")
	require.NoError(t, err)
	caches, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	require.NoError(t, err)
	dirs := strings.Fields(string(caches))
	return func(e *testscript.Env) error {
		e.Setenv("GOCACHE", dirs[0])
		e.Setenv("GOMODCACHE", dirs[1])
		e.Setenv("TEMPORAL_ADDRESS", c.Addr())
		e.Setenv("TEMPORAL_NAMESPACE", c.Namespace())
		e.Setenv("PARALLAX_BLOBS", filepath.Join(e.WorkDir, "blobs"))
		e.Setenv("QUEUE", filepath.Base(e.WorkDir))
		e.Setenv("EXAMPLES", examples)
		return nil
	}
}

// TestTheGuideSaysWhatHappens follows docs/guides/cluster.md as a reader would who has a server.
func TestTheGuideSaysWhatHappens(t *testing.T) {
	c := cluster.Of(t)
	text, err := os.ReadFile("../../docs/guides/cluster.md")
	require.NoError(t, err)
	guide.Follow(t, string(text), append(os.Environ(),
		"TEMPORAL_ADDRESS="+c.Addr(), "TEMPORAL_NAMESPACE="+c.Namespace(), "PARALLAX_BLOBS="+t.TempDir()))
}
