//go:build unix

package manifest

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Opening a pipe would wait for whoever writes to it, reading a device would never end.
func TestPipesAndDevicesAreNotOpened(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), FileName)
	require.NoError(t, syscall.Mkfifo(pipe, 0o644))
	for _, path := range []string{pipe, "/dev/zero"} {
		_, err := Load(path)
		require.ErrorContains(t, err, "not a regular file")
	}
}
