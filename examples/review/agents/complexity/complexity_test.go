package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parallax-run/parallax/plugins/agent"
	"github.com/parallax-run/parallax/plugins/agent/agenttest"
)

func TestTheAgentAnswersOverTheProtocol(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "p.go", "package p\n\nfunc F() {\n\tfor {\n\t}\n}\n")
	def := agent.Define(agent.Info{Name: "complexity", Version: "0.1.0"}, review)

	reply, err := agenttest.Run(t, def, agenttest.Request{Input: In{Path: dir}, Config: Config{MaxCyclomatic: 1}})
	require.NoError(t, err)
	require.JSONEq(t, `{
		"functions": 1,
		"worst": [{"name": "F", "file": "p.go", "line": 3, "cyclomatic": 2, "cognitive": 1, "source": "func F() {\n\tfor {\n\t}\n}"}],
		"findings": [{"severity": "warning", "file": "p.go", "line": 3,
			"message": "F is hard to follow: cyclomatic complexity 2 (limit 1), cognitive 1 (limit 20)"}]
	}`, string(reply.Output))

	_, err = agenttest.Run(t, def, agenttest.Request{Input: In{Path: "nowhere"}})
	require.ErrorContains(t, err, "cannot measure nowhere")
}

func TestComplexityOfFunctions(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		body                  string
		cyclomatic, cognitive int
	}{
		"a straight line":           {`x := 1; _ = x`, 1, 0},
		"one decision":              {`if a { f() }`, 2, 1},
		"an else is read, not run":  {`if a { f() } else { g() }`, 2, 2},
		"a chain does not nest":     {`if a { f() } else if b { g() } else { h() }`, 3, 3},
		"nesting costs more":        {`for { if a { for { f() } } }`, 4, 6},
		"a switch is read once":     {`switch x { case 1: f(); case 2: g(); default: h() }`, 3, 1},
		"a run of one operator":     {`_ = a && b && c`, 3, 1},
		"two operators":             {`_ = a && b || c`, 3, 2},
		"a jump":                    {`l: for { continue l }`, 2, 2},
		"a function in a function":  {`go func() { if a { f() } }()`, 2, 2},
		"a select with a default":   {`select { case <-c: f(); default: }`, 2, 1},
		"operators of another call": {`_ = a && f(b && c)`, 3, 2},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn := function(t, want.body)
			require.Equal(t, want.cyclomatic, cyclomatic(fn), "cyclomatic")
			require.Equal(t, want.cognitive, cognitive(fn), "cognitive")
		})
	}
}

func TestTheHardestFunctionComesFirst(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "a.go", "package p\n\nfunc easy() {}\n\nfunc (d *Decoder[T]) hard() {\n\tfor {\n\t\tif true {\n\t\t\treturn\n\t\t}\n\t}\n}\n")
	write(t, dir, "a_test.go", "package p\n\nfunc left() { for { for { for { for {} } } } }\n")

	functions, err := measure(t.Context(), dir)
	require.NoError(t, err)
	require.Len(t, functions, 2)
	require.Equal(t, "Decoder.hard", functions[0].Name)
	require.Equal(t, "a.go", functions[0].File)
	require.Equal(t, 5, functions[0].Line)
	require.Contains(t, functions[0].Source, "func (d *Decoder[T]) hard() {")

	found := findings(functions, Config{MaxCognitive: 2})
	require.Equal(t, []Finding{{
		Severity: "warning", File: "a.go", Line: 5,
		Message: "Decoder.hard is hard to follow: cyclomatic complexity 3 (limit 15), cognitive 3 (limit 2)",
	}}, found)
	require.Empty(t, findings(functions, Config{}))
}

func TestAFileThatDoesNotParseIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "broken.go", "package p\n\nfunc {")
	_, err := measure(t.Context(), dir)
	require.ErrorContains(t, err, "broken.go:3:6")

	_, err = measure(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "no Go files")
}

func function(t *testing.T, body string) *ast.FuncDecl {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), "x.go", "package p\nfunc x() { "+body+" }", 0)
	require.NoError(t, err)
	return tree.Decls[0].(*ast.FuncDecl)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}
