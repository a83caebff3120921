package builtins_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

var update = flag.Bool("update", false, "rewrite docs/language/builtins.md")

func TestTheManualInTheDocumentsIsThisOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "language", "builtins.md")
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(builtins.Markdown()), 0o600))
	}
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, builtins.Markdown(), string(got), "run make golden")
}

func TestASummaryIsOneSentenceOnOneLine(t *testing.T) {
	t.Parallel()
	for _, d := range builtins.Decls() {
		got := d.Summary()
		require.NotContains(t, got, "\n", d.Name)
		require.NotContains(t, got, ". ", d.Name)
		require.True(t, strings.HasSuffix(got, "."), "%s: %s", d.Name, got)
		require.False(t, strings.HasPrefix(got, d.Name), "%s: %s", d.Name, got)
	}
	d := builtins.Decl{Name: "chop", Doc: "chop(x, n=1) cuts what is\nlong, as in 1.5. Then more.\n\nMore."}
	require.Equal(t, "Cuts what is long, as in 1.5.", d.Summary())
}

func TestEveryNameHasAPageAndEveryPageAName(t *testing.T) {
	t.Parallel()
	documented := make(map[string]bool)
	for _, d := range builtins.Decls() {
		require.False(t, documented[d.Name], "%s stands twice in the manual", d.Name)
		documented[d.Name] = true
		require.NotEmpty(t, d.Doc, "%s has no page", d.Name)
		require.Contains(t, d.Doc, "\n    ", "the page of %s has no example", d.Name)
		require.NotNil(t, d.Impl, d.Name)
		require.Contains(t, builtins.Page(d.Name), d.Signature())
	}
	for name, v := range builtins.All() {
		members, ok := v.(starlark.HasAttrs)
		if !ok || name == "budget" {
			require.True(t, documented[name], "%s is not in the manual", name)
			continue
		}
		require.NotEmpty(t, builtins.Page(name), "the module %s has no page", name)
		for _, member := range members.AttrNames() {
			if f, _ := members.Attr(member); f.Type() == "builtin_function_or_method" {
				require.True(t, documented[name+"."+member], "%s.%s is not in the manual", name, member)
			}
		}
	}
	require.Empty(t, builtins.Page("nothing"))
}

// examples gives the indented blocks of a page.
func examples(doc string) []string {
	var blocks []string
	var block []string
	for _, line := range append(strings.Split(doc, "\n"), "end") {
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented:
			block = append(block, code)
		case strings.TrimSpace(line) == "" && len(block) > 0:
			block = append(block, "")
		case len(block) > 0:
			blocks = append(blocks, strings.Join(block, "\n"))
			block = nil
		}
	}
	return blocks
}

func TestExamplesInTheManualParse(t *testing.T) {
	t.Parallel()
	parsed := 0
	for _, s := range builtins.Manual() {
		docs := map[string]string{s.Title: s.Doc}
		for _, d := range s.Decls {
			docs[d.Name] = d.Doc
		}
		for name, doc := range docs {
			for i, code := range examples(doc) {
				_, err := runtime.Parse(fmt.Sprintf("%s/%d.star", name, i), []byte(code+"\n"))
				require.NoError(t, err, code)
				parsed++
			}
		}
	}
	require.Greater(t, parsed, 40)
}

func TestExamplesWithAMainCompile(t *testing.T) {
	t.Parallel()
	free := "\ndef ask_one(*a, **k): pass\ndef ask_again(*a): pass\ndef judge(*a, **k): pass\ndef refine(*a): pass\n" +
		"def fetch(*a): pass\ndef summarise(*a): pass\ndef translate(*a): pass\n"
	for _, d := range builtins.Decls() {
		for _, code := range examples(d.Doc) {
			if strings.Contains(code, "def main(") {
				_, err := compile(d.Name+".star", code+free)
				require.NoError(t, err, code)
			}
		}
	}
}

func TestMarkdownHasItAll(t *testing.T) {
	t.Parallel()
	text := builtins.Markdown()
	require.Equal(t, text, builtins.Markdown(), "the manual is the same each time")
	for _, d := range builtins.Decls() {
		require.Contains(t, text, "### "+d.Name)
		require.Contains(t, text, "    "+d.Signature()+"\n")
	}
	require.Contains(t, text, "### parallel \\*\n")
	require.Contains(t, text, "### retry\n")
}
