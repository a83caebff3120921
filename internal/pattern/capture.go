package pattern

import (
	"fmt"
	"slices"

	"go.starlark.net/syntax"
)

// Starlark binds the variables of a function late: a lambda sees what a variable holds when the lambda runs, not when it
// was made. Kept in a list and run by parallel after the loop, all lambdas see the last item. lateBinding finds them.

// delayed are the builtins that keep a function and call it later, as seen from the loop that makes the call.
var delayed = []string{"defer"}

// forks are the builtins that call the functions they are given.
var forks = []string{"parallel", "gather", "race", "pipeline", "defer"}

// keepers are the methods that put their argument into a collection.
var keepers = []string{"append", "extend", "insert", "add", "update", "setdefault"}

// lateBinding finds functions that capture a variable of a loop and outlive its iteration: an error where they go to a builtin that runs
// them, a warning where it cannot be seen where they go.
func lateBinding(f *syntax.File) []Finding {
	c := captures{forked: forkedNames(f), loops: make(map[*syntax.ForStmt]*turn)}
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			c.way = c.way[:len(c.way)-1]
			return true
		}
		c.way = append(c.way, n)
		c.look(n)
		return true
	})
	return c.findings
}

// captures is one search.
type captures struct {
	way      []syntax.Node   // from the file to the current node
	forked   map[string]bool // names that are arguments of forks somewhere
	loops    map[*syntax.ForStmt]*turn
	findings []Finding
}

// turn is what one turn of a loop does to names.
type turn struct {
	binds map[string]bool            // its variables and what its body assigns
	makes map[string]bool            // what its body makes anew, so that it does not outlive the turn
	defs  map[string]*syntax.DefStmt // functions that its body defines
}

// forkedNames lists the names that stand as arguments of forks.
func forkedNames(f *syntax.File) map[string]bool {
	names := make(map[string]bool)
	syntax.Walk(f, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && slices.Contains(forks, calledName(call)) {
			for _, arg := range call.Args {
				for name := range free(arg) {
					names[name] = true
				}
			}
		}
		return true
	})
	return names
}

// look examines a node that may be a function made in a loop, or the name of one.
func (c *captures) look(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.LambdaExpr:
		c.function(free(n), n.Lambda, "the lambda")
	case *syntax.Ident:
		if def := c.defined(n); def != nil {
			c.function(free(def), n.NamePos, n.Name)
		}
	}
}

// defined gives the def that a name means, where it stands in a loop around the name's use.
func (c *captures) defined(id *syntax.Ident) *syntax.DefStmt {
	for i := len(c.way) - 2; i >= 0; i-- {
		switch n := c.way[i].(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return nil
		case *syntax.DotExpr:
			if n.Name == id {
				return nil
			}
		case *syntax.ForStmt:
			if def := c.turn(n).defs[id.Name]; def != nil {
				return def
			}
		}
	}
	return nil
}

// function reports a function that captures a variable of a loop around it and is kept beyond the iteration.
func (c *captures) function(captured map[string]*syntax.Ident, pos syntax.Position, what string) {
	names := make([]*syntax.Ident, 0, len(captured))
	for _, id := range captured {
		names = append(names, id)
	}
	slices.SortFunc(names, func(a, b *syntax.Ident) int { return comparePos(a.NamePos, b.NamePos) })
	for _, id := range names {
		loop := c.loopOf(id.Name)
		if loop < 0 {
			continue
		}
		if kept, sure := c.kept(loop); kept {
			c.report(id, pos, what, sure)
			return
		}
	}
}

func comparePos(a, b syntax.Position) int {
	if a.Line != b.Line {
		return int(a.Line - b.Line)
	}
	return int(a.Col - b.Col)
}

func (c *captures) report(id *syntax.Ident, pos syntax.Position, what string, sure bool) {
	f := Finding{
		File: pos.Filename(), Line: int(pos.Line), Col: int(pos.Col), Code: "late-binding", Severity: IsWarning, captured: id.Name,
		Message: fmt.Sprintf("%s captures %s, which changes with each turn of the loop: all of them will see its last value", what, id.Name),
		Hint:    fmt.Sprintf("use parallel(fn, items) or defer(fn, %s), or bind it now: lambda %s=%s: ...", id.Name, id.Name, id.Name),
	}
	if sure {
		f.Severity = IsError
	}
	c.findings = append(c.findings, f)
}

// loopOf is the index on the way of the loop that binds a name for the current node, or -1. Functions in between end the search.
func (c *captures) loopOf(name string) int {
	for i := len(c.way) - 2; i >= 0; i-- {
		switch n := c.way[i].(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return -1
		case *syntax.Comprehension:
			if comprehensionBinds(n)[name] {
				return i
			}
		case *syntax.ForStmt:
			if c.turn(n).binds[name] {
				return i
			}
		}
	}
	return -1
}

func comprehensionBinds(n *syntax.Comprehension) map[string]bool {
	names := make(map[string]bool)
	for _, clause := range n.Clauses {
		if f, ok := clause.(*syntax.ForClause); ok {
			for _, id := range boundBy(f.Vars) {
				names[id.Name] = true
			}
		}
	}
	return names
}

// turn looks at a loop, once.
func (c *captures) turn(loop *syntax.ForStmt) *turn {
	if t, ok := c.loops[loop]; ok {
		return t
	}
	t := &turn{make(map[string]bool), make(map[string]bool), make(map[string]*syntax.DefStmt)}
	c.loops[loop] = t
	syntax.Walk(loop, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.ForStmt:
			t.bind(boundBy(n.Vars))
		case *syntax.AssignStmt:
			t.assign(n)
		case *syntax.DefStmt:
			t.defs[n.Name.Name] = n
			return false
		case *syntax.LambdaExpr, *syntax.Comprehension:
			return false
		}
		return true
	})
	return t
}

func (t *turn) bind(ids []*syntax.Ident) {
	for _, id := range ids {
		t.binds[id.Name] = true
	}
}

func (t *turn) assign(s *syntax.AssignStmt) {
	ids := boundBy(s.LHS)
	t.bind(ids)
	if s.Op != syntax.EQ || len(ids) == 0 {
		return
	}
	used := free(s.RHS)
	for _, id := range ids {
		if used[id.Name] == nil {
			t.makes[id.Name] = true
		}
	}
}

// kept follows the current node outwards to the loop at that index: is it kept beyond one turn, and is it sure that
// a fork runs it then?
func (c *captures) kept(loop int) (kept, sure bool) {
	deferred := false
	for i := len(c.way) - 1; i > loop; i-- {
		child, parent := c.way[i], c.way[i-1]
		switch p := parent.(type) {
		case *syntax.Comprehension:
			if child != syntax.Node(p.Body) {
				return false, false
			}
			if i-1 == loop {
				return true, deferred || c.flowsToFork(loop)
			}
		case *syntax.CallExpr:
			if slices.Contains(delayed, calledName(p)) {
				deferred = true
				continue
			}
			return c.keptIn(keeper(p), loop, deferred)
		case *syntax.AssignStmt:
			return c.keptIn(accumulator(p), loop, deferred)
		default:
			if !passes(parent, child) {
				return false, false
			}
		}
	}
	return false, false
}

// keptIn says whether a collection of that name keeps what is put into it beyond a turn of the loop, and whether a fork gets it.
func (c *captures) keptIn(list string, loop int, deferred bool) (kept, sure bool) {
	if list == "" {
		return false, false
	}
	if l, ok := c.way[loop].(*syntax.ForStmt); ok && c.turn(l).makes[list] {
		return false, false
	}
	return true, deferred || c.forked[list]
}

// passes says whether the value of child becomes a part of the value of parent.
func passes(parent, child syntax.Node) bool {
	switch p := parent.(type) {
	case *syntax.ParenExpr, *syntax.ListExpr, *syntax.TupleExpr, *syntax.DictExpr:
		return true
	case *syntax.DictEntry:
		return child == syntax.Node(p.Value)
	case *syntax.CondExpr:
		return child != syntax.Node(p.Cond)
	case *syntax.BinaryExpr:
		return p.Op == syntax.PLUS || p.Op == syntax.EQ && child == syntax.Node(p.Y)
	case *syntax.UnaryExpr:
		return p.Op == syntax.STAR || p.Op == syntax.STARSTAR
	}
	return false
}

// keeper is the name of the collection that a call puts its argument into, or "".
func keeper(call *syntax.CallExpr) string {
	dot, ok := call.Fn.(*syntax.DotExpr)
	if !ok || !slices.Contains(keepers, dot.Name.Name) {
		return ""
	}
	if id, ok := dot.X.(*syntax.Ident); ok {
		return id.Name
	}
	return ""
}

// accumulator is the name of the collection that an assignment adds to, or "".
func accumulator(s *syntax.AssignStmt) string {
	switch lhs := s.LHS.(type) {
	case *syntax.Ident:
		if s.Op == syntax.PLUS_EQ || free(s.RHS)[lhs.Name] != nil {
			return lhs.Name
		}
	case *syntax.IndexExpr:
		if id, ok := lhs.X.(*syntax.Ident); ok {
			return id.Name
		}
	}
	return ""
}

// flowsToFork says whether the value of the comprehension at that index reaches a fork: directly, or by a name.
func (c *captures) flowsToFork(at int) bool {
	for i := at; i > 0; i-- {
		switch p := c.way[i-1].(type) {
		case *syntax.CallExpr:
			return slices.Contains(forks, calledName(p))
		case *syntax.AssignStmt:
			return slices.ContainsFunc(boundBy(p.LHS), func(id *syntax.Ident) bool { return c.forked[id.Name] })
		default:
			if !passes(c.way[i-1], c.way[i]) {
				return false
			}
		}
	}
	return false
}

// free lists the names that an expression or a def takes from around it, each with its first use. A name that is also bound somewhere
// inside is left out. Defaults of parameters are evaluated at once and do not count.
func free(n syntax.Node) map[string]*syntax.Ident {
	f := freeNames{used: make(map[string]*syntax.Ident), bound: make(map[string]bool)}
	f.function(n)
	for name := range f.bound {
		delete(f.used, name)
	}
	return f.used
}

type freeNames struct {
	used  map[string]*syntax.Ident
	bound map[string]bool
}

// function visits the body of a function, or all of another node.
func (f *freeNames) function(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.LambdaExpr:
		f.params(n.Params)
		f.visit(n.Body)
	case *syntax.DefStmt:
		f.params(n.Params)
		for _, stmt := range n.Body {
			f.visit(stmt)
		}
	default:
		f.visit(n)
	}
}

func (f *freeNames) params(params []syntax.Expr) {
	for _, p := range params {
		switch p := p.(type) {
		case *syntax.Ident:
			f.bound[p.Name] = true
		case *syntax.BinaryExpr:
			f.bind(boundBy(p.X))
		case *syntax.UnaryExpr:
			if p.X != nil {
				f.bind(boundBy(p.X))
			}
		}
	}
}

func (f *freeNames) bind(ids []*syntax.Ident) {
	for _, id := range ids {
		f.bound[id.Name] = true
	}
}

func (f *freeNames) visit(n syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Ident:
			if f.used[n.Name] == nil {
				f.used[n.Name] = n
			}
		case *syntax.DotExpr:
			f.visit(n.X)
			return false
		case *syntax.CallExpr:
			f.call(n)
			return false
		case *syntax.LambdaExpr:
			f.defaults(n.Params)
			f.function(n)
			return false
		case *syntax.DefStmt:
			f.bound[n.Name.Name] = true
			f.defaults(n.Params)
			f.function(n)
			return false
		case *syntax.ForClause:
			f.bind(boundBy(n.Vars))
		case *syntax.ForStmt:
			f.bind(boundBy(n.Vars))
		case *syntax.AssignStmt:
			f.bind(boundBy(n.LHS))
		}
		return true
	})
}

// call visits a call without the names of its named arguments.
func (f *freeNames) call(n *syntax.CallExpr) {
	f.visit(n.Fn)
	for _, arg := range n.Args {
		if named, ok := arg.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
			arg = named.Y
		}
		f.visit(arg)
	}
}

// defaults visits the defaults of a nested function, which its surroundings evaluate.
func (f *freeNames) defaults(params []syntax.Expr) {
	for _, p := range params {
		if def, ok := p.(*syntax.BinaryExpr); ok {
			f.visit(def.Y)
		}
	}
}
