package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOnlyTestsSwitchTheGuardOff: what leaves tier 1 of the sandbox out is not in any program that people get.
func TestOnlyTestsSwitchTheGuardOff(t *testing.T) {
	t.Parallel()
	inTests := 0
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" || strings.HasSuffix(name, "unguarded_test.go") {
			return err
		}
		text, err := os.ReadFile(name)
		sets := strings.Contains(string(text), "Unguarded: true") || strings.Contains(string(text), ".Unguarded =")
		switch {
		case sets && strings.HasSuffix(name, "_test.go"):
			inTests++
		case sets:
			t.Errorf("%s sets runtime.Environment.Unguarded", name)
		}
		return err
	}))
	require.Positive(t, inTests)
}
