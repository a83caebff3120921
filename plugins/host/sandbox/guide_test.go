package sandbox_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/host/sandbox"
)

var update = flag.Bool("update", false, "rewrite the table of the guide")

const (
	guideBegin = "<!-- The table is made from plugins/host/sandbox/attempts.go by `make golden`. -->\n"
	guideEnd   = "<!-- end of the table -->\n"
)

// The guide says what each level stops as the attack suite finds it.
func TestGuideHasTheTable(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "docs", "guides", "permissions.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), guideBegin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, guideEnd)
	require.True(t, ok)
	want := before + guideBegin + "\n" + tableOf(sandbox.Attempts()) + "\n" + guideEnd + after
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644)) //nolint:gosec // a page of the guide
		return
	}
	require.Equal(t, want, string(text), "make golden rewrites it")
}

func tableOf(attempts []sandbox.Attempt) string {
	var b strings.Builder
	b.WriteString("| an agent tries | basic | standard | strict | |\n|---|---|---|---|---|\n")
	for _, a := range attempts {
		fmt.Fprintf(&b, "| %s ", a.Name)
		for _, l := range []sandbox.Level{sandbox.Basic, sandbox.Standard, sandbox.Strict} {
			fmt.Fprintf(&b, "| %s ", cell(a, l))
		}
		fmt.Fprintf(&b, "| %s |\n", a.Note)
	}
	return b.String()
}

// cell says who is stopped.
func cell(a sandbox.Attempt, l sandbox.Level) string {
	switch {
	case !a.Stopped(l, false, false):
		return "no"
	case !a.Stopped(l, true, false):
		return "unless hosts are granted"
	case !a.Stopped(l, false, true):
		return "unless it stays root"
	}
	return "stopped"
}
