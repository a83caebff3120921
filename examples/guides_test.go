package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A guide is followed as a reader would, from top to bottom: a block with a file's name is saved under it, and each command of a
// console block is run and has to print what stands below it. A line of three dots stands for any lines, and "(1 ms)" for any time.
func TestGuidesSayWhatHappens(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"first-pattern.md", "first-agent.md", "testing.md", "keeping-runs.md", "limits.md"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(filepath.Join("..", "docs", "guides", name))
			require.NoError(t, err)
			follow(t, string(text))
		})
	}
}

var block = regexp.MustCompile("(?ms)^```(\\w+) ?(\\S*)\n(.*?)^```$")

var prompt = regexp.MustCompile(`(?m)^\$ `)

func follow(t *testing.T, guide string) {
	t.Helper()
	r := reader{dir: t.TempDir()}
	blocks := block.FindAllStringSubmatch(guide, -1)
	require.NotEmpty(t, blocks)
	for _, b := range blocks {
		language, file, text := b[1], b[2], b[3]
		switch {
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
type reader struct{ dir string }

func (r *reader) run(t *testing.T, line, want string) {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", line+"\ncode=$?\npwd >&3\nexit $code")
	cmd.Dir = r.dir
	cmd.Env = append(environment(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"), "PARALLAX="+filepath.Dir(here))
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
