package manifest

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const critic = `
[package]
name = "acme/critic"
kind = "agent"
version = "1.4.0"
license = "Apache-2.0"
parallax = "0.1.0"
[agent]
command = ["critic"]
platforms = ["linux/amd64", "darwin/arm64"]
[permissions]
net = ["api.example.com:443"]
read = ["$WORKSPACE/src"]
`

func TestAPackageOfAnAgent(t *testing.T) {
	t.Parallel()
	m, err := ParsePackage("/cache/x/parallax.toml", []byte(critic), "/work")
	require.NoError(t, err)
	require.Equal(t, Package{Name: "acme/critic", Kind: KindAgent, Version: "v1.4.0", License: "Apache-2.0", Parallax: "v0.1.0", Pos: Pos{2, 2}}, m.Package)
	require.Equal(t, Program{Protocol: 1, Command: []string{"critic"}, Platforms: []string{"darwin/arm64", "linux/amd64"}}, m.Program)
	require.Equal(t, []string{"/work/src"}, m.Permissions.Read)
	require.JSONEq(t, `{"net":["api.example.com:443"],"read":["$WORKSPACE/src"]}`, string(m.Asks))
}

func TestAPackageOfAPattern(t *testing.T) {
	t.Parallel()
	m, err := Parse("/p/parallax.toml", []byte(`
[package]
name = "acme/debate"
kind = "pattern"
version = "1.2.0"
[dependencies]
votes = "github.com/acme/votes@v0.3.0"
maths = "ghe.example.org/team/maths@v1.0.0-rc.1"
[roles.critic]
description = "finds faults"
capabilities = ["review", "code"]
[roles.judge]
`))
	require.NoError(t, err)
	require.Equal(t, []Dependency{
		{"maths", "ghe.example.org/team/maths", "v1.0.0-rc.1", Pos{8, 1}}, {"votes", "github.com/acme/votes", "v0.3.0", Pos{7, 1}},
	}, m.Dependencies)
	require.Equal(t, []Role{{"critic", "finds faults", []string{"code", "review"}}, {Name: "judge"}}, m.Roles)
}

func TestMistakesInPackagesHaveTheirPlaceAndTheNextStep(t *testing.T) {
	t.Parallel()
	const p = "[package]\nname = \"a/b\"\nkind = \"pattern\"\nversion = \"1.0.0\"\n"
	tests := map[string]struct {
		text string
		pos  Pos
		hint string
	}{
		"unknown key":             {p + "licence = \"MIT\"\n", Pos{5, 1}, "did you mean license?"},
		"no version":              {"[package]\nname = \"a/b\"\nkind = \"pattern\"\n", Pos{1, 2}, `add version = "..."`},
		"version with v":          {"[package]\nname = \"a/b\"\nkind = \"pattern\"\nversion = \"v1.0.0\"\n", Pos{4, 1}, `version = "1.2.0"`},
		"name without an owner":   {"[package]\nname = \"b\"\nkind = \"pattern\"\nversion = \"1.0.0\"\n", Pos{2, 1}, `name = "owner/repo"`},
		"unknown kind":            {"[package]\nname = \"a/b\"\nkind = \"plugin\"\nversion = \"1.0.0\"\n", Pos{3, 1}, `kind = "agent"`},
		"agent without a program": {"[package]\nname = \"a/b\"\nkind = \"agent\"\nversion = \"1.0.0\"\n", Pos{1, 2}, "add [agent]"},
		"pattern with a program":  {p + "[agent]\ncommand = [\"x\"]\n", Pos{5, 2}, `kind = "agent"`},
		"program from outside":    {"[package]\nname = \"a/b\"\nkind = \"agent\"\nversion = \"1.0.0\"\n[agent]\ncommand = [\"/bin/sh\"]\n", Pos{6, 1}, "bin/NAME"},
		"pattern's permissions":   {p + "[permissions]\nnet = [\"*\"]\n", Pos{5, 2}, "[agents.NAME.permissions]"},
		"standard alias":          {"[dependencies]\nstd = \"github.com/a/b@v1.0.0\"\n", Pos{2, 1}, "std is taken"},
		"no minimum":              {"[dependencies]\nx = \"github.com/a/b\"\n", Pos{2, 1}, "@v1.2.0"},
		"short version":           {"[dependencies]\nx = \"github.com/a/b@v1\"\n", Pos{2, 1}, "@v1.2.0"},
		"a URL":                   {"[dependencies]\nx = \"https://github.com/a/b@v1.0.0\"\n", Pos{2, 1}, "github.com/owner/repo"},
		"role that is no table":   {"[roles]\ncritic = \"x\"\n", Pos{2, 1}, "write [roles.critic]"},
		"unknown key of a role":   {"[roles.critic]\ncapability = []\n", Pos{2, 1}, "did you mean capabilities?"},
		"agent of no package":     {"[dependencies]\ncritic = \"github.com/a/b@v1.0.0\"\n[agents.a]\nuse = \"@critics\"\n", Pos{3, 9}, "did you mean @critic?"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := problems(t, tt.text)[0]
			require.Equal(t, tt.pos, found.Pos, found.Message)
			require.Contains(t, found.Hint, tt.hint)
		})
	}
}

func TestWhatLeadsOutOfTheProjectIsSeenToDoSo(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"../.ssh": "$WORKSPACE/../.ssh", "$WORKSPACE/..": "$WORKSPACE/..", "$WORKSPACE//a/../../x": "$WORKSPACE/../x", "a/../..": "$WORKSPACE/..",
		"$WORKSPACE/../$WORKSPACE/x": "$WORKSPACE/../$WORKSPACE/x", "a/../b": "$WORKSPACE/b", "$WORKSPACE": "$WORKSPACE", ".": "$WORKSPACE", "/srv/../etc": "/etc",
	} {
		m, err := ParsePackage("x", []byte(strings.Replace(critic, "$WORKSPACE/src", path, 1)), "$WORKSPACE")
		require.NoError(t, err, path)
		require.Equal(t, []string{want}, m.Permissions.Read, path)
		if path == "$WORKSPACE" {
			continue // no program
		}
		p, err := ParsePermissions([]byte(`{"exec":["./`+strings.TrimPrefix(path, "$WORKSPACE/")+`"]}`), "$WORKSPACE")
		require.NoError(t, err, path)
		require.Equal(t, strings.Contains(want, ".."), strings.Contains(p.Exec[0], ".."), path)
		m, err = ParsePackage("x", []byte(strings.Replace(critic, "$WORKSPACE/src", path, 1)), "/work")
		require.NoError(t, err, path)
		require.Equal(t, []string{filepath.Join("/", strings.Replace(want, "$WORKSPACE", "work", 1))}, m.Permissions.Read, path)
	}
}

func TestWordsOfAPackageDoNotSteerATerminal(t *testing.T) {
	t.Parallel()
	const head = "[package]\nname = \"a/b\"\nkind = \"pattern\"\nversion = \"1.0.0\"\n"
	for text, want := range map[string]string{
		`description = "a\u001b[2Jb"`:                     "description has characters that cannot be seen",
		`description = "a\u202eb"`:                        "description has characters that cannot be seen",
		"[roles.x]\ndescription = \"a\\u009bb\"":          "description has characters that cannot be seen",
		"[roles.x]\ndescription = \"a\\nb\"":              "description has several lines",
		"[roles.x]\ncapabilities = [\"a\", \"\\u001bb\"]": "capabilities has characters that cannot be seen",
	} {
		_, err := ParsePackage("x", []byte(head+text+"\n"), "/w")
		require.ErrorContains(t, err, want, text)
	}
	_, err := ParsePackage("x", []byte(head+"description = \"Prüft, ob 数 stimmt\"\n"), "/w")
	require.NoError(t, err)
}

func TestAFetchedPackageBringsNoAgents(t *testing.T) {
	t.Parallel()
	_, err := ParsePackage("x", []byte("[package]\nname = \"a/b\"\nkind = \"pattern\"\nversion = \"1.0.0\"\n[agents.x]\nuse = \"exec\"\ncommand = [\"rm\"]\n"), "/w")
	require.ErrorContains(t, err, "x:5:2: a package brings no [agents]")
	_, err = ParsePackage("x", nil, "/w")
	require.ErrorContains(t, err, "there is no [package]")
}

func lockOf() *Lock {
	hash := "h1:" + "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	sum := "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	return &Lock{Packages: []Locked{
		{Source: "ghe.example.org/x/debate", Kind: KindPattern, Version: "v1.2.0", Commit: "9f1c2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b", Hash: hash},
		{Source: "github.com/acme/critic", Kind: KindAgent, Version: "v2.3.0", Assets: map[string]string{"linux/amd64": sum, "darwin/arm64": sum}, Grants: sum},
	}}
}

func TestALockIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	want := lockOf()
	text := want.Text()
	got, err := ParseLock("parallax.lock", text)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, string(text), string(got.Text()))
	require.Equal(t, `# Written by parallax: what [dependencies] came to. Commit it, and leave it to parallax.
lock = 1

[packages."ghe.example.org/x/debate"]
kind = "pattern"
version = "v1.2.0"
commit = "9f1c2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b"
hash = "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

[packages."github.com/acme/critic"]
kind = "agent"
version = "v2.3.0"
grants = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

[packages."github.com/acme/critic".assets]
"darwin/arm64" = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"linux/amd64" = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
`, string(text))
}

func TestALockThatDoesNotFitIsRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ text, message string }{
		"conflict markers": {"<<<<<<< HEAD\nlock = 1\n", "lock:1:1"},
		"no format":        {"", "a lock begins with lock = 1"},
		"newer":            {"lock = 2\n", "format 2"},
		"unknown":          {"lock = 1\npackage = 1\n", `no key "package"`},
		"source":           {"lock = 1\n[packages.x]\n", "is not the source"},
		"hash":             {"lock = 1\n[packages.\"github.com/a/b\"]\nkind = \"pattern\"\nversion = \"v1.0.0\"\nhash = \"h1:x\"\n", "which it cannot be"},
		"no hash":          {"lock = 1\n[packages.\"github.com/a/b\"]\nkind = \"pattern\"\nversion = \"v1.0.0\"\n", "has no hash"},
		"version":          {"lock = 1\n[packages.\"github.com/a/b\"]\nkind = \"pattern\"\nversion = \"1\"\n", "want one such as v1.2.0"},
		"no assets":        {"lock = 1\n[packages.\"github.com/a/b\"]\nkind = \"agent\"\nversion = \"v1.0.0\"\n", "has no assets"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseLock("lock", []byte(tt.text))
			require.ErrorContains(t, err, tt.message)
			for _, p := range err.(*Error).Problems {
				require.NotEmpty(t, p.Hint)
			}
		})
	}
}

func TestADependencyIsWrittenIntoAManifest(t *testing.T) {
	t.Parallel()
	const value = "github.com/a/b@v1.0.0"
	tests := map[string]struct{ before, alias, value, after string }{
		"into nothing":    {"", "b", value, "[dependencies]\nb = \"github.com/a/b@v1.0.0\"\n"},
		"below the rest":  {"[project]\nname = \"x\"", "b", value, "[project]\nname = \"x\"\n\n[dependencies]\nb = \"github.com/a/b@v1.0.0\"\n"},
		"into its table":  {"[dependencies] # mine\na = \"github.com/a/a@v1.0.0\" # one\n\n[project]\n", "b", value, "[dependencies] # mine\na = \"github.com/a/a@v1.0.0\" # one\nb = \"github.com/a/b@v1.0.0\"\n\n[project]\n"},
		"another version": {"[dependencies]\nb = \"github.com/a/b@v0.1.0\" # good\nc = \"github.com/a/c@v1.0.0\"\n", "b", value, "[dependencies]\nb = \"github.com/a/b@v1.0.0\" # good\nc = \"github.com/a/c@v1.0.0\"\n"},
		"removed":         {"[dependencies]\nb = \"github.com/a/b@v0.1.0\"\nc = \"github.com/a/c@v1.0.0\"\n", "b", "", "[dependencies]\nc = \"github.com/a/c@v1.0.0\"\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := SetDependency("parallax.toml", []byte(tt.before), tt.alias, tt.value)
			require.NoError(t, err)
			require.Equal(t, tt.after, string(got))
		})
	}
	for _, text := range []string{"dependencies = { c = \"github.com/a/c@v1.0.0\" }\n", "dependencies.c = \"github.com/a/c@v1.0.0\"\n"} {
		_, err := SetDependency("parallax.toml", []byte(text), "b", value)
		require.ErrorContains(t, err, "cannot be changed by a program", text)
	}
}
