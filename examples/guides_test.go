package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/testkit/guide"
)

func TestGuidesSayWhatHappens(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	env := append(environment(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "PARALLAX="+filepath.Dir(here))
	for _, name := range []string{"first-pattern.md", "first-agent.md", "testing.md", "keeping-runs.md", "limits.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "docs", "guides", name))
			require.NoError(t, err)
			guide.Follow(t, string(text), env)
		})
	}
}
