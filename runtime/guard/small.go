package guard

import (
	"math/big"

	"go.starlark.net/syntax"
)

// smallInts finds, for each function of a file (and nil for the top level), the local names that can only ever hold a
// machine-sized integer: variables of loops over range(...), and what is only assigned from such and from literals. It is the
// least such set, so a variable that is computed from itself is never in it.
func smallInts(f *syntax.File) map[syntax.Node]names {
	s := &smallFinder{found: make(map[syntax.Node]names), rangeIsOurs: !binds(f, "range")}
	s.function(nil, f.Stmts, nil)
	return s.found
}

type smallFinder struct {
	found       map[syntax.Node]names
	rangeIsOurs bool
}

// assignments of one function: per name the expressions assigned to it, nil standing for anything.
type assignments map[string][]syntax.Expr

// anything stands for a value that is not known.
var anything = &syntax.Ident{Name: "%anything"}

// loopOver stands for an element of a loop's range.
type loopOver struct{ syntax.Expr }

func (s *smallFinder) function(fn syntax.Node, body []syntax.Stmt, params []syntax.Expr) {
	a := make(assignments)
	for _, p := range params {
		a.bind(paramName(p), anything)
	}
	s.collect(body, a)
	s.found[fn] = a.small()
}

// rounds bounds how far smallness is followed from name to name; what lies further counts as not known.
const rounds = 8

// small is the set of names of which every assignment is small, given those found in earlier rounds.
func (a assignments) small() names {
	known := make(names)
	r := &rewriter{scope: known}
	for range rounds {
		var more []string
		for name, exprs := range a {
			if !known[name] && allSmall(r, exprs) {
				more = append(more, name)
			}
		}
		if len(more) == 0 {
			break
		}
		for _, name := range more {
			known[name] = true
		}
	}
	return known
}

func allSmall(r *rewriter, exprs []syntax.Expr) bool {
	for _, e := range exprs {
		if _, ok := e.(loopOver); !ok && !r.isSmall(e) {
			return false
		}
	}
	return true
}

func (a assignments) bind(name string, e syntax.Expr) { a[name] = append(a[name], e) }

// assign notes what a target gets. Parts of a tuple are known where the value is a tuple of as many.
func (a assignments) assign(target, value syntax.Expr) {
	switch t := target.(type) {
	case *syntax.ParenExpr:
		a.assign(t.X, value)
	case *syntax.Ident:
		a.bind(t.Name, value)
	case *syntax.TupleExpr:
		a.unpack(t.List, value)
	case *syntax.ListExpr:
		a.unpack(t.List, value)
	}
}

func (a assignments) unpack(targets []syntax.Expr, value syntax.Expr) {
	tuple, ok := value.(*syntax.TupleExpr)
	for i, t := range targets {
		if ok && len(tuple.List) == len(targets) {
			a.assign(t, tuple.List[i])
		} else {
			a.assign(t, anything)
		}
	}
}

// collect notes the assignments of a body and visits the functions in it.
func (s *smallFinder) collect(body []syntax.Stmt, a assignments) {
	for _, stmt := range body {
		switch stmt := stmt.(type) {
		case *syntax.AssignStmt:
			if stmt.Op == syntax.EQ {
				a.assign(stmt.LHS, stmt.RHS)
			} else {
				a.assign(stmt.LHS, anything)
			}
		case *syntax.DefStmt:
			a.bind(stmt.Name.Name, anything)
			s.function(stmt, stmt.Body, stmt.Params)
		case *syntax.IfStmt:
			for at, ok := stmt, true; ok; {
				s.collect(at.True, a)
				next, more := elif(at)
				if !more {
					s.collect(at.False, a)
				}
				at, ok = next, more
			}
		case *syntax.ForStmt:
			a.assign(stmt.Vars, s.element(stmt.X))
			s.collect(stmt.Body, a)
		case *syntax.WhileStmt:
			s.collect(stmt.Body, a)
		case *syntax.LoadStmt:
			for _, id := range stmt.To {
				a.bind(id.Name, anything)
			}
		}
		for _, l := range lambdas(stmt) {
			s.function(l, nil, l.Params)
		}
	}
}

// element is what a loop over x yields.
func (s *smallFinder) element(x syntax.Expr) syntax.Expr {
	call, ok := x.(*syntax.CallExpr)
	if !ok || !s.rangeIsOurs {
		return anything
	}
	if fn, ok := call.Fn.(*syntax.Ident); ok && fn.Name == "range" {
		return loopOver{x}
	}
	return anything
}

// lambdas lists the lambdas in the expressions of a statement, not those of statements below it.
func lambdas(stmt syntax.Stmt) []*syntax.LambdaExpr {
	var found []*syntax.LambdaExpr
	syntax.Walk(stmt, func(n syntax.Node) bool {
		if l, ok := n.(*syntax.LambdaExpr); ok {
			found = append(found, l)
		}
		return true
	})
	return found
}

func paramName(p syntax.Expr) string {
	switch p := p.(type) {
	case *syntax.Ident:
		return p.Name
	case *syntax.BinaryExpr:
		return p.X.(*syntax.Ident).Name
	case *syntax.UnaryExpr:
		if id, ok := p.X.(*syntax.Ident); ok {
			return id.Name
		}
	}
	return ""
}

// isSmall says that e can only be an integer of machine size, or so few bits more as its text allows.
func (r *rewriter) isSmall(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return r.isSmall(e.X)
	case *syntax.Literal:
		_, big := e.Value.(*big.Int)
		return e.Token == syntax.INT && !big
	case *syntax.Ident:
		return r.scope[e.Name]
	case *syntax.UnaryExpr:
		return e.Op == syntax.MINUS && r.isSmall(e.X)
	case *syntax.BinaryExpr:
		return staysSmall(e.Op) && r.isSmall(e.Y) && r.isSmall(e.X)
	}
	return false
}

// staysSmall says that an operation on two small integers gives one.
func staysSmall(op syntax.Token) bool {
	switch op {
	case syntax.PLUS, syntax.MINUS, syntax.PERCENT, syntax.SLASHSLASH:
		return true
	}
	return false
}

// binds says whether a file gives a name a meaning of its own anywhere.
func binds(f *syntax.File, name string) bool {
	found := false
	is := func(e syntax.Expr) {
		if id, ok := e.(*syntax.Ident); ok && id.Name == name {
			found = true
		}
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			eachTarget(n.LHS, is)
		case *syntax.ForStmt:
			eachTarget(n.Vars, is)
		case *syntax.ForClause:
			eachTarget(n.Vars, is)
		case *syntax.DefStmt:
			is(n.Name)
			found = found || bindsParam(n.Params, name)
		case *syntax.LambdaExpr:
			found = found || bindsParam(n.Params, name)
		case *syntax.LoadStmt:
			for _, id := range n.To {
				is(id)
			}
		}
		return !found
	})
	return found
}

func bindsParam(params []syntax.Expr, name string) bool {
	for _, p := range params {
		if paramName(p) == name {
			return true
		}
	}
	return false
}

func eachTarget(e syntax.Expr, visit func(syntax.Expr)) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		eachTarget(e.X, visit)
	case *syntax.TupleExpr:
		for _, t := range e.List {
			eachTarget(t, visit)
		}
	case *syntax.ListExpr:
		for _, t := range e.List {
			eachTarget(t, visit)
		}
	default:
		visit(e)
	}
}

// clauseNames are the names that a comprehension's own clauses bind.
func clauseNames(e *syntax.Comprehension) names {
	bound := make(names)
	for _, c := range e.Clauses {
		if loop, ok := c.(*syntax.ForClause); ok {
			eachTarget(loop.Vars, func(t syntax.Expr) {
				if id, ok := t.(*syntax.Ident); ok {
					bound[id.Name] = true
				}
			})
		}
	}
	return bound
}

func without(scope, shadowed names) names {
	left := make(names, len(scope))
	for n := range scope {
		if !shadowed[n] {
			left[n] = true
		}
	}
	return left
}
