package runtime

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"go.starlark.net/resolve"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime/guard"
)

// MaxSourceBytes bounds one source file; the compiler is quadratic in some shapes of source.
const MaxSourceBytes = 256 << 10

// Dialect is the language of patterns: Starlark with sets; without while, recursion, reassignment of globals and control
// flow at the top level.
func Dialect() *syntax.FileOptions { return &syntax.FileOptions{Set: true} }

// File is one parsed source file.
type File struct {
	Name   string // as messages show it: its path below the package root
	Text   []byte
	Loads  []Load // in source order
	Syntax *syntax.File

	// Agents are the names that stand for others in this file: agent(KEY) is agent(VALUE). The project that uses a package binds its roles so.
	Agents map[string]string
}

// Load is one load statement.
type Load struct {
	Label string // as written: ":sibling.star", "//dir/file.star", "@std//consensus.star"
	Pos   syntax.Position
}

// Finding is one thing wrong with source text.
type Finding struct {
	Code    string // stable, such as "syntax" or "undefined"
	Pos     syntax.Position
	Message string
	Hint    string // the next step, or ""
}

func (f Finding) String() string { return f.Pos.String() + ": " + f.Message }

// SourceError says what is wrong with source text.
type SourceError struct{ Findings []Finding }

func (e *SourceError) Error() string {
	lines := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Wrong makes a SourceError of one finding.
func Wrong(code string, pos syntax.Position, hint, format string, args ...any) *SourceError {
	return &SourceError{[]Finding{{Code: code, Pos: pos, Message: fmt.Sprintf(format, args...), Hint: hint}}}
}

// Parse reads one source file. Its error is a *SourceError.
func Parse(name string, text []byte) (*File, error) {
	at := syntax.MakePosition(&name, 1, 1)
	if len(text) > MaxSourceBytes {
		return nil, Wrong("too-large", at, "split it into modules and load() them", "the file has %d bytes, more than %d KiB", len(text), MaxSourceBytes>>10)
	}
	f, err := Dialect().Parse(name, text, syntax.RetainComments)
	if err != nil {
		return nil, syntaxError(err)
	}
	file := &File{Name: name, Text: text, Syntax: f}
	for _, stmt := range f.Stmts {
		if load, ok := stmt.(*syntax.LoadStmt); ok {
			file.Loads = append(file.Loads, Load{load.ModuleName(), load.Module.TokenPos})
		}
	}
	return file, nil
}

func syntaxError(err error) error {
	if e, ok := errors.AsType[syntax.Error](err); ok {
		return &SourceError{[]Finding{{Code: "syntax", Pos: e.Pos, Message: e.Msg}}}
	}
	return err
}

// maxFindings is how many unresolved names of one file are told; looking for what was meant takes time for each.
const maxFindings = 100

// compile guards, resolves and compiles a file against the names it may use. The guard rewrites a tree of its own, so that
// others may still read f.Syntax. Where its lines are counted, env gets the names that this takes.
func (f *File) compile(env *Environment, lines *counters) (*starlark.Program, error) {
	tree, err := Dialect().Parse(f.Name, f.Text, 0)
	if err != nil {
		return nil, syntaxError(err)
	}
	if lines != nil {
		lines.mark(tree)
		env.Builtins = maps.Clone(env.Builtins)
		lines.builtins(env.Builtins)
	}
	if !env.Unguarded {
		guard.Rewrite(tree)
	}
	prog, err := starlark.FileProgram(tree, env.Builtins.Has)
	var list resolve.ErrorList
	switch {
	case err == nil:
		return prog, nil
	case !errors.As(err, &list):
		return nil, syntaxError(err)
	}
	wrong := &SourceError{}
	for _, e := range list[:min(len(list), maxFindings)] {
		finding := Finding{Code: "resolve", Pos: e.Pos, Message: e.Msg}
		if name, ok := strings.CutPrefix(e.Msg, "undefined: "); ok {
			finding.Code = "undefined"
			finding.Message = fmt.Sprintf("%s is not defined", name)
			if near := Nearest(name, f.names(*env)); near != "" {
				finding.Hint = fmt.Sprintf("did you mean %s?", near)
			}
		}
		wrong.Findings = append(wrong.Findings, finding)
	}
	return nil, wrong
}

// names lists what the file could have meant: builtins and its own top-level names.
func (f *File) names(env Environment) []string {
	names := env.Builtins.Keys()
	names = slices.DeleteFunc(names, guard.Hidden)
	for name := range starlark.Universe {
		names = append(names, name)
	}
	for _, stmt := range f.Syntax.Stmts {
		switch s := stmt.(type) {
		case *syntax.DefStmt:
			names = append(names, s.Name.Name)
		case *syntax.AssignStmt:
			if id, ok := s.LHS.(*syntax.Ident); ok {
				names = append(names, id.Name)
			}
		case *syntax.LoadStmt:
			for _, id := range s.To {
				names = append(names, id.Name)
			}
		}
	}
	sort.Strings(names)
	return names
}

// Nearest gives the candidate that is most like name, or "" when none is near enough to be a slip. Candidates that are
// equally near are taken in their order.
func Nearest(name string, candidates []string) string {
	best, bound := "", min((len(name)+2)/3, len(name)-1)
	for _, c := range candidates {
		if d := distance(name, c, bound); d <= bound && (best == "" || d < bound) {
			best, bound = c, d
		}
	}
	return best
}

// distance is the number of edits (insert, delete, replace, swap of neighbours) between two words, or more than bound.
func distance(a, b string, bound int) int {
	if d := len(a) - len(b); d > bound || -d > bound {
		return bound + 1
	}
	prev2, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], prev2[j-2]+1)
			}
		}
		prev2, prev, row = prev, row, prev2
	}
	return prev[len(b)]
}

// digest is the content address of a load graph under an environment.
func digest(files []*File, env Environment) string {
	h := sha256.New()
	fmt.Fprintf(h, "compiler %d\nlanguage %s\nbuiltins %s\n", starlark.CompilerVersion, ABI, strings.Join(env.Builtins.Keys(), " "))
	for _, f := range files {
		fmt.Fprintf(h, "%s %x\n", f.Name, sha256.Sum256(f.Text))
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}
