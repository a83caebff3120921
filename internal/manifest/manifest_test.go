package manifest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/runtime"
)

// written is a manifest in a directory of its own.
func written(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), FileName)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// problems parses a text that is wrong.
func problems(t *testing.T, text string) []Problem {
	t.Helper()
	m, err := Parse("/p/parallax.toml", []byte(text))
	wrong, ok := errors.AsType[*Error](err)
	require.True(t, ok, "%v %v", m, err)
	require.NotEmpty(t, wrong.Problems)
	return wrong.Problems
}

func parsed(t testing.TB, text string) *Manifest {
	t.Helper()
	m, err := Parse("/p/parallax.toml", []byte(text))
	require.NoError(t, err)
	return m
}

func TestAManifestSaysWhatAProjectHas(t *testing.T) {
	t.Parallel()
	m := parsed(t, `
[project]
name = "review"
description = "Reviews changes."
main = "patterns/review.star"

[limits]
steps = 5_000_000
bytes = "128MiB"
output = "2 MB"
live_branches = "20k"

[state]
dir = ".parallax"

[run]
timeout = "10m"
inputs = { path = ".", depth = 3 }

[agents.reviewer]
use = "openai"
model = "gpt-5-mini"
temperature = 1.0
capabilities = ["review", "code", "review"]
secrets = ["OPENAI_API_KEY"]
timeout = "90s"
max_concurrency = 4
description = "Reads diffs."

[agents.vet]
use = "exec"
command = ["go", "vet", "./..."]
dir = "src"
queue = "build"
env = ["HOME", "GOCACHE"]

[agents.own]
use = "plugin"
command = ["./bin/own", "--quiet"]
level = { deep = [1, 2.5, true, "x"] }
since = 2026-01-02T03:04:05Z
day = 2026-01-02
at = 07:30:00

[agents.short]
use = "bin/short"

[agents.onpath]
use = "plugin"
command = ["own-agent"]
`)
	require.Equal(t, "/p", m.Dir)
	require.Equal(t, Project{Name: "review", Description: "Reviews changes.", Main: "patterns/review.star"}, m.Project)
	require.Equal(t, runtime.Limits{Steps: 5_000_000, Bytes: 128 << 20, OutputBytes: 2_000_000, LiveBranches: 20_000}, m.Limits)
	require.Equal(t, "/p/.parallax", m.State.Dir)
	require.Equal(t, Run{Timeout: 10 * time.Minute, Inputs: runtime.Payload(`{"depth":3,"path":"."}`)}, m.Run)
	require.Equal(t, []string{"onpath", "own", "reviewer", "short", "vet"}, m.AgentNames())

	reviewer, ok := m.Agent("reviewer")
	require.True(t, ok)
	require.Equal(t, Agent{
		Name: "reviewer", Use: "openai", Capabilities: []string{"code", "review"}, Secrets: []string{"OPENAI_API_KEY"},
		Timeout: 90 * time.Second, MaxConcurrency: 4, Dir: "/p", Description: "Reads diffs.",
		Config: runtime.Payload(`{"model":"gpt-5-mini","temperature":1.0}`), File: "/p/parallax.toml", Pos: Pos{20, 9},
	}, reviewer)

	vet, _ := m.Agent("vet")
	require.Equal(t, "/p/src", vet.Dir)
	require.Equal(t, "build", vet.Queue)
	require.Equal(t, []string{"HOME", "GOCACHE"}, vet.Env)
	require.Empty(t, vet.Command)
	require.Equal(t, `{"command":["go","vet","./..."]}`, string(vet.Config))

	own, _ := m.Agent("own")
	require.Equal(t, []string{"/p/bin/own", "--quiet"}, own.Command)
	require.Equal(t, `{"at":"07:30:00","day":"2026-01-02","level":{"deep":[1,2.5,true,"x"]},"since":"2026-01-02T03:04:05Z"}`, string(own.Config))

	short, _ := m.Agent("short")
	require.Equal(t, Plugin, short.Use)
	require.Equal(t, []string{"/p/bin/short"}, short.Command)
	onpath, _ := m.Agent("onpath")
	require.Equal(t, []string{"own-agent"}, onpath.Command)
	require.Equal(t, "{}", string(onpath.Config))
	_, ok = m.Agent("nobody")
	require.False(t, ok)
}

func TestAManifestMayBeEmpty(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n# nothing\n", "\ufeff[agents]\r\n"} {
		m := parsed(t, text)
		require.Empty(t, m.Agents)
		require.Equal(t, runtime.Limits{}, m.Limits)
	}
}

func TestACountMakesManyAgentsOfOne(t *testing.T) {
	t.Parallel()
	m := parsed(t, "[agents.worker]\nuse = \"mock\"\ncount = 1000\nseed = 7\n[agents.boss]\nuse = \"mock\"\n")
	require.Len(t, m.Agents, 1001)
	for _, name := range []string{"boss", "worker-1", "worker-1000"} {
		_, ok := m.Agent(name)
		require.True(t, ok, name)
	}
	require.IsIncreasing(t, m.AgentNames())
	last, _ := m.Agent("worker-1000")
	require.Equal(t, `{"seed":7}`, string(last.Config))

	p := problems(t, "[agents.w]\nuse = \"mock\"\ncount = 2\n[agents.w-2]\nuse = \"mock\"\n")
	require.Equal(t, Pos{4, 9}, p[0].Pos)
	require.Contains(t, p[0].Message, `agent "w-2" is there twice`)
}

func TestProblemsHaveTheirPlaceAndTheNextStep(t *testing.T) {
	t.Parallel()
	const a = "[agents.a]\nuse = \"x\"\n"
	tests := map[string]struct {
		text string
		pos  Pos
		hint string
	}{
		"not TOML":                {"[agents.a]\nuse = openai\n", Pos{2, 7}, ""},
		"unclosed":                {"[agents.a\nuse = \"x\"\n", Pos{1, 10}, ""},
		"unclosed string":         {"[state]\ndir = \"x\n", Pos{2, 9}, ""},
		"key twice":               {a + "model = 1\nmodel = 2\n", Pos{4, 1}, ""},
		"agent twice":             {a + "[agents.a]\nuse = \"y\"\n", Pos{3, 2}, ""},
		"not UTF-8":               {a + "model = \"\xff\"\n", Pos{3, 10}, "save the file as UTF-8"},
		"unknown table":           {"[agent.a]\nuse = \"x\"\n", Pos{1, 2}, "did you mean agents?"},
		"unknown key":             {"[state]\n  dri = \"x\"\n", Pos{2, 3}, "did you mean dir?"},
		"unknown, unlike any":     {"[project]\nflavour = 1\n", Pos{2, 1}, "known here: name, description, main"},
		"unknown at the top":      {"model = \"x\"\n", Pos{1, 1}, "known here: project, agents, providers, limits, state, run"},
		"unknown limit":           {"[limits]\nstep = 1\n", Pos{2, 1}, "did you mean steps?"},
		"limit below one":         {"[limits]\nsteps = 0\n", Pos{2, 1}, "steps = 5_000"},
		"limit with a wrong unit": {"[limits]\nsteps = \"5MiB\"\n", Pos{2, 1}, "steps = 5_000"},
		"limit of bytes":          {"[limits]\nbytes = \"lots\"\n", Pos{2, 1}, `bytes = "128MiB"`},
		"limit beyond numbers":    {"[limits]\nbytes = \"9999999999GiB\"\n", Pos{2, 1}, `bytes = "128MiB"`},
		"limit of another type":   {"[limits]\ndepth = [1]\n", Pos{2, 1}, "depth = 5_000"},
		"limits as a value":       {"limits = 5\n", Pos{1, 1}, "write a table: [limits]"},
		"main outside":            {"[project]\nmain = \"../x.star\"\n", Pos{2, 1}, "pattern.star"},
		"main of another kind":    {"[project]\nmain = \"x.py\"\n", Pos{2, 1}, "pattern.star"},
		"name as a number":        {"[project]\nname = 5\n", Pos{2, 1}, `name = "..."`},
		"empty dir":               {"[state]\ndir = \"\"\n", Pos{2, 1}, "leave the key out"},
		"agents as a list":        {"agents = []\n", Pos{1, 1}, "write a table: [agents]"},
		"agent as a string":       {"[agents]\na = \"openai\"\n", Pos{2, 1}, "write [agents.a]"},
		"agent without use":       {"[agents.a]\nmodel = \"x\"\n", Pos{1, 9}, `add use = "openai"`},
		"command without use":     {"[agents.a]\ncommand = [\"x\"]\n", Pos{1, 9}, `use = "exec"`},
		"use of another type":     {"[agents.a]\nuse = 5\n", Pos{2, 1}, `use = "..."`},
		"use that is no name":     {"[agents.a]\nuse = \"Open AI\"\n", Pos{2, 1}, `"openai"`},
		"plugin without command":  {"[agents.a]\nuse = \"plugin\"\n", Pos{2, 1}, "add command"},
		"path and command":        {"[agents.a]\nuse = \"./x\"\ncommand = [\"y\"]\n", Pos{3, 1}, `use = "plugin"`},
		"command as a string":     {"[agents.a]\nuse = \"plugin\"\ncommand = \"x\"\n", Pos{3, 1}, "command = ["},
		"command of numbers":      {a + "command = [1]\n", Pos{3, 1}, "command = ["},
		"capital letters":         {"[agents.Reviewer]\nuse = \"x\"\n", Pos{1, 9}, "for example [agents.reviewer]"},
		"space in a name":         {"[agents.\"code review\"]\nuse = \"x\"\n", Pos{1, 9}, "for example [agents.code-review]"},
		"empty name":              {"[agents.\"\"]\nuse = \"x\"\n", Pos{1, 9}, ""},
		"timeout without a unit":  {a + "timeout = 60\n", Pos{3, 1}, `timeout = "90s"`},
		"timeout of nothing":      {a + "timeout = \"0s\"\n", Pos{3, 1}, `timeout = "90s"`},
		"no queue":                {a + "queue = \"GPU 1\"\n", Pos{3, 1}, "queue = \"gpu\""},
		"no concurrency":          {a + "max_concurrency = 0\n", Pos{3, 1}, ""},
		"count too large":         {a + "count = 100_001\n", Pos{3, 1}, ""},
		"not a number of JSON":    {a + "temperature = nan\n", Pos{3, 1}, ""},
		"infinite, deep inside":   {a + "x = { y = [1, -inf] }\n", Pos{3, 1}, ""},
		"after wide characters":   {"agents = { \"\u00e4\u00f6\u00fc\u4e16\" = { use = \"x\" }, b = 1 }\n", Pos{1, 12}, ""},
		"too deep":                {strings.Repeat("a.", 80) + "a = 1\n", Pos{1, 129}, ""},
		"too deep, inline":        {"[agents.a]\nx = " + strings.Repeat("{a=", 80) + "1" + strings.Repeat("}", 80) + "\n", Pos{2, 189}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := problems(t, tt.text)[0]
			require.Equal(t, tt.pos, p.Pos, p.Message)
			require.Contains(t, p.Hint, tt.hint)
			require.Equal(t, "/p/parallax.toml", p.File)
			line := strings.Split(tt.text, "\n")[tt.pos.Line-1]
			require.True(t, strings.HasPrefix(strings.ToValidUTF8(line, "\ufffd"), strings.TrimSuffix(p.Source, " ...")), p.Source)
		})
	}
}

func TestAllProblemsAreListedInOrder(t *testing.T) {
	t.Parallel()
	_, err := Parse("/p/parallax.toml", []byte("[agents.b]\nuse = 1\n[agents.a]\nuse = 2\n[state]\n\tdri = 3\n"))
	require.EqualError(t, err, `/p/parallax.toml:2:1: use is a number, want a string
  use = 1
  ^
  write use = "..."
/p/parallax.toml:4:1: use is a number, want a string
  use = 2
  ^
  write use = "..."
/p/parallax.toml:6:2: [state] has no key "dri"
  	dri = 3
  	^
  did you mean dir?`)

	var many strings.Builder
	for i := range 50 {
		fmt.Fprintf(&many, "x%d = 1\n", i)
	}
	list := problems(t, many.String())
	require.Len(t, list, maxProblems)
	require.Equal(t, "and 30 more problems", list[maxProblems-1].Hint)
}

func TestSecretsAreRefusedAndNeverShown(t *testing.T) {
	t.Parallel()
	const secret = "hunter2hunter2hunter2"
	tests := map[string]struct {
		text string
		pos  Pos
		hint string
	}{
		"key":                    {`api_key = "` + secret + `"`, Pos{3, 1}, `secrets = ["API_KEY"]`},
		"key with a prefix":      {`openai-api-key = "` + secret + `"`, Pos{3, 1}, `secrets = ["OPENAI_API_KEY"]`},
		"token":                  {`token = "` + secret + `"`, Pos{3, 1}, `secrets = ["TOKEN"]`},
		"reference":              {`api_key = "${OPENAI_API_KEY}"`, Pos{3, 1}, `secrets = ["OPENAI_API_KEY"]`},
		"header":                 {`headers = { Authorization = "Basic ` + secret + `" }`, Pos{3, 13}, `secrets = ["AUTHORIZATION"]`},
		"list of tables":         {`servers = [{ password = "` + secret + `" }]`, Pos{3, 14}, `secrets = ["PASSWORD"]`},
		"sub-table":              {"[agents.a.auth]\nclient_secret = \"" + secret + `"`, Pos{4, 1}, `secrets = ["CLIENT_SECRET"]`},
		"text under another key": {`note = "use sk-` + secret + `"`, Pos{3, 1}, "secrets = ["},
		"argument of a command":  {`command = ["x", "--with", "ghp_` + secret + `"]`, Pos{3, 1}, "secrets = ["},
		"value instead of name":  {`secrets = ["sk-` + secret + `"]`, Pos{3, 1}, `secrets = ["OPENAI_API_KEY"]`},
		"assignment":             {`env = ["OPENAI_API_KEY=` + secret + `"]`, Pos{3, 1}, "env = ["},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "[agents.a]\nuse = \"x\"\n" + tt.text + "\n"
			list := problems(t, text)
			require.Equal(t, tt.pos, list[0].Pos)
			require.Contains(t, list[0].Hint, tt.hint)
			require.NotContains(t, (&Error{list}).Error(), secret)

			// Nor does a mistake elsewhere on the same line show it.
			list = problems(t, "[agents.a]\nuse = \"x\"\n"+strings.ReplaceAll(tt.text, "\n", " ")+" }} broken\n")
			require.NotContains(t, (&Error{list}).Error(), secret)
		})
	}
}

func TestWhatOnlySoundsLikeASecretPasses(t *testing.T) {
	t.Parallel()
	m := parsed(t, `
[agents.a]
use = "openai"
api_key_env = "OPENAI_API_KEY"
max_tokens = 500
token = 5
tokenizer = "cl100k"
password = ""
note = "ask-me-anything about sk-"
secrets = ["OPENAI_API_KEY"]
`)
	require.Len(t, m.Agents, 1)
}

func TestAThousandAgentsAreReadAtOnce(t *testing.T) {
	t.Parallel()
	m := parsed(t, manyAgents(1000))
	require.Len(t, m.Agents, 1000)
	require.Equal(t, Pos{6*999 + 1, 9}, m.Agents[999].Pos)
}

func manyAgents(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[agents.worker-%04d]\nuse = \"plugin\"\ncommand = [\"./bin/worker\", \"--quiet\"]\ncapabilities = [\"work\"]\nseed = %d\n\n", i, i)
	}
	return b.String()
}

func BenchmarkParse1000Agents(b *testing.B) {
	text := []byte(manyAgents(1000))
	for b.Loop() {
		_, err := Parse("/p/parallax.toml", text)
		require.NoError(b, err)
	}
}

func TestTheNearestManifestIsFound(t *testing.T) {
	t.Parallel()
	path := written(t, "[project]\nname = \"x\"\n")
	below := filepath.Join(filepath.Dir(path), "a", "b")
	require.NoError(t, os.MkdirAll(below, 0o755))
	got, ok, err := Find(below)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, path, got)
	m, err := Near(below)
	require.NoError(t, err)
	require.Equal(t, "x", m.Project.Name)
	require.Equal(t, filepath.Dir(path), m.Dir)

	nearer := filepath.Join(filepath.Dir(below), FileName)
	require.NoError(t, os.WriteFile(nearer, nil, 0o644))
	got, _, err = Find(below)
	require.NoError(t, err)
	require.Equal(t, nearer, got)
}

func TestWithoutAManifestItIsEmpty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if above, ok, _ := Find(dir); ok {
		t.Fatalf("%s stands above the temporary directory", above)
	}
	m, err := Near(dir)
	require.NoError(t, err)
	require.Equal(t, &Manifest{Dir: dir}, m)
}

func TestLoadingTakesAFileOrItsDirectory(t *testing.T) {
	t.Parallel()
	path := written(t, "[project]\nname = \"x\"\n")
	for _, p := range []string{path, filepath.Dir(path)} {
		m, err := Load(p)
		require.NoError(t, err)
		require.Equal(t, path, m.Path)
	}
	_, err := Load(filepath.Join(t.TempDir(), "other.toml"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestOnlyRegularFilesOfSomeSizeAreRead(t *testing.T) {
	t.Parallel()
	_, err := Load(written(t, strings.Repeat("# filler\n", MaxBytes/9+1)))
	require.ErrorContains(t, err, "more than 2 MiB")
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, FileName), 0o755))
	_, err = Load(dir)
	require.ErrorContains(t, err, "not a regular file")
}

func TestAnOverlayReplacesAndAddsAgents(t *testing.T) {
	t.Parallel()
	base := parsed(t, "[agents.a]\nuse = \"x\"\n[agents.b]\nuse = \"x\"\n[agents.d]\nuse = \"x\"\n[limits]\nsteps = 7\n")
	file := filepath.Join(t.TempDir(), "cheap.toml")
	require.NoError(t, os.WriteFile(file, []byte("[agents.b]\nuse = \"./y\"\n[agents.c]\nuse = \"y\"\n[agents.e]\nuse = \"y\"\n"), 0o644))
	agents, err := LoadAgents(file)
	require.NoError(t, err)
	m := base.WithAgents(agents)
	require.Equal(t, []string{"a", "b", "c", "d", "e"}, m.AgentNames())
	b, _ := m.Agent("b")
	require.Equal(t, []string{filepath.Join(filepath.Dir(file), "y")}, b.Command)
	require.Equal(t, uint64(7), m.Limits.Steps)
	old, _ := base.Agent("b")
	require.Equal(t, "x", old.Use)

	require.NoError(t, os.WriteFile(file, []byte("[limits]\nsteps = 1\n"), 0o644))
	_, err = LoadAgents(file)
	wrong, ok := errors.AsType[*Error](err)
	require.True(t, ok)
	require.Equal(t, Pos{1, 2}, wrong.Problems[0].Pos)
}

func TestLimitsAreSetByName(t *testing.T) {
	t.Parallel()
	tests := map[string]runtime.Limits{
		"steps=5":            {Steps: 5},
		"steps = 2M":         {Steps: 2_000_000},
		"steps_in_a_row=10k": {StepsInARow: 10_000},
		"bytes=64MiB":        {Bytes: 64 << 20},
		"bytes=1_000":        {Bytes: 1000},
		"depth=50":           {Depth: 50},
		"live_branches=1G":   {LiveBranches: 1_000_000_000},
		"effects=1":          {Effects: 1},
		"output=1KB":         {OutputBytes: 1000},
		"children_depth=2":   {ChildrenDepth: 2},
	}
	for setting, want := range tests {
		var l runtime.Limits
		require.NoError(t, Override(&l, setting))
		require.Equal(t, want, l, setting)
	}
	for setting, hint := range map[string]string{
		"steps":                         "write --limit steps=N",
		"stpes=1":                       "did you mean steps?",
		"wall_clock=1":                  "there are steps, steps_in_a_row",
		"steps=":                        "for example steps",
		"steps=-1":                      "for example steps",
		"steps=0":                       "for example steps",
		"steps=1e6":                     "for example steps",
		"steps=1MiB":                    "for example steps",
		"depth=1000000":                 "for example depth",
		"bytes=99999999999999999999":    "for example bytes",
		"bytes=9223372036854775807 TiB": "for example bytes",
	} {
		l := runtime.Limits{Steps: 3}
		bad, ok := errors.AsType[*LimitError](Override(&l, setting))
		require.True(t, ok, setting)
		require.Contains(t, bad.Hint, hint, setting)
		require.Equal(t, runtime.Limits{Steps: 3}, l)
	}
}

// The names are those that the runtime's errors tell people to use.
func TestEveryLimitOfTheRuntimeCanBeSet(t *testing.T) {
	t.Parallel()
	var l runtime.Limits
	for _, name := range LimitNames() {
		require.NoError(t, Override(&l, name+"=77"))
	}
	require.Equal(t, runtime.Limits{
		Steps: 77, StepsInARow: 77, Bytes: 77, Depth: 77, LiveBranches: 77, Effects: 77, OutputBytes: 77, ChildrenDepth: 77,
	}, l)
}

func TestAnAgentWithoutItsEnvironmentIsAbsent(t *testing.T) {
	t.Parallel()
	m, err := Parse("parallax.toml", []byte("[agents.a]\nuse = \"mock\"\n[agents.b]\nuse = \"mock\"\nrequires_env = [\"KEY\"]\n"))
	require.NoError(t, err)
	without := m.Available(func(string) (string, bool) { return "", false })
	require.Equal(t, []string{"a"}, without.AgentNames())
	require.Equal(t, "KEY", without.Absent[0].Lacks(func(string) (string, bool) { return "", true }))
	with := m.Available(func(string) (string, bool) { return "x", true })
	require.Equal(t, []string{"a", "b"}, with.AgentNames())
}
