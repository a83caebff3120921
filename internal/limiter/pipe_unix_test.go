//go:build unix

package limiter_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/limiter"
)

func TestWhatIsNoFileHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	for name, put := range map[string]func(path string) error{
		"a pipe":      func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a device":    func(path string) error { return os.Symlink("/dev/zero", path) },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			lim := limiter.Limit{Kind: limiter.Provider, Name: "main", Identity: "x", Rate: limiter.Rate{Calls: 1000, Per: time.Second, Burst: 10}}
			state := filepath.Join(limiter.New(limiter.Options{Dir: dir}).Status(lim).Dir, "state")
			require.NoError(t, os.MkdirAll(filepath.Dir(state), 0o700))
			require.NoError(t, put(state))

			var log bytes.Buffer
			limits := limiter.New(limiter.Options{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
			agents := limits.Agents(office(answer), map[string][]limiter.Limit{"a": {lim}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			for range 3 {
				_, err := agents.Call(ctx, ask("a"))
				require.NoError(t, err)
			}
			require.Contains(t, log.String(), state)
			require.Error(t, limits.Status(lim).Err)
			require.NoError(t, os.Remove(state))
			require.NoError(t, limits.Status(lim).Err)
		})
	}
}
