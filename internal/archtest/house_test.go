package archtest

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

// update rewrites the committed lists from the tree: go test ./internal/archtest -update, or make deps.
var update = flag.Bool("update", false, "rewrite depaware.txt and the floors in .golangci.yml")

// repository is the folder that holds the house.
const repository = "../.."

func TestTheHouseKeepsItsFloorsAndDoors(t *testing.T) {
	t.Parallel()
	found, err := Check(os.DirFS(repository))
	require.NoError(t, err)
	require.Empty(t, found, "\n%s", report(found))
}

// Were Check to read nothing, the test above would pass too.
func TestTheHouseIsRead(t *testing.T) {
	t.Parallel()
	stray := fstest.MapFS{"runtime/planted.go": source("runtime", "os")}
	found, err := Check(overlay{stray, os.DirFS(repository)})
	require.NoError(t, err)
	require.Contains(t, report(found), "runtime/planted.go:3: runtime is pure and may not import os")
}

func TestEveryRoomHasItsOwnPlace(t *testing.T) {
	t.Parallel()
	for i, r := range house {
		for _, other := range house[i+1:] {
			require.False(t, within(other.Path, r.Path) || within(r.Path, other.Path), "%s and %s overlap", r.Path, other.Path)
		}
		for _, name := range slices.Concat(r.Only, r.Tests) {
			require.True(t, isRoom(name), "%s names %s, which is no room", r.Path, name)
		}
	}
	for _, d := range doors {
		for _, name := range slices.Concat(d.Rooms, d.Tests) {
			require.True(t, name == anywhere || isRoom(name), "the door of %s names %s, which is no room", d.Module, name)
		}
	}
}

func TestABrokenRuleNamesItsLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, imports, want string }{
		{"upwards", "builtins/ask.go", module + "/internal/local", "may import only runtime and internal/consensus, not internal/local"},
		{"upwards by floor", "runtime/run.go", module + "/builtins", "builtins (floor 2) is above runtime (floor 1)"},
		{"late", "plugins/host/sandbox/shim/run_linux.go", "fmt", "plugins/host/sandbox/shim starts before the rest of its executable and may not import fmt"},
		{"late below", "plugins/host/sandbox/shim/kernel/numbers_linux.go", "golang.org/x/sys/unix", "may not import golang.org/x/sys/unix; see docs/decisions/0018"},
		{"sideways", "internal/local/engine.go", module + "/internal/badger", "are both on floor 5 and do not know each other"},
		{"the SDK knows no runtime", "plugins/agent/serve.go", module + "/runtime", "are both on floor 1"},
		{"an agent knows the SDK only", "plugins/openai/ask.go", module + "/runtime", "may import only plugins/agent"},
		{"enterprise from an open room", "internal/cli/login.go", module + "/internal/enterprise/license", "must build without internal/enterprise"},
		{"enterprise from the open binary", "cmd/parallax/main.go", module + "/internal/enterprise/server", "must build without internal/enterprise"},
		{"testkit outside a test", "internal/local/engine.go", module + "/internal/testkit/fake", "for tests only"},
		{"a cluster outside a test", "internal/enterprise/temporal/worker.go", module + "/internal/enterprise/testcluster", "for tests only"},
		{"a cluster in a test of an open room", "internal/cli/run_test.go", module + "/internal/enterprise/testcluster", "must build without internal/enterprise"},
		{"Temporal in an open room", "internal/cli/run.go", "go.temporal.io/sdk/client", "internal/cli may not"},
		{"a room nobody planned", "internal/util/strings.go", "strings", "internal/util belongs to no room"},
		{"an import of no room", "internal/cli/run.go", module + "/internal/util", "internal/util belongs to no room"},
		{"starlark upstairs", "internal/cli/run.go", "go.starlark.net/starlark", "internal/cli may not"},
		{"starlark in an agent", "plugins/agent/serve.go", "go.starlark.net/starlark", "plugins/agent may not"},
		{"a command line in a keeper", "internal/badger/open.go", "github.com/spf13/cobra", "internal/badger may not"},
		{"TOML outside the manifest", "internal/cli/init.go", "github.com/pelletier/go-toml/v2", "internal/cli may not"},
		{"gRPC upstairs", "internal/local/engine.go", "google.golang.org/grpc/codes", "internal/local may not"},
		{"a dependency without a door", "internal/local/engine.go", "example.com/left/pad", "has no door"},
		{"a test library in the product", "internal/local/engine.go", "github.com/stretchr/testify/require", "internal/local may not"},
		{"the host in a pure room", "runtime/run.go", "os/exec", "runtime is pure and may not import os/exec"},
		{"chance in a pure room", "builtins/random.go", "math/rand/v2", "builtins is pure and may not import math/rand/v2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			found, err := Check(fstest.MapFS{c.file: source("planted", c.imports)})
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Contains(t, found[0].String(), c.want)
			require.Contains(t, found[0].String(), c.file+":")
		})
	}
}

func TestWhatIsAllowed(t *testing.T) {
	t.Parallel()
	found, err := Check(fstest.MapFS{
		"internal/local/engine.go":        source("local", module+"/runtime", "golang.org/x/sync/errgroup"),
		"internal/local/engine_test.go":   source("local", module+"/internal/testkit", "github.com/stretchr/testify/require"),
		"internal/local/sub/part.go":      source("sub", module+"/internal/local"),
		"runtime/run.go":                  source("runtime", "time", "go.starlark.net/starlark"),
		"runtime/run_test.go":             source("runtime", "os", "math/rand/v2"),
		"plugins/mock/mock.go":            source("mock", module+"/runtime", module+"/plugins/agent"),
		"cmd/parallaxd/main.go":           source("main", module+"/internal/enterprise/server"),
		"internal/testkit/model_test.go":  source("testkit", "github.com/openai/openai-go/v3"),
		"internal/local/testdata/ugly.go": source("ugly", "example.com/left/pad"),
	})
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestAPureRoomDoesNotReadTheClock(t *testing.T) {
	t.Parallel()
	found, err := Check(fstest.MapFS{
		"runtime/a.go":      {Data: []byte("package runtime\n\nimport \"time\"\n\nvar born = time.Now()\n")},
		"runtime/b.go":      {Data: []byte("package runtime\n\nimport t \"time\"\n\nfunc f() { t.Sleep(1) }\n")},
		"runtime/c.go":      {Data: []byte("package runtime\n\nimport \"time\"\n\nconst second = time.Second\n")},
		"runtime/a_test.go": {Data: []byte("package runtime\n\nimport \"time\"\n\nvar tested = time.Now()\n")},
	})
	require.NoError(t, err)
	require.Equal(t, "runtime/a.go:5: runtime is pure and may not call time.Now; ask the Effects\n"+
		"runtime/b.go:5: runtime is pure and may not call time.Sleep; ask the Effects\n", report(found))
}

func TestAFileThatDoesNotParseIsAnError(t *testing.T) {
	t.Parallel()
	_, err := Check(fstest.MapFS{"runtime/a.go": {Data: []byte("package")}})
	require.ErrorContains(t, err, "runtime/a.go:1")
}

// The editor's rules are the ones above, or they would drift.
func TestDepguardSaysTheSame(t *testing.T) {
	t.Parallel()
	const start, end, indent = "        # floors and doors, written by make deps\n", "        # end of floors and doors\n", "        "
	name := filepath.Join(repository, ".golangci.yml")
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(data), start)
	require.True(t, ok, "%s has lost its mark %q", name, start)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "%s has lost its mark %q", name, end)
	want := before + start + Depguard(indent) + end + after
	if *update {
		require.NoError(t, os.WriteFile(name, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(data), "run make deps")
}

func isRoom(name string) bool {
	return slices.ContainsFunc(house, func(r Room) bool { return r.Path == name })
}

// source is a file with one import a line, the first on line 3.
func source(pkg string, imports ...string) *fstest.MapFile {
	var b strings.Builder
	b.WriteString("package " + pkg + "\n\n")
	for _, p := range imports {
		b.WriteString("import _ \"" + p + "\"\n")
	}
	return &fstest.MapFile{Data: []byte(b.String())}
}

func report(found []Violation) string {
	var b strings.Builder
	for _, v := range found {
		b.WriteString(v.String() + "\n")
	}
	return b.String()
}

// overlay is a tree with further files laid over it.
type overlay struct{ upper, lower fs.FS }

func (o overlay) Open(name string) (fs.File, error) {
	if f, err := o.upper.Open(name); err == nil && !isDir(f) {
		return f, nil
	}
	return o.lower.Open(name)
}

func (o overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	lower, err := fs.ReadDir(o.lower, name)
	upper, _ := fs.ReadDir(o.upper, name) // absent above is not an error
	for _, d := range upper {
		if !slices.ContainsFunc(lower, func(l fs.DirEntry) bool { return l.Name() == d.Name() }) {
			lower = append(lower, d)
		}
	}
	return lower, err
}

func isDir(f fs.File) bool {
	info, err := f.Stat()
	return err == nil && info.IsDir()
}
