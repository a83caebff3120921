package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/agent/agenttest"
)

// asked asks a workbench of its own.
func asked[Out any](t *testing.T, skill string, in any) (out Out, err error) {
	t.Helper()
	reply, err := agenttest.Run(t, definition(), agenttest.Request{Task: skill, Input: in})
	if err == nil {
		require.NoError(t, json.Unmarshal(reply.Output, &out))
	}
	return out, err
}

func project(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "p.go"), []byte("package p\n"), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "testdata"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "testdata", "a"), []byte("a"), 0o600))
	return dir
}

func TestACopyHasTheProposedFileAndAllOthers(t *testing.T) {
	t.Parallel()
	dir := project(t)
	bench, err := agenttest.Open(t, definition(), nil, nil)
	require.NoError(t, err)
	ask := func(skill string, in, out any) {
		reply, err := bench.Run(t.Context(), agenttest.Request{Task: skill, Input: in})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(reply.Output, out))
	}
	var first, again, other Copied
	ask("copy", In{Path: dir, File: "p.go", Source: "package q\n"}, &first)
	ask("copy", In{Path: dir, File: "p.go", Source: "package q\n"}, &again)
	ask("copy", In{Path: dir, File: "p.go", Source: "package r\n"}, &other)
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)
	for file, want := range map[string]string{
		filepath.Join(first.Dir, "p.go"):          "package q\n",
		filepath.Join(first.Dir, "testdata", "a"): "a",
		filepath.Join(dir, "p.go"):                "package p\n",
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
	var tidied Tidied
	ask("tidy", nil, &tidied)
	require.Equal(t, 2, tidied.Copies)
	require.NoDirExists(t, filepath.Dir(first.Dir))
	ask("tidy", nil, &tidied)
	require.Zero(t, tidied.Copies)
}

func TestTextsAreCompared(t *testing.T) {
	t.Parallel()
	got, err := asked[Compared](t, "compare", In{Path: project(t), File: "p.go", Source: "package q\n"})
	require.NoError(t, err)
	require.Equal(t, "--- a/p.go\n+++ b/p.go\n@@ -1,1 +1,1 @@\n-package p\n+package q\n", got.Diff)
}

func TestAFileIsReplacedAndNoneIsAdded(t *testing.T) {
	t.Parallel()
	dir := project(t)
	_, err := asked[Written](t, "write", In{Path: dir, File: "p.go", Source: "package q\n"})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "p.go"))
	require.NoError(t, err)
	require.Equal(t, "package q\n", string(text))

	_, err = asked[Written](t, "write", In{Path: dir, File: "new.go", Source: "package q\n"})
	require.ErrorContains(t, err, "cannot replace new.go")
	require.NoFileExists(t, filepath.Join(dir, "new.go"))
}

func TestNothingOutsideThePackageIsTouched(t *testing.T) {
	t.Parallel()
	for _, skill := range []string{"copy", "compare", "write"} {
		_, err := asked[map[string]any](t, skill, In{Path: t.TempDir(), File: "../p.go"})
		require.ErrorContains(t, err, "../p.go is not within the package")
	}
}
