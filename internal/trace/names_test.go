package trace

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A name that others read is spelt once, so that it changes everywhere when the conventions do.
func TestNamesAreSpeltInOneFile(t *testing.T) {
	t.Parallel()
	mine := make(map[string]bool)
	for _, s := range literals(t, os.DirFS("."), "names.go") {
		if strings.ContainsAny(s, "._") {
			require.False(t, mine[s], "%s is there twice", s)
			mine[s] = true
		}
	}
	require.Greater(t, len(mine), 40, "names.go is read")
	root := os.DirFS("../..")
	read := 0
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != "." {
			return fs.SkipDir
		}
		if path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || name == "internal/trace/names.go" {
			return nil
		}
		read++
		here := strings.HasPrefix(name, "internal/trace/")
		src, err := fs.ReadFile(root, name)
		if err != nil || !here && !bytes.Contains(src, []byte("gen_ai.")) && !bytes.Contains(src, []byte("OTEL_")) {
			return err
		}
		for _, s := range literals(t, root, name) {
			require.False(t, here && mine[s], "%s spells %q; use the name in names.go", name, s)
			require.False(t, strings.HasPrefix(s, "gen_ai.") || strings.HasPrefix(s, "OTEL_"), "%s spells %q, which belongs in names.go", name, s)
		}
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, read, 100)
}

// literals are the strings of a file, those of imports left out.
func literals(t *testing.T, root fs.FS, name string) []string {
	t.Helper()
	src, err := fs.ReadFile(root, name)
	require.NoError(t, err)
	f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil // somebody is writing it, and the compiler says so
	}
	var all []string
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if s, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
				all = append(all, s)
			}
		}
		return true
	})
	return all
}
