package input

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

func TestReadingAPipeWithoutAWriterCanBeCancelled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Reader{Dir: dir}.Inputs(ctx, params(), "", []string{"any=@pipe"})
	failed, ok := errors.AsType[*runtime.Error](err)
	require.True(t, ok, err)
	require.Equal(t, runtime.Cancelled, failed.Code)
	writer, err := os.OpenFile(pipe, os.O_RDWR, 0) // lets the reading end
	require.NoError(t, err)
	require.NoError(t, writer.Close())
}
