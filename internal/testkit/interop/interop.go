// Package interop installs programs from npm that this project did not write, for tests that speak to them, and holds the few lines of
// JavaScript that make them do something.
package interop

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed programs
var programs embed.FS

// Dir gives a folder with the programs and with the packages of their lock file. It is made once and kept in $PARALLAX_TOOLS, or in parallax-tools in
// the user's cache folder. Where it cannot be made the test fails: what nobody has tried is not supported.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := install()
	require.NoError(t, err, "this test needs Node.js 20 or later with npm, and the npm registry or its cache")
	return dir
}

// Node is the command of a program in Dir.
func Node(t testing.TB, program string) []string {
	t.Helper()
	return []string{"node", filepath.Join(Dir(t), filepath.FromSlash(program))}
}

var install = sync.OnceValues(func() (string, error) {
	base := os.Getenv("PARALLAX_TOOLS")
	if base == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(cache, "parallax-tools")
	}
	files, err := listed()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(base, "interop-"+digest(files))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(base, 0o755); err != nil {
		return "", err
	}
	half, err := os.MkdirTemp(base, "half-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(half) }()
	if err := fill(half, files); err != nil {
		return "", err
	}
	if err := os.Chmod(half, 0o755); err != nil { // for agents that become another user
		return "", err
	}
	if err := os.Rename(half, dir); err != nil {
		if _, there := os.Stat(dir); there == nil { // another test was faster
			return dir, nil
		}
		return "", err
	}
	return dir, nil
})

// file is one of the programs.
type file struct {
	name string
	text []byte
}

func listed() ([]file, error) {
	entries, err := fs.ReadDir(programs, "programs")
	if err != nil {
		return nil, err
	}
	var files []file
	for _, e := range entries {
		text, err := fs.ReadFile(programs, "programs/"+e.Name())
		if err != nil {
			return nil, err
		}
		files = append(files, file{e.Name(), text})
	}
	return files, nil
}

func digest(files []file) string {
	sum := sha256.New()
	for _, f := range files {
		sum.Write(slices.Concat([]byte(f.name), []byte{0}, f.text, []byte{0}))
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}

// fill writes the programs and installs what their lock file says.
func fill(dir string, files []file) error {
	for _, f := range files {
		name := f.name
		if name == "npmrc" {
			name = ".npmrc"
		}
		if err := os.WriteFile(filepath.Join(dir, name), f.text, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(context.Background(), "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-update-notifier")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}
