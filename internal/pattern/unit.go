package pattern

import (
	"errors"

	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern/diagnose"
	"github.com/parallax-run/parallax/runtime"
)

// unit is what is known of one file before it is compiled. It is immutable; any number of loads share it.
type unit struct {
	name     string
	text     []byte
	loads    []load
	exports  map[string]bool           // names that other modules may load
	asks     []runtime.Mention         // agent("x")
	children []runtime.Mention         // run(":x.star")
	open     bool                      // it may also run patterns that it does not name
	defs     map[string]*builtins.Decl // parameters of the functions of the file
}

// load is one load statement.
type load struct {
	label string
	pos   syntax.Position
	names []*syntax.Ident // as the loaded module calls them
}

// parseUnit reads what a file loads, exports and mentions. The file is for the caller to compile, once.
func parseUnit(name string, text []byte) (*unit, *runtime.File, *labelError) {
	f, err := runtime.Parse(name, text)
	if err != nil {
		bad := &labelError{code: codeSyntax, message: err.Error(), cause: err}
		if wrong, ok := errors.AsType[*runtime.SourceError](err); ok {
			bad.findings = wrong.Findings
		} else {
			bad.findings = []runtime.Finding{{Code: codeSyntax, Pos: syntax.MakePosition(&name, 1, 1), Message: err.Error()}}
		}
		return nil, nil, bad
	}
	u := &unit{name: name, text: text, exports: make(map[string]bool), defs: make(map[string]*builtins.Decl)}
	for _, stmt := range f.Syntax.Stmts {
		u.statement(stmt)
	}
	u.asks, u.children = mentions(f.Syntax, "agent"), mentions(f.Syntax, "run")
	u.open = speaksOf(f.Syntax, "run") > len(u.children)
	return u, f, nil
}

func (u *unit) statement(stmt syntax.Stmt) {
	switch s := stmt.(type) {
	case *syntax.LoadStmt:
		u.loads = append(u.loads, load{s.ModuleName(), s.Module.TokenPos, s.From})
	case *syntax.DefStmt:
		u.exports[s.Name.Name] = true
		u.defs[s.Name.Name] = diagnose.Signature(s)
	case *syntax.AssignStmt:
		for _, id := range boundBy(s.LHS) {
			u.exports[id.Name] = true
		}
	}
}

// boundBy lists the names that an assignment to x binds.
func boundBy(x syntax.Expr) []*syntax.Ident {
	switch x := x.(type) {
	case *syntax.Ident:
		return []*syntax.Ident{x}
	case *syntax.ParenExpr:
		return boundBy(x.X)
	case *syntax.TupleExpr:
		return boundByAll(x.List)
	case *syntax.ListExpr:
		return boundByAll(x.List)
	}
	return nil
}

func boundByAll(list []syntax.Expr) []*syntax.Ident {
	var ids []*syntax.Ident
	for _, x := range list {
		ids = append(ids, boundBy(x)...)
	}
	return ids
}

// mentions finds the calls of a builtin whose first argument is a literal string, in the order in which they stand.
func mentions(f *syntax.File, builtin string) []runtime.Mention {
	var found []runtime.Mention
	syntax.Walk(f, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || len(call.Args) == 0 || calledName(call) != builtin {
			return true
		}
		if lit, ok := call.Args[0].(*syntax.Literal); ok {
			if name, ok := lit.Value.(string); ok {
				found = append(found, runtime.Mention{Name: name, Pos: lit.TokenPos})
			}
		}
		return true
	})
	return found
}

// speaksOf counts where a name stands, whatever it means there.
func speaksOf(f *syntax.File, name string) (n int) {
	syntax.Walk(f, func(node syntax.Node) bool {
		if id, ok := node.(*syntax.Ident); ok && id.Name == name {
			n++
		}
		return true
	})
	return n
}

// calledName is the plain name that a call calls, or "".
func calledName(call *syntax.CallExpr) string {
	if fn, ok := call.Fn.(*syntax.Ident); ok {
		return fn.Name
	}
	return ""
}
