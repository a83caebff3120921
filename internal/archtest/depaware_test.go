package archtest

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A dependency that comes into a binary is a line in a diff that somebody reads.
func TestBinariesLinkWhatTheirListSays(t *testing.T) {
	t.Parallel()
	commands, err := filepath.Glob(filepath.Join(repository, "cmd", "*", "main.go"))
	require.NoError(t, err)
	for _, main := range commands {
		dir := filepath.Dir(main)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			linked := linkedModules(t, dir)
			require.NotEmpty(t, linked)
			name := filepath.Join(dir, "depaware.txt")
			if *update {
				require.NoError(t, os.WriteFile(name, []byte(linked), 0o644))
				return
			}
			listed, err := os.ReadFile(name)
			require.NoError(t, err, "run make deps")
			require.Equal(t, string(listed), linked, "what %s links has changed; if that is meant, run make deps and read its diff", dir)
		})
	}
}

// linkedModules lists the modules of other people that the command in dir links on Linux, one a line, without versions.
func linkedModules(t *testing.T, dir string) string {
	t.Helper()
	_, err := os.ReadFile(filepath.Join(repository, "go.mod")) // so that a cached result does not outlive it
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s", &stderr)
	modules := map[string]bool{}
	for path := range strings.FieldsSeq(string(out)) {
		if !within(path, module) {
			modules[path] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(modules)), "\n") + "\n"
}
