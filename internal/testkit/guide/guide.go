// Package guide follows a guide of docs/guides as a reader would.
package guide

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var block = regexp.MustCompile("(?ms)^```(\\w+) ?(\\S*)\n(.*?)^```$")

var prompt = regexp.MustCompile(`(?m)^\$ `)

// Blocks gives the blocks of a document that are in a language.
func Blocks(text, language string) []string {
	var found []string
	for _, b := range block.FindAllStringSubmatch(text, -1) {
		if b[1] == language {
			found = append(found, b[3])
		}
	}
	return found
}

// inBackground is what stands behind the language of a block whose one command goes on until the guide ends.
const inBackground = "&"

// Follow follows a guide from top to bottom: a block with a file's name is saved under it, and each command of a console block is run with the
// environment env and has to print what stands below it. A line of three dots stands for any lines, and "(1 ms)" for any time. A command of
// a block "console &" goes on meanwhile.
func Follow(t *testing.T, text string, env []string) {
	t.Helper()
	r := reader{dir: t.TempDir(), env: env}
	blocks := block.FindAllStringSubmatch(text, -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		language, file, text := b[1], b[2], b[3]
		switch {
		case language == "console" && file == inBackground:
			r.begin(t, strings.TrimSpace(prompt.Split(text, -1)[1]))
		case file != "":
			write(t, r.dir, file, text)
		case language == "console":
			for _, step := range prompt.Split(text, -1)[1:] {
				line, want, _ := strings.Cut(step, "\n")
				r.run(t, line, want)
			}
		}
	}
}

// reader is somebody at a shell.
type reader struct {
	dir string
	env []string
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

// begin starts a command and interrupts it when the test ends.
func (r *reader) begin(t *testing.T, line string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "exec "+line)
	cmd.Dir, cmd.Env = r.dir, r.env
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() }) // t.Context has ended by then
}

func (r *reader) run(t *testing.T, line, want string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line+"\ncode=$?\npwd >&3\nexit $code")
	cmd.Dir, cmd.Env = r.dir, r.env
	at, err := os.CreateTemp(t.TempDir(), "pwd")
	require.NoError(t, err)
	defer at.Close()
	cmd.ExtraFiles = []*os.File{at}
	out, _ := cmd.CombinedOutput() // what it prints says how it ended
	require.Regexp(t, expectation(want), string(out), "$ %s", line)
	dir, err := os.ReadFile(at.Name())
	require.NoError(t, err)
	r.dir = strings.TrimSpace(string(dir))
}

var timing = regexp.MustCompile(`\\\(\d+ ms\\\)`)

// expectation is a regular expression of what a guide shows.
func expectation(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if line == "...\n" {
			b.WriteString(`(?:.*\n)*`)
		} else {
			b.WriteString(timing.ReplaceAllLiteralString(regexp.QuoteMeta(line), `\([0-9.]+ m?s\)`))
		}
	}
	return `^` + b.String() + `$`
}
