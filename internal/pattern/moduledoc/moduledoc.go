// Package moduledoc reads what modules of patterns say of themselves: the first string of a file, and the docstrings of its public
// functions. The pages that people read are made of it.
package moduledoc

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// Module is one file that others load.
type Module struct {
	Name  string // without the ending: "cascade"
	Label string // as load takes it: "@std//cascade.star"
	Doc   string
	Types []Type
	Funcs []Func // in the order in which they stand
}

// Func is a public function of a module.
type Func struct {
	Module    string
	Name      string
	Signature string // as the source writes it, on one line
	Doc       string
}

// Type is a public record or enum of a module.
type Type struct {
	Name   string
	Source string // as the file has it: Role = record(...)
}

// Std reads the standard modules, sorted by name.
func Std(modules fs.FS) ([]Module, error) {
	if modules == nil {
		return nil, nil
	}
	files, err := fs.Glob(modules, "*.star")
	if err != nil {
		return nil, err
	}
	var all []Module
	for _, file := range files {
		text, err := fs.ReadFile(modules, file)
		if err != nil {
			return nil, err
		}
		m, err := Read("@std//"+file, text)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Read reads one module. Its error is a *runtime.SourceError.
func Read(label string, text []byte) (Module, error) {
	m := Module{Name: strings.TrimSuffix(path.Base(label), ".star"), Label: label}
	f, err := runtime.Parse(label, text)
	if err != nil {
		return m, err
	}
	m.Doc = docstring(f.Syntax.Stmts)
	for _, stmt := range f.Syntax.Stmts {
		switch s := stmt.(type) {
		case *syntax.DefStmt:
			if !strings.HasPrefix(s.Name.Name, "_") {
				m.Funcs = append(m.Funcs, Func{Module: m.Name, Name: s.Name.Name, Signature: signature(text, s), Doc: docstring(s.Body)})
			}
		case *syntax.AssignStmt:
			if t, ok := typeOf(text, s); ok {
				m.Types = append(m.Types, t)
			}
		}
	}
	return m, nil
}

// docstring is the string that a block of statements begins with, or "".
func docstring(block []syntax.Stmt) string {
	if len(block) == 0 {
		return ""
	}
	expr, ok := block[0].(*syntax.ExprStmt)
	if !ok {
		return ""
	}
	lit, ok := expr.X.(*syntax.Literal)
	if !ok || lit.Token != syntax.STRING {
		return ""
	}
	return dedented(lit.Value.(string), int(lit.TokenPos.Col)-1)
}

// dedented takes away what all lines but the first have in front, which is at most the margin of the code.
func dedented(doc string, margin int) string {
	lines := strings.Split(strings.TrimRight(doc, " \t\n"), "\n")
	for _, line := range lines[1:] {
		if text := strings.TrimLeft(line, " "); text != "" {
			margin = min(margin, len(line)-len(text))
		}
	}
	for i := range lines {
		if i > 0 {
			lines[i] = lines[i][min(margin, len(lines[i])):]
		}
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.TrimLeft(strings.Join(lines, "\n"), "\n")
}

// signature is the head of a function as it stands in the source, on one line.
func signature(text []byte, def *syntax.DefStmt) string {
	params := strings.TrimPrefix(span(text, def.Lparen, def.Rparen), "(")
	return def.Name.Name + "(" + strings.Trim(params, " ,") + ")"
}

// span is the source between two places, on one line.
func span(text []byte, from, to syntax.Position) string {
	lines := strings.Split(string(text), "\n")
	part := lines[from.Line-1 : to.Line]
	joined := strings.Join(part, "\n")
	end := len(joined) - len(part[len(part)-1]) + offset(part[len(part)-1], to.Col)
	return strings.Join(strings.Fields(joined[offset(part[0], from.Col):end]), " ")
}

// offset is where a column, counted in characters from 1, is in a line.
func offset(line string, col int32) int {
	for i := range line {
		if col--; col == 0 {
			return i
		}
	}
	return len(line)
}

// typeOf is what a statement defines if that is a public record or enum.
func typeOf(text []byte, s *syntax.AssignStmt) (Type, bool) {
	id, ok := s.LHS.(*syntax.Ident)
	call, isCall := s.RHS.(*syntax.CallExpr)
	if !ok || !isCall || strings.HasPrefix(id.Name, "_") {
		return Type{}, false
	}
	fn, ok := call.Fn.(*syntax.Ident)
	if !ok || fn.Name != "record" && fn.Name != "enum" {
		return Type{}, false
	}
	lines := strings.Split(string(text), "\n")
	return Type{id.Name, strings.Join(lines[id.NamePos.Line-1:call.Rparen.Line], "\n")}, true
}

// Summary is the first sentence of what a function says, on one line.
func (f Func) Summary() string {
	d := builtins.Decl{Name: f.Name, Doc: f.Doc}
	return d.Summary()
}

// Summary is the first sentence of what a module says, on one line.
func (m Module) Summary() string {
	d := builtins.Decl{Doc: m.Doc}
	return d.Summary()
}

// Load is the statement that loads everything a module has.
func (m Module) Load() string {
	s, width := fmt.Sprintf("load(%q", m.Label), 0
	for _, t := range m.Types {
		s, width = wrapped(s, width, t.Name)
	}
	for _, f := range m.Funcs {
		s, width = wrapped(s, width, f.Name)
	}
	return s + ")"
}

// loadWidth is where a long load statement goes on to the next line.
const loadWidth = 100

func wrapped(s string, start int, name string) (string, int) {
	quoted := fmt.Sprintf("%q", name)
	if len(s)-start+len(quoted) > loadWidth {
		start = len(s) + 1
		return s + ",\n    " + quoted, start
	}
	return s + ", " + quoted, start
}

// Examples gives the indented blocks of a docstring.
func Examples(doc string) []string {
	var blocks, block []string
	for _, line := range append(strings.Split(doc, "\n"), "end") {
		code, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented:
			block = append(block, code)
		case strings.TrimSpace(line) == "" && len(block) > 0:
			block = append(block, "")
		case len(block) > 0:
			blocks = append(blocks, strings.TrimRight(strings.Join(block, "\n"), "\n")+"\n")
			block = nil
		}
	}
	return blocks
}
