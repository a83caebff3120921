// Package browser lets tests look at pages in Chromium, as people would.
package browser

import (
	"context"
	"embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

//go:embed browser.mjs package.json package-lock.json
var files embed.FS

// Look runs a script for Node.js that looks at pages with what browser.mjs has, and gives what it prints. script is a file; args come after those that browser.mjs
// takes. PARALLAX_SHOTS names a folder for pictures. Without Chromium the test fails: a page that nobody has looked at is none.
func Look(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	chromium := chromiumOf(t)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, files))
	text, err := os.ReadFile(script)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "look.mjs"), text, 0o600))
	run(t, dir, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-update-notifier", "--no-audit", "--no-fund")
	shots := os.Getenv("PARALLAX_SHOTS")
	if shots == "" {
		shots = "-"
	}
	return run(t, dir, "node", append([]string{"look.mjs", chromium, shots}, args...)...)
}

func chromiumOf(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "tests of pages need %s: install Node.js 20 or later with npm", program)
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	require.Fail(t, "tests of pages need Chromium", "install the package chromium (apt-get install chromium), or run the quick tests: make quick")
	return ""
}

// run runs a program in dir and gives its standard output.
func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s\n%s\n%s", name, args[0], out, told.String())
	return out
}
