package guard

import (
	"slices"
	"strconv"

	"go.starlark.net/syntax"
)

// Rewrite guards a file in place. It must run once, before the file is resolved.
func Rewrite(f *syntax.File) {
	r := &rewriter{small: smallInts(f)}
	r.scope = r.small[nil]
	f.Stmts = r.stmts(f.Stmts)
}

type rewriter struct {
	small map[syntax.Node]names // by function: what can only be a machine-sized integer
	scope names
	temps int
}

type names map[string]bool

// operators that may cost more than a step, and the hidden builtins that guard them.
var binary = map[syntax.Token]string{
	syntax.PLUS: "%add", syntax.MINUS: "%sub", syntax.STAR: "%mul", syntax.SLASH: "%div",
	syntax.SLASHSLASH: "%floordiv", syntax.PERCENT: "%mod", syntax.AMP: "%and", syntax.PIPE: "%or",
	syntax.CIRCUMFLEX: "%xor", syntax.LTLT: "%lsh", syntax.GTGT: "%rsh",
	syntax.EQL: "%eq", syntax.NEQ: "%ne", syntax.LT: "%lt", syntax.LE: "%le", syntax.GT: "%gt", syntax.GE: "%ge",
	syntax.IN: "%in", syntax.NOT_IN: "%notin",
}

// augmented gives the plain operator of an augmented assignment.
var augmented = map[syntax.Token]syntax.Token{
	syntax.PLUS_EQ: syntax.PLUS, syntax.MINUS_EQ: syntax.MINUS, syntax.STAR_EQ: syntax.STAR, syntax.SLASH_EQ: syntax.SLASH,
	syntax.SLASHSLASH_EQ: syntax.SLASHSLASH, syntax.PERCENT_EQ: syntax.PERCENT, syntax.AMP_EQ: syntax.AMP,
	syntax.PIPE_EQ: syntax.PIPE, syntax.CIRCUMFLEX_EQ: syntax.CIRCUMFLEX, syntax.LTLT_EQ: syntax.LTLT, syntax.GTGT_EQ: syntax.GTGT,
}

func (r *rewriter) stmts(list []syntax.Stmt) []syntax.Stmt {
	if list == nil {
		return nil // a missing else stays missing: IfStmt.Span looks at nil, not at length
	}
	out := make([]syntax.Stmt, 0, len(list))
	for _, s := range list {
		out = append(out, r.stmt(s)...)
	}
	return out
}

// stmt guards a statement; an augmented assignment to an element becomes several.
func (r *rewriter) stmt(s syntax.Stmt) []syntax.Stmt {
	switch s := s.(type) {
	case *syntax.AssignStmt:
		if s.Op != syntax.EQ {
			return r.augment(s)
		}
		s.RHS = r.expr(s.RHS)
		s.LHS = r.target(s.LHS)
	case *syntax.DefStmt:
		r.params(s.Params)
		r.within(s, func() { s.Body = r.stmts(s.Body) })
	case *syntax.ExprStmt:
		s.X = r.expr(s.X)
	case *syntax.IfStmt:
		r.branches(s)
	case *syntax.ForStmt:
		s.X = r.expr(s.X)
		s.Vars = r.target(s.Vars)
		s.Body = r.stmts(s.Body)
	case *syntax.WhileStmt:
		s.Cond = r.expr(s.Cond)
		s.Body = r.stmts(s.Body)
	case *syntax.ReturnStmt:
		if s.Result != nil {
			s.Result = r.expr(s.Result)
		}
	}
	return []syntax.Stmt{s}
}

// branches walks an elif chain without recursion: it may be as long as the file.
func (r *rewriter) branches(s *syntax.IfStmt) {
	for {
		s.Cond = r.expr(s.Cond)
		s.True = r.stmts(s.True)
		next, ok := elif(s)
		if !ok {
			s.False = r.stmts(s.False)
			return
		}
		s = next
	}
}

func elif(s *syntax.IfStmt) (*syntax.IfStmt, bool) {
	if len(s.False) != 1 {
		return nil, false
	}
	next, ok := s.False[0].(*syntax.IfStmt)
	return next, ok
}

func (r *rewriter) within(fn syntax.Node, body func()) {
	outer := r.scope
	r.scope = r.small[fn]
	body()
	r.scope = outer
}

// params guards the defaults of parameters, which are evaluated outside the function.
func (r *rewriter) params(list []syntax.Expr) {
	for _, p := range list {
		if def, ok := p.(*syntax.BinaryExpr); ok {
			def.Y = r.expr(def.Y)
		}
	}
}

// target guards the keys and operands in what is assigned to.
func (r *rewriter) target(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		e.X = r.target(e.X)
	case *syntax.TupleExpr:
		for i := range e.List {
			e.List[i] = r.target(e.List[i])
		}
	case *syntax.ListExpr:
		for i := range e.List {
			e.List[i] = r.target(e.List[i])
		}
	case *syntax.IndexExpr:
		return r.index(e)
	case *syntax.DotExpr:
		e.X = r.expr(e.X)
	}
	return e
}

// augment guards `x op= y` by what it reads, as `x op= %op=(x, y)`. An element's container and key are evaluated once, into
// names no script can write.
func (r *rewriter) augment(s *syntax.AssignStmt) []syntax.Stmt {
	op := augmented[s.Op]
	lhs := s.LHS
	for {
		p, ok := lhs.(*syntax.ParenExpr)
		if !ok {
			break
		}
		lhs = p.X
	}
	var out []syntax.Stmt
	hold := func(e syntax.Expr) *syntax.Ident {
		r.temps++
		pos, _ := e.Span()
		id := &syntax.Ident{NamePos: pos, Name: "%t" + strconv.Itoa(r.temps)}
		out = append(out, &syntax.AssignStmt{OpPos: s.OpPos, Op: syntax.EQ, LHS: id, RHS: e})
		return id
	}
	again := func(id *syntax.Ident) *syntax.Ident { return &syntax.Ident{NamePos: id.NamePos, Name: id.Name} }
	var read, write syntax.Expr
	switch e := lhs.(type) {
	case *syntax.Ident:
		read, write = again(e), e
	case *syntax.IndexExpr:
		x := hold(r.expr(e.X))
		key := hold(r.key(again(x), e.Y))
		read = &syntax.IndexExpr{X: again(x), Lbrack: e.Lbrack, Y: again(key), Rbrack: e.Rbrack}
		write = &syntax.IndexExpr{X: again(x), Lbrack: e.Lbrack, Y: again(key), Rbrack: e.Rbrack}
	case *syntax.DotExpr:
		x := hold(r.expr(e.X))
		read = &syntax.DotExpr{X: again(x), Dot: e.Dot, NamePos: e.NamePos, Name: e.Name}
		write = &syntax.DotExpr{X: again(x), Dot: e.Dot, NamePos: e.NamePos, Name: &syntax.Ident{NamePos: e.Name.NamePos, Name: e.Name.Name}}
	default:
		return []syntax.Stmt{s} // the resolver refuses it
	}
	native := (op == syntax.PLUS || op == syntax.MINUS) && r.isSmall(s.RHS)
	s.LHS, s.RHS = write, r.expr(s.RHS)
	if !native {
		s.RHS = call(binary[op]+"=", s.OpPos, read, s.RHS)
	}
	return append(out, s)
}

// call makes a call of a hidden builtin that errors locate at pos.
func call(name string, pos syntax.Position, args ...syntax.Expr) syntax.Expr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: pos, Name: name}, Lparen: pos, Args: args, Rparen: pos}
}

func (r *rewriter) exprs(list []syntax.Expr) {
	for i := range list {
		list[i] = r.expr(list[i])
	}
}

func (r *rewriter) expr(e syntax.Expr) syntax.Expr {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		e.X = r.expr(e.X)
	case *syntax.BinaryExpr:
		return r.binary(e)
	case *syntax.UnaryExpr:
		if e.X != nil {
			e.X = r.expr(e.X)
		}
	case *syntax.CallExpr:
		e.Fn = r.expr(e.Fn)
		r.args(e)
	case *syntax.DotExpr:
		e.X = r.expr(e.X)
		if guardedNames[e.Name.Name] {
			return call("%attr", e.Dot, e.X, text(e.NamePos, e.Name.Name))
		}
	case *syntax.IndexExpr:
		return r.index(e)
	case *syntax.SliceExpr:
		return r.slice(e)
	case *syntax.CondExpr:
		e.Cond, e.True, e.False = r.expr(e.Cond), r.expr(e.True), r.expr(e.False)
	case *syntax.TupleExpr:
		r.exprs(e.List)
	case *syntax.ListExpr:
		r.exprs(e.List)
	case *syntax.DictExpr:
		for _, entry := range e.List {
			r.entry(entry.(*syntax.DictEntry), "%key")
		}
	case *syntax.Comprehension:
		r.comprehension(e)
	case *syntax.LambdaExpr:
		r.params(e.Params)
		r.within(e, func() { e.Body = r.expr(e.Body) })
	}
	return e
}

func text(pos syntax.Position, s string) syntax.Expr {
	return &syntax.Literal{Token: syntax.STRING, TokenPos: pos, Raw: strconv.Quote(s), Value: s}
}

// args guards arguments; *args and **kwargs copy, and so are charged.
func (r *rewriter) args(e *syntax.CallExpr) {
	for i, a := range e.Args {
		switch a := a.(type) {
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				a.X = call("%spread", a.OpPos, r.expr(a.X))
				continue
			}
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ { // name = value
				a.Y = r.expr(a.Y)
				continue
			}
		}
		e.Args[i] = r.expr(a)
	}
}

// binary guards an operator. Left-deep chains are walked in a loop: they may be as long as the file.
func (r *rewriter) binary(e *syntax.BinaryExpr) syntax.Expr {
	chain := []*syntax.BinaryExpr{e}
	for {
		x, ok := e.X.(*syntax.BinaryExpr)
		if !ok {
			break
		}
		chain = append(chain, x)
		e = x
	}
	left, leftSmall := e.X, r.isSmall(e.X)
	left = r.expr(left)
	for _, e := range slices.Backward(chain) {
		small := r.isSmall(e.Y)
		native := isNative(e, leftSmall, small)
		e.X, e.Y = left, r.expr(e.Y)
		left, leftSmall = e, leftSmall && small && staysSmall(e.Op)
		if name, ok := binary[e.Op]; ok && !native {
			left = call(name, e.OpPos, e.X, e.Y)
		}
	}
	return left
}

// isNative says that an operator, on whatever it meets, costs no more than its step: it mixes with a machine-sized integer where
// anything large is a type error, or compares with something small. x and y say which operands are such integers.
func isNative(e *syntax.BinaryExpr, x, y bool) bool {
	switch e.Op {
	case syntax.PLUS, syntax.MINUS:
		return x || y
	case syntax.PERCENT, syntax.SLASHSLASH, syntax.SLASH:
		return x && y
	case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		return x || y || isScalar(e.X) || isScalar(e.Y)
	}
	return false
}

// isScalar says that comparing anything with e is cheap.
func isScalar(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return isScalar(e.X)
	case *syntax.Literal:
		return true // as long as the source at most
	case *syntax.Ident:
		return e.Name == "None" || e.Name == "True" || e.Name == "False"
	}
	return false
}

func (r *rewriter) index(e *syntax.IndexExpr) syntax.Expr {
	y := e.Y
	x := r.expr(e.X)
	var container syntax.Expr
	if id, ok := x.(*syntax.Ident); ok {
		container = &syntax.Ident{NamePos: id.NamePos, Name: id.Name}
	}
	e.X, e.Y = x, r.key(container, y)
	return e
}

// key guards a key by what hashing it and looking it up in the container may cost; the container is nil where evaluating
// it twice could show.
func (r *rewriter) key(container syntax.Expr, k syntax.Expr) syntax.Expr {
	if _, ok := k.(*syntax.Literal); ok || r.isSmall(k) {
		return r.expr(k)
	}
	pos, _ := k.Span()
	if container == nil {
		return call("%key", pos, r.expr(k))
	}
	return call("%keyof", pos, container, r.expr(k))
}

func (r *rewriter) entry(e *syntax.DictEntry, guard string) {
	if _, ok := e.Key.(*syntax.Literal); ok || r.isSmall(e.Key) {
		e.Key = r.expr(e.Key)
	} else {
		pos, _ := e.Key.Span()
		e.Key = call(guard, pos, r.expr(e.Key))
	}
	e.Value = r.expr(e.Value)
}

func (r *rewriter) slice(e *syntax.SliceExpr) syntax.Expr {
	bound := func(b syntax.Expr) syntax.Expr {
		if b == nil {
			return &syntax.Ident{NamePos: e.Lbrack, Name: "None"}
		}
		return r.expr(b)
	}
	return call("%slice", e.Lbrack, r.expr(e.X), bound(e.Lo), bound(e.Hi), bound(e.Step))
}

func (r *rewriter) comprehension(e *syntax.Comprehension) {
	outer := r.scope
	if shadowed := clauseNames(e); len(shadowed) > 0 {
		r.scope = without(outer, shadowed)
	}
	if entry, ok := e.Body.(*syntax.DictEntry); ok {
		r.entry(entry, "%compkey")
	} else {
		e.Body = r.expr(e.Body)
	}
	for _, c := range e.Clauses {
		switch c := c.(type) {
		case *syntax.ForClause:
			c.X = r.expr(c.X)
			c.Vars = r.target(c.Vars)
		case *syntax.IfClause:
			c.Cond = r.expr(c.Cond)
		}
	}
	r.scope = outer
}
