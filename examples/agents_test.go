package examples_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// begun is an agent that `parallax plugin new` wrote, ready to run.
type begun struct {
	dir     string
	command []string // that starts it by hand
	tests   []string // what its README says runs its tests
}

// begin writes one and does what its README says. What a language needs has to be there: a template that nobody has tried is none.
func begin(t *testing.T, lang string) begun {
	t.Helper()
	here, err := os.Getwd()
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "words")
	args := []string{"plugin", "new", "words", "--lang", lang, "--dir", dir}
	switch lang {
	case "go":
		parallax(t, here, append(args, "--sdk", filepath.Join(here, "..", "plugins", "agent"))...).done(t)
		shell(t, dir, "go", "build")
		return begun{dir, []string{"./words"}, []string{"go", "test", "./..."}}
	case "node":
		parallax(t, here, args...).done(t)
		npmInstall(t, dir)
		return begun{dir, []string{"node", "./main.js"}, []string{"npm", "test"}}
	default:
		python := pythonWithGRPC(t)
		parallax(t, here, args...).done(t)
		return begun{dir, []string{python, "./agent.py"}, []string{python, "-m", "unittest"}}
	}
}

// run runs parallax in the agent's folder. "python3" is the one that has what is needed.
func (a begun) run(t *testing.T, args ...string) ended {
	t.Helper()
	return a.runWith(t, nil, args...)
}

// runWith is run with further environment variables.
func (a begun) runWith(t *testing.T, env []string, args ...string) ended {
	t.Helper()
	path := os.Getenv("PATH")
	if dir := filepath.Dir(a.command[0]); filepath.IsAbs(dir) {
		path = dir + string(filepath.ListSeparator) + path
	}
	return parallaxWith(t, a.dir, append(env, "PATH="+path), args...)
}

func TestAgentsBegunInEachLanguageWork(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"go", "node", "python"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			a := begin(t, lang)
			t.Run("its own tests pass", func(t *testing.T) {
				t.Parallel()
				shell(t, a.dir, a.tests...)
				a.run(t, "test", "try").done(t)
			})
			t.Run("it is asked", func(t *testing.T) {
				t.Parallel()
				require.JSONEq(t, `{"words": 3}`, a.run(t, "run", "-q", "try").done(t))
			})
			t.Run("it conforms", func(t *testing.T) {
				t.Parallel()
				e := a.run(t, "plugin", "test")
				require.Zero(t, e.code, "%s\n%s", e.out, e.stderr)
				require.Contains(t, e.out, " 0 failed, 0 skipped")
			})
			t.Run("its settings are checked by name", func(t *testing.T) {
				t.Parallel()
				for setting, want := range map[string]string{`min = "many"`: "min", "mim = 4": "mim", "min = -1": "min"} {
					e := a.run(t, "run", "try", "--agents", a.with(t, setting))
					require.Equal(t, 4, e.code, e.stderr)
					require.Contains(t, e.stderr, want)
				}
				require.JSONEq(t, `{"words": 1}`, a.run(t, "run", "-q", "try", "--agents", a.with(t, "min = 4")).done(t))
			})
			t.Run("it is held by a sandbox", func(t *testing.T) {
				t.Parallel()
				require.JSONEq(t, `{"words": 3}`, a.run(t, "run", "-q", "try", "--agents", a.with(t, "permissions = { read = ['"+a.dir+"'] }")).done(t))
			})
			t.Run("a large text travels as a blob", func(t *testing.T) {
				t.Parallel()
				text := write(t, t.TempDir(), "text", strings.Repeat("one two three. ", 30_000))
				require.JSONEq(t, `{"words": 90000}`, a.run(t, "run", "-q", "try", "--input", "text=@"+text).done(t))
			})
			t.Run("started by hand it says what to do", func(t *testing.T) {
				t.Parallel()
				out, err := command(t, a.dir, a.command[0], a.command[1:]...)
				require.Error(t, err)
				require.Contains(t, out, "[agents.words]\nuse = \"plugin\"")
			})
		})
	}
}

// with writes a file of agents in which the agent has another setting.
func (a begun) with(t *testing.T, setting string) string {
	t.Helper()
	words := make([]string, len(a.command))
	for i, w := range a.command {
		words[i] = "'" + w + "'"
		if i == 0 && strings.HasPrefix(w, "./") {
			words[i] = "'" + filepath.Join(a.dir, w) + "'"
		}
	}
	return write(t, t.TempDir(), "agents.toml",
		"[agents.words]\nuse = \"plugin\"\ndir = '"+a.dir+"'\ncommand = ["+strings.Join(words, ", ")+"]\n"+setting+"\n")
}

// npmInstall installs what the lock file says.
func npmInstall(t *testing.T, dir string) {
	t.Helper()
	for _, program := range []string{"node", "npm"} {
		_, err := exec.LookPath(program)
		require.NoError(t, err, "agents in Node need %s: install Node.js 20 or later with npm", program)
	}
	shell(t, dir, "npm", "ci", "--ignore-scripts", "--prefer-offline", "--no-update-notifier")
}

// pythonWithGRPC is a Python that has grpcio: the first on PATH, or the system's, for which distributions have packages.
func pythonWithGRPC(t *testing.T) string {
	t.Helper()
	var said []string
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		path, err := exec.LookPath(python)
		if err != nil {
			continue
		}
		out, err := command(t, t.TempDir(), path, "-c", "import grpc, google.protobuf")
		if err == nil {
			return path
		}
		said = append(said, path+": "+out)
	}
	require.Fail(t, "agents in Python need grpcio and protobuf: apt-get install python3 python3-grpcio python3-protobuf", strings.Join(said, "\n"))
	return ""
}

// shell runs a program that has to succeed.
func shell(t *testing.T, dir string, words ...string) {
	t.Helper()
	out, err := command(t, dir, words[0], words[1:]...)
	require.NoError(t, err, "%s: %s", strings.Join(words, " "), out)
}

// command runs a program in dir and gives what it printed.
func command(t *testing.T, dir, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), maxRun)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
