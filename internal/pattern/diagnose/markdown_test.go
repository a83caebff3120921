package diagnose

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite docs/diagnostics.md")

func TestTheManualOfTheCodesIsUpToDate(t *testing.T) {
	t.Parallel()
	const name = "../../../docs/diagnostics.md"
	want := Markdown(language())
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(want), 0o644))
	}
	got, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "docs/diagnostics.md is stale: run make golden")
}
