package runtime

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// misbindings is how the interpreter begins to say that arguments do not fit the parameters of a function, after its name.
var misbindings = []string{"missing ", "accepts ", "got an unexpected keyword argument ", "got multiple values for parameter "}

// misbound says that a function of the script was called with arguments that do not fit it. The interpreter enters a function before it binds
// the arguments, so that the last frame of the stack is the function's, at its first statement, and the one before it the call.
func misbound(e *starlark.EvalError) (callee starlark.CallFrame, said string, ok bool) {
	if len(e.CallStack) == 0 {
		return callee, "", false
	}
	callee = e.CallStack[len(e.CallStack)-1]
	said, ok = strings.CutPrefix(e.Msg, "function "+callee.Name+" ")
	if _, ours := errors.AsType[*Error](e.Unwrap()); !ok || ours || callee.Pos.Filename() == "<builtin>" {
		return callee, "", false
	}
	return callee, said, slices.ContainsFunc(misbindings, func(how string) bool { return strings.HasPrefix(said, how) })
}

// misboundHint says what the function takes that err is about, "" where err is about something else.
func (b *Branch) misboundHint(err error) string {
	inner := innermost(err)
	if inner == nil || b.run == nil {
		return ""
	}
	callee, said, ok := misbound(inner)
	if !ok {
		return ""
	}
	params := b.run.program.params(callee.Name, callee.Pos)
	if params == nil {
		return ""
	}
	if name, ok := strings.CutPrefix(said, "got an unexpected keyword argument "); ok {
		if near := Nearest(strings.Trim(name, `"`), namesOf(params)); near != "" {
			return fmt.Sprintf("did you mean %s?", near)
		}
	}
	return fmt.Sprintf("write %s(%s)", callee.Name, strings.Join(signature(params), ", "))
}

// params gives the parameters of the innermost function of that name around a place, nil where there is none, or it has none.
func (p *Program) params(name string, at syntax.Position) []syntax.Expr {
	if p == nil {
		return nil
	}
	f, err := Parse(at.Filename(), p.texts[at.Filename()])
	if err != nil {
		return nil
	}
	var params []syntax.Expr
	syntax.Walk(f.Syntax, func(n syntax.Node) bool {
		def, ok := n.(*syntax.DefStmt)
		if ok && def.Name.Name == name && within(def, at) {
			params = def.Params
		}
		return true
	})
	return params
}

func within(n syntax.Node, at syntax.Position) bool {
	start, end := n.Span()
	return start.Line <= at.Line && at.Line <= end.Line
}

// namesOf lists the parameters that can be given by name.
func namesOf(params []syntax.Expr) []string {
	var names []string
	for _, x := range params {
		if def, ok := x.(*syntax.BinaryExpr); ok {
			x = def.X
		}
		if id, ok := x.(*syntax.Ident); ok {
			names = append(names, id.Name)
		}
	}
	return names
}

// signature lists parameters as a definition has them, without the values of the defaults.
func signature(params []syntax.Expr) []string {
	list := make([]string, len(params))
	for i, x := range params {
		switch x := x.(type) {
		case *syntax.Ident:
			list[i] = x.Name
		case *syntax.BinaryExpr:
			list[i] = x.X.(*syntax.Ident).Name + "=..."
		case *syntax.UnaryExpr:
			list[i] = x.Op.String()
			if id, ok := x.X.(*syntax.Ident); ok {
				list[i] += id.Name
			}
		}
	}
	return list
}
