package enginetest

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/plugins/mock"
	"github.com/parallax-run/parallax/runtime"
)

//go:embed testdata/examples/*.json
var exampleGoldens embed.FS

// processes are the examples whose agents are programs of their own, of which nothing is recorded.
var processes = []string{"models", "review", "team"}

// exampleScripts is what the others need besides their agents.
var exampleScripts = map[string]Script{
	"approval": {Decisions: []Decision{{At: "2", Value: runtime.Payload(`{"by":"ada","choice":"later","comment":"not on a Friday"}`)}}},
	"thousand": {Inputs: runtime.Payload(`{"branches":500}`)},
}

// exampleFiles are the inputs that have a file as default, which the command line reads: by example, then by input.
var exampleFiles = map[string]map[string]string{"deciding/calibrate": {"maps": "maps.json"}}

// Examples gives the examples of the repository as cases with a result, by name. Their agents are the mocks of their parallax.toml. Those that are
// programs answer as a recording beside the example says, and where there is none as a program does that succeeds and prints nothing.
func Examples(t *testing.T) []*Case {
	t.Helper()
	var cases []*Case
	for _, glob := range []string{"*", "deciding/*"} {
		files, err := filepath.Glob(filepath.Join(repository(t), "examples", filepath.FromSlash(glob), manifest.FileName))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			name := filepath.Base(filepath.Dir(file))
			if slices.Contains(processes, name) && glob == "*" {
				continue
			}
			cases = append(cases, example(t, strings.TrimSuffix(glob, "*")+name, file))
		}
	}
	return cases
}

// RunExamples runs the examples on an engine, side by side.
func RunExamples(t *testing.T, run Engine) {
	t.Helper()
	runAll(t, Examples(t), run)
}

// repository is the directory of the repository, in or above the working directory.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "examples", "hello", manifest.FileName)); err == nil {
			return dir
		}
		above := filepath.Dir(dir)
		require.NotEqual(t, above, dir, "there are no examples in or above the working directory")
		dir = above
	}
}

func example(t *testing.T, name, file string) *Case {
	t.Helper()
	m, err := manifest.Load(file)
	require.NoError(t, err)
	c := &Case{Name: name, Script: exampleScripts[name], Want: make(map[string]string), main: filepath.Join(m.Dir, filepath.FromSlash(m.Project.Main))}
	if c.Script.Inputs == nil {
		texts := make(map[string]string)
		for input, file := range exampleFiles[name] {
			text, err := os.ReadFile(filepath.Join(m.Dir, file))
			require.NoError(t, err)
			texts[input] = string(text)
		}
		raw, err := json.Marshal(texts)
		require.NoError(t, err)
		c.Script.Inputs, err = runtime.Canonical(raw)
		require.NoError(t, err)
	}
	c.Script.Agents = make(map[string]Agent)
	for _, a := range m.Agents {
		c.Script.Agents[a.Name] = Agent{Capabilities: a.Capabilities, Timeout: Duration(a.Timeout), Instant: a.Use == "mock"}
	}
	known := recorded(t, m.Dir)
	c.stage = func() actors { return stage(t, m, known) }
	golden, err := exampleGoldens.ReadFile(c.golden())
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
		c.Want["result"] = string(golden)
	}
	return c
}

// golden is the name of the file with the result of an example.
func (c *Case) golden() string {
	return "testdata/examples/" + strings.ReplaceAll(c.Name, "/", "-") + ".json"
}

// tape is what came of calls that were recorded, by request.
type tape map[string]taped

type taped struct {
	Request runtime.Payload
	Answer  runtime.Payload
	Error   *Failure
}

// recorded reads what was recorded beside an example.
func recorded(t *testing.T, dir string) tape {
	t.Helper()
	known := make(tape)
	files, err := filepath.Glob(filepath.Join(dir, "*_test.json"))
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var all struct {
			Tests map[string]struct{ Calls []taped }
		}
		require.NoError(t, json.Unmarshal(text, &all), file)
		for _, test := range all.Tests {
			for _, c := range test.Calls {
				known[string(c.Request)] = c
			}
		}
	}
	return known
}

func (t *taped) give() (runtime.Answer, error) {
	if e := t.Error; e != nil {
		return runtime.Answer{}, &runtime.Error{Code: e.Code, Message: e.Message, Hint: e.Hint, Retryable: e.Retryable, Details: e.Details}
	}
	return runtime.ParseAnswer(t.Answer)
}

// stage makes the agents of an example.
func stage(t *testing.T, m *manifest.Manifest, known tape) actors {
	t.Helper()
	mocks := make(map[string]*mock.Agent)
	for _, a := range m.Agents {
		if a.Use == "mock" {
			var err error
			mocks[a.Name], err = mock.New(json.RawMessage(a.Config))
			require.NoError(t, err)
		}
	}
	return func(ctx context.Context, call runtime.Call) (runtime.Answer, error) {
		if a, ok := mocks[call.Agent]; ok {
			return a.Call(ctx, call)
		}
		if p, ok := known[string(runtime.Request(call.AgentCall))]; ok {
			return p.give()
		}
		return runtime.Answer{Value: runtime.Payload(`{"exit_code":0,"stderr":"","stdout":""}`)}, nil
	}
}
