package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

// forks call the functions they are given in branches of their own.
var forks = []string{"parallel", "pipeline", "gather", "race", "defer", "within"}

// mutators are methods that change what they are called on.
var mutators = []string{"append", "extend", "insert", "update", "setdefault", "pop", "remove", "clear", "add", "discard", "popitem"}

// recursion finds functions that call themselves, directly or by way of others.
func (w *walker) recursion(f *syntax.File) {
	defs := topDefs(f)
	calls := make(map[string][]*syntax.CallExpr)
	var order []string
	for _, stmt := range f.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok {
			order = append(order, def.Name.Name)
			calls[def.Name.Name] = callsIn(def, defs)
		}
	}
	for _, name := range order {
		for _, call := range calls[name] {
			to := call.Fn.(*syntax.Ident).Name
			if to == name {
				w.say("recursion", w.start(call), fmt.Sprintf("%s calls itself, and Starlark refuses recursion", name), w.loop(defs[name]))
				break
			}
			if to > name && slices.ContainsFunc(calls[to], func(c *syntax.CallExpr) bool { return c.Fn.(*syntax.Ident).Name == name }) {
				w.say("recursion", w.start(call), fmt.Sprintf("%s and %s call each other, and Starlark refuses recursion", name, to), nil)
				break
			}
		}
	}
}

func topDefs(f *syntax.File) map[string]*syntax.DefStmt {
	defs := make(map[string]*syntax.DefStmt)
	for _, stmt := range f.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok {
			defs[def.Name.Name] = def
		}
	}
	return defs
}

// callsIn lists the calls of top-level functions in a def, those in nested functions left out.
func callsIn(def *syntax.DefStmt, defs map[string]*syntax.DefStmt) []*syntax.CallExpr {
	var calls []*syntax.CallExpr
	local := boundIn(def)
	for _, stmt := range def.Body {
		syntax.Walk(stmt, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt, *syntax.LambdaExpr:
				return false
			case *syntax.CallExpr:
				if id, ok := n.Fn.(*syntax.Ident); ok && defs[id.Name] != nil && !local[id.Name] {
					calls = append(calls, n)
				}
			}
			return true
		})
	}
	return calls
}

// boundIn lists the parameters and variables of a function.
func boundIn(def *syntax.DefStmt) map[string]bool {
	local := make(map[string]bool)
	bind := func(x syntax.Expr) {
		for _, id := range targets(x) {
			local[id.Name] = true
		}
	}
	for _, x := range def.Params {
		bind(param(x))
	}
	for _, stmt := range def.Body {
		syntax.Walk(stmt, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt:
				local[n.Name.Name] = true
				return false
			case *syntax.LambdaExpr:
				return false
			case *syntax.AssignStmt:
				bind(n.LHS)
			case *syntax.ForStmt:
				bind(n.Vars)
			}
			return true
		})
	}
	return local
}

// loop rewrites a function whose calls of itself are all returned as they are: parameters get new values and the body starts over. A
// single call that is an operand of the last return goes through a list of what waits.
func (w *walker) loop(def *syntax.DefStmt) *Fix {
	var names []string
	for _, x := range def.Params {
		id, ok := x.(*syntax.Ident)
		if !ok {
			return nil
		}
		names = append(names, id.Name)
	}
	tails := make(map[*syntax.ReturnStmt]*syntax.CallExpr)
	total := 0
	for _, stmt := range def.Body {
		syntax.Walk(stmt, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.ForStmt:
				total += 1000 // a return in a loop would go on with that loop
			case *syntax.ReturnStmt:
				if call := w.selfCall(n.Result, def); call != nil && len(call.Args) == len(names) {
					tails[n] = call
				}
			case *syntax.CallExpr:
				if w.selfCall(n, def) != nil {
					total++
				}
			}
			return true
		})
	}
	if len(names) == 0 || total == 0 {
		return nil
	}
	if total != len(tails) {
		return w.linear(def, names, total)
	}
	var edits []Edit
	for ret, call := range tails {
		n := w.lineAt(w.start(ret))
		if w.toks[w.lines[n].first].start != w.start(ret) {
			return nil
		}
		edits = append(edits, Edit{w.start(ret), w.end(ret), w.rebind(names, call) + "\n" + w.lines[n].indent + "continue"})
	}
	return w.wrapped(def, edits, "")
}

func (w *walker) selfCall(x syntax.Expr, def *syntax.DefStmt) *syntax.CallExpr {
	call, ok := x.(*syntax.CallExpr)
	if !ok {
		return nil
	}
	if id, ok := call.Fn.(*syntax.Ident); !ok || id.Name != def.Name.Name {
		return nil
	}
	return call
}

func (w *walker) rebind(names []string, call *syntax.CallExpr) string {
	args := make([]string, len(call.Args))
	for i, a := range call.Args {
		args[i] = w.source(a)
	}
	return strings.Join(names, ", ") + " = " + strings.Join(args, ", ")
}

// linear handles "return x op f(...)" as the last statement: what waits for the call is kept in a variable.
func (w *walker) linear(def *syntax.DefStmt, names []string, total int) *Fix {
	ret, ok := def.Body[len(def.Body)-1].(*syntax.ReturnStmt)
	if !ok || total != 1 {
		return nil
	}
	sum, ok := ret.Result.(*syntax.BinaryExpr)
	if !ok || sum.Op != syntax.STAR && sum.Op != syntax.PLUS {
		return nil
	}
	call, other := w.selfCall(sum.Y, def), sum.X
	if call == nil {
		call, other = w.selfCall(sum.X, def), sum.Y
	}
	if call == nil || len(call.Args) != len(names) || w.kind(other) == "string" {
		return nil
	}
	start := map[syntax.Token]string{syntax.STAR: "1", syntax.PLUS: "0"}[sum.Op]
	n := w.lineAt(w.start(ret))
	edits := []Edit{{w.start(ret), w.end(ret), "total = total " + sum.Op.String() + " " + w.source(other) + "\n" + w.lines[n].indent + w.rebind(names, call)}}
	bad := false
	for _, stmt := range def.Body {
		syntax.Walk(stmt, func(n syntax.Node) bool {
			if r, ok := n.(*syntax.ReturnStmt); ok && r != ret {
				if r.Result == nil {
					bad = true
					return false
				}
				at := w.start(r.Result)
				edits = append(edits, Edit{at, at, "total " + sum.Op.String() + " "})
			}
			return true
		})
	}
	if bad || w.has("total") {
		return nil
	}
	return w.wrapped(def, edits, "total = "+start+"\n")
}

// wrapped puts the body of a function into a loop, with changes in it.
func (w *walker) wrapped(def *syntax.DefStmt, edits []Edit, before string) *Fix {
	n := w.lineAt(w.start(def))
	from, to := w.body(n)
	if from >= to || w.toks[w.lines[n].last-1].raw != ":" {
		return nil
	}
	if head := w.lines[from]; w.toks[head.first].kind == text && head.last == head.first+1 && from+1 < to {
		from++
	}
	a, b := w.lines[from].start, w.blockEnd(to)
	for i := range edits {
		edits[i].Start -= a
		edits[i].End -= a
	}
	if !tidy(w.src[a:b], edits) {
		return nil
	}
	indent := w.lines[from].indent
	out := indent + "for _ in range(1000):\n"
	if before != "" {
		out = indent + before + out
	}
	for l := range strings.Lines(strings.TrimRight(Apply(w.src[a:b], edits), "\n") + "\n") {
		if strings.TrimSpace(l) != "" {
			l = unit + l
		}
		out += l
	}
	out += indent + "fail(\"more than 1000 rounds\")\n"
	return risky(Edit{a, b, out})
}

// forkedWrites finds functions that a fork runs and that change what they did not make: branches get frozen values.
func (w *walker) forkedWrites(f *syntax.File) {
	defs := allDefs(f)
	told := make(map[syntax.Node]bool)
	syntax.Walk(f, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || !w.isFork(call) {
			return true
		}
		for _, a := range call.Args {
			if named, ok := a.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
				a = named.Y
			}
			switch fn := a.(type) {
			case *syntax.LambdaExpr:
				w.writesIn(fn, fn.Params, []syntax.Node{fn.Body}, call, told)
			case *syntax.Ident:
				if def := defs[fn.Name]; def != nil {
					w.writesIn(def, def.Params, statementsIn(def), call, told)
				}
			}
		}
		return true
	})
}

func statementsIn(def *syntax.DefStmt) []syntax.Node {
	nodes := make([]syntax.Node, len(def.Body))
	for i, s := range def.Body {
		nodes[i] = s
	}
	return nodes
}

func allDefs(f *syntax.File) map[string]*syntax.DefStmt {
	defs := make(map[string]*syntax.DefStmt)
	syntax.Walk(f, func(n syntax.Node) bool {
		if def, ok := n.(*syntax.DefStmt); ok {
			if _, twice := defs[def.Name.Name]; twice {
				def = nil
			}
			if def != nil {
				defs[def.Name.Name] = def
			}
		}
		return true
	})
	return defs
}

func (w *walker) isFork(call *syntax.CallExpr) bool {
	id, ok := call.Fn.(*syntax.Ident)
	return ok && slices.Contains(forks, id.Name) && !w.own[id.Name]
}

// writesIn reports the first write of a function to a value from outside.
func (w *walker) writesIn(fn syntax.Node, params []syntax.Expr, body []syntax.Node, fork *syntax.CallExpr, told map[syntax.Node]bool) {
	if told[fn] {
		return
	}
	told[fn] = true
	local := make(map[string]bool)
	bind := func(x syntax.Expr) {
		for _, id := range targets(x) {
			local[id.Name] = true
		}
	}
	for _, x := range params {
		bind(param(x))
	}
	for _, n := range body {
		syntax.Walk(n, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.AssignStmt:
				bind(n.LHS)
			case *syntax.ForStmt:
				bind(n.Vars)
			case *syntax.ForClause:
				bind(n.Vars)
			}
			return true
		})
	}
	for _, n := range body {
		if id, at := write(n, local); id != nil {
			w.say("forked-write", w.start(at), fmt.Sprintf("%s is frozen in the branches of a fork and cannot be changed there", id.Name), w.returned(fn, at, id, fork))
			return
		}
	}
}

// write finds a change of something that is not local: where, and of which name.
func write(n syntax.Node, local map[string]bool) (found *syntax.Ident, at syntax.Node) {
	syntax.Walk(n, func(n syntax.Node) bool {
		if found != nil {
			return false
		}
		switch n := n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return false
		case *syntax.CallExpr:
			if dot, ok := n.Fn.(*syntax.DotExpr); ok && slices.Contains(mutators, dot.Name.Name) {
				if id, ok := dot.X.(*syntax.Ident); ok && !local[id.Name] {
					found, at = id, n
				}
			}
		case *syntax.AssignStmt:
			if ix, ok := n.LHS.(*syntax.IndexExpr); ok {
				if id, ok := ix.X.(*syntax.Ident); ok && !local[id.Name] {
					found, at = id, n
				}
			}
		}
		return true
	})
	return found, at
}

// returned makes a branch return what it would have appended, where the append is its last statement and the fork stands alone.
func (w *walker) returned(fn, at syntax.Node, list *syntax.Ident, fork *syntax.CallExpr) *Fix {
	call, ok := at.(*syntax.CallExpr)
	if !ok || len(call.Args) != 1 || call.Fn.(*syntax.DotExpr).Name.Name != "append" || fork.Fn.(*syntax.Ident).Name != "parallel" {
		return nil
	}
	value := w.source(call.Args[0])
	if def, ok := fn.(*syntax.DefStmt); ok {
		last, ok := def.Body[len(def.Body)-1].(*syntax.ExprStmt)
		if !ok || last.X != syntax.Expr(call) {
			return nil
		}
		value = "return " + value
	}
	n := w.lineAt(w.start(fork))
	if w.toks[w.lines[n].first].start != w.start(fork) || w.toks[w.lines[n].last-1].end != w.end(fork) {
		return nil
	}
	first, end := w.start(fork), w.end(fork)
	edits := []Edit{w.swap(call, value), {first, first, list.Name + ".extend("}, {end, end, ".values)"}}
	if _, ok := fn.(*syntax.LambdaExpr); ok {
		edits[1], edits[0] = edits[0], edits[1]
	}
	return risky(edits...)
}

// frozenGlobals finds functions that change a global: it is frozen once the file is loaded.
func (w *walker) frozenGlobals(f *syntax.File) {
	globals := make(map[string]bool)
	loading := make(map[string]bool) // functions that run while the file is loaded
	for _, stmt := range f.Stmts {
		if s, ok := stmt.(*syntax.AssignStmt); ok {
			for _, id := range targets(s.LHS) {
				globals[id.Name] = true
			}
		}
		if _, ok := stmt.(*syntax.DefStmt); !ok {
			syntax.Walk(stmt, func(n syntax.Node) bool {
				if id, ok := n.(*syntax.Ident); ok {
					loading[id.Name] = true
				}
				return true
			})
		}
	}
	for _, stmt := range f.Stmts {
		def, ok := stmt.(*syntax.DefStmt)
		if !ok || loading[def.Name.Name] {
			continue
		}
		local := boundIn(def)
		for _, s := range def.Body {
			id, at := write(s, local)
			if id == nil || !globals[id.Name] || w.toldAt(w.start(at)) {
				continue
			}
			w.say("frozen-global", w.start(at), fmt.Sprintf("%s is a global, and those are frozen once the file is loaded", id.Name), w.remembered(at, id))
			break
		}
	}
}

func (w *walker) toldAt(at int) bool {
	return slices.ContainsFunc(w.found, func(f Finding) bool { return f.Offset == at })
}

// remembered keeps in the run's state what would have gone into a global dict.
func (w *walker) remembered(at syntax.Node, id *syntax.Ident) *Fix {
	s, ok := at.(*syntax.AssignStmt)
	if !ok || s.Op != syntax.EQ {
		if call, ok := at.(*syntax.CallExpr); ok && len(call.Args) == 1 && call.Fn.(*syntax.DotExpr).Name.Name == "append" {
			return risky(w.swap(call, fmt.Sprintf("state.set(%q, state.get(%q, []) + [%s])", id.Name, id.Name, w.source(call.Args[0]))))
		}
		return nil
	}
	ix, ok := s.LHS.(*syntax.IndexExpr)
	if !ok {
		return nil
	}
	return risky(w.swap(s, fmt.Sprintf("state.set(%q + str(%s), %s)", id.Name+":", w.source(ix.Y), w.source(s.RHS))))
}

// lookers are attributes of outcomes by which failures are seen.
var lookers = []string{"failed", "all", "error", "status", "cancelled"}

// unseenFailures finds forks that collect failures which nobody looks at.
func (w *walker) unseenFailures(f *syntax.File) {
	seen := make(map[string]bool) // names whose failures are looked at, or that are handed on whole
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			if id, ok := n.X.(*syntax.Ident); ok {
				if slices.Contains(lookers, n.Name.Name) {
					seen[id.Name] = true
				}
				return false
			}
		case *syntax.AssignStmt:
			syntax.Walk(n.RHS, func(n syntax.Node) bool { return w.handed(n, seen) })
			return false
		case *syntax.ForStmt, *syntax.ForClause:
		case *syntax.Ident:
			seen[n.Name] = true
		}
		return true
	})
	syntax.Walk(f, func(n syntax.Node) bool {
		s, ok := n.(*syntax.AssignStmt)
		if !ok {
			return true
		}
		call, name := w.collecting(s)
		if call == nil || name == "" || seen[name] {
			return true
		}
		n2 := w.lineAt(w.start(s))
		l := w.lines[n2]
		end := w.end(s)
		fix := risky(Edit{end, end, fmt.Sprintf("\n%sfor lost in %s.failed:\n%s    log(\"failed\", error = str(lost.error))", l.indent, name, l.indent)})
		w.say("unseen-failures", w.start(call), fmt.Sprintf("%s collects failures and nothing looks at %s.failed", call.Fn.(*syntax.Ident).Name, name), fix)
		return true
	})
}

// handed notes what an expression does with names: x.values looks at nothing, x alone hands it on.
func (w *walker) handed(n syntax.Node, seen map[string]bool) bool {
	switch n := n.(type) {
	case *syntax.DotExpr:
		if id, ok := n.X.(*syntax.Ident); ok {
			if slices.Contains(lookers, n.Name.Name) {
				seen[id.Name] = true
			}
			return false
		}
	case *syntax.Ident:
		seen[n.Name] = true
	}
	return true
}

// collecting gives the fork with on_error="collect" that an assignment keeps whole, and the name it gets.
func (w *walker) collecting(s *syntax.AssignStmt) (*syntax.CallExpr, string) {
	id, ok := s.LHS.(*syntax.Ident)
	call, isCall := s.RHS.(*syntax.CallExpr)
	if dot, ok := s.RHS.(*syntax.DotExpr); ok && (dot.Name.Name == "values" || dot.Name.Name == "ok") {
		return nil, ""
	}
	if !ok || !isCall || !w.isFork(call) {
		return nil, ""
	}
	for _, a := range call.Args {
		if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ && w.source(b.X) == "on_error" && strings.Trim(w.source(b.Y), `"'`) == "collect" {
			return call, id.Name
		}
	}
	return nil, ""
}
