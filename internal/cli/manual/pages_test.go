package manual_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli/manual"
	clitest "github.com/parallax-run/parallax/internal/cli/test"
	"github.com/parallax-run/parallax/internal/manifest"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/internal/pattern/moduledoc"
	"github.com/parallax-run/parallax/internal/pattern/patterntest"
	"github.com/parallax-run/parallax/runtime"
	"github.com/parallax-run/parallax/stdlib"
)

var update = flag.Bool("update", false, "rewrite docs/llms.txt and the generated pages of docs/language")

// docs is where the documents are.
var docs = filepath.Join("..", "..", "..", "docs")

func modules(t *testing.T) []moduledoc.Module {
	t.Helper()
	all, err := moduledoc.Std(stdlib.FS())
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// golden compares a document with what it should be, or makes it so.
func golden(t *testing.T, want string, path ...string) {
	t.Helper()
	file := filepath.Join(append([]string{docs}, path...)...)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o750))
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
	}
	got, err := os.ReadFile(file)
	require.NoError(t, err, "run make golden")
	require.Equal(t, want, string(got), "run make golden")
}

func TestThePublishedSchemasAreThoseOfTheReader(t *testing.T) {
	t.Parallel()
	for _, file := range []string{manifest.FileName, manifest.LockName} {
		text, ok := manifest.Schema(file)
		require.True(t, ok)
		golden(t, text, "schemas", file+".schema.json")
	}
}

func TestEachModuleHasItsPage(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(docs, "language", "std")
	if *update {
		require.NoError(t, os.RemoveAll(dir))
	}
	all := modules(t)
	for _, m := range all {
		golden(t, m.Markdown(), "language", "std", m.Name+".md")
	}
	pages, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, pages, len(all), "there is a page of a module that is gone; run make golden")
}

func TestTheIndexListsTheModules(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- modules: written by make golden -->\n", "<!-- end of modules -->\n"
	text, err := os.ReadFile(filepath.Join(docs, "language", "README.md"))
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(text), begin)
	require.True(t, found)
	_, tail, found := strings.Cut(rest, end)
	require.True(t, found)
	var list strings.Builder
	for _, m := range modules(t) {
		fmt.Fprintf(&list, "- [%s](std/%s.md): %s\n", m.Name, m.Name, m.Summary())
	}
	golden(t, head+begin+list.String()+end+tail, "language", "README.md")
}

func TestWhatTestsCanSayHasItsPage(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("# Tests\n\nWhat files named `*_test.star` can say besides everything else. [The guide](../guides/testing.md) tells how they are used.\n")
	for _, d := range patterntest.Decls() {
		fmt.Fprintf(&b, "\n## %s\n\n    %s\n\n%s\n", d.Name, d.Signature(), strings.TrimSpace(d.Doc))
	}
	golden(t, b.String(), "language", "tests.md")
}

func TestThePageForModelsIsThisOneAndSmall(t *testing.T) {
	t.Parallel()
	page := manual.LLMs(modules(t))
	require.Less(t, len(page), manual.MaxLLMs)
	for _, d := range builtins.Decls() {
		require.Contains(t, page, d.Name+"(")
	}
	for _, m := range modules(t) {
		require.Contains(t, page, "## "+m.Label)
		for _, f := range m.Funcs {
			require.Contains(t, page, "\n- `"+f.Name+"(")
		}
	}
	golden(t, page, "llms.txt")
}

// However many modules there are, each name is on the page, and the page is small.
func TestThePageForModelsSaysLessOfMore(t *testing.T) {
	t.Parallel()
	m := moduledoc.Module{Name: "m", Label: "@std//m.star"}
	for i := range 120 {
		m.Funcs = append(m.Funcs, moduledoc.Func{
			Module: "m", Name: fmt.Sprintf("f%d", i), Signature: fmt.Sprintf("f%d(x)", i),
			Doc: "Says what it does, at some length, and with many words that one can do without if need be, for they say nothing.",
		})
	}
	page := manual.LLMs([]moduledoc.Module{m})
	require.Less(t, len(page), manual.MaxLLMs)
	require.Regexp(t, "(?m)^- `f119\\(x\\)` Says what it does", page)
}

// The page for models shows a pattern and its tests: they pass.
func TestTheExamplesForModelsWork(t *testing.T) {
	t.Parallel()
	page := manual.LLMs(nil)
	blocks := strings.Split(page, "```")
	require.Len(t, blocks, 5)
	dir := t.TempDir()
	for name, block := range map[string]string{"jury.star": blocks[1], "jury_test.star": blocks[3]} {
		code, ok := strings.CutPrefix(block, "python\n")
		require.True(t, ok)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(code), 0o600))
	}
	s, err := patterntest.Load(filepath.Join(dir, "jury_test.star"), runtime.Environment{Builtins: builtins.All()}, pattern.Options{})
	require.NoError(t, err)
	require.NotEmpty(t, s.Tests)
	for _, test := range s.Tests {
		out := clitest.One(t.Context(), s, test.Name, 0)
		require.NoError(t, out.Err)
	}
}
