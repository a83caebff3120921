package pattern

import (
	"fmt"
	"slices"

	"go.starlark.net/syntax"
)

// topEffects finds effects in code that runs while the module is loaded.
func topEffects(f *syntax.File, effects []string) []Finding {
	var findings []Finding
	own := topNames(f)
	for _, stmt := range f.Stmts {
		eachRunAtLoad(stmt, func(call *syntax.CallExpr) {
			name, pos := calledName(call), syntax.Start(call)
			if dot, ok := call.Fn.(*syntax.DotExpr); ok {
				name, pos = dot.Name.Name, dot.Name.NamePos
			} else if own[name] {
				return
			}
			if !slices.Contains(effects, name) {
				return
			}
			findings = append(findings, Finding{
				File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col), Severity: IsError, Code: "top-level-effect",
				Message: fmt.Sprintf("%s acts on the world and cannot be used while the module is loaded", name),
				Hint:    "move the call into main or a function that main calls",
			})
		})
	}
	return findings
}

// topNames lists the names that a file defines itself or loads, and which therefore are no builtins.
func topNames(f *syntax.File) map[string]bool {
	names := make(map[string]bool)
	for _, stmt := range f.Stmts {
		switch s := stmt.(type) {
		case *syntax.DefStmt:
			names[s.Name.Name] = true
		case *syntax.AssignStmt:
			for _, id := range boundBy(s.LHS) {
				names[id.Name] = true
			}
		case *syntax.LoadStmt:
			for _, id := range s.To {
				names[id.Name] = true
			}
		}
	}
	return names
}

// eachRunAtLoad visits the calls below n that run when n does: those in the body of a function do not, those in
// the defaults of its parameters do.
func eachRunAtLoad(n syntax.Node, visit func(*syntax.CallExpr)) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			eachDefault(n.Params, visit)
			return false
		case *syntax.LambdaExpr:
			eachDefault(n.Params, visit)
			return false
		case *syntax.CallExpr:
			visit(n)
		}
		return true
	})
}

func eachDefault(params []syntax.Expr, visit func(*syntax.CallExpr)) {
	for _, p := range params {
		if def, ok := p.(*syntax.BinaryExpr); ok {
			eachRunAtLoad(def.Y, visit)
		}
	}
}
