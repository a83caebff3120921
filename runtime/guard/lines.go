package guard

import (
	"strconv"

	"go.starlark.net/syntax"
)

// Lines puts a call of the hidden builtin LineBuiltin before each statement of the functions of a file, with the number that mark gives for
// the statement's line and the function around it; for a negative number it puts none. The condition of an elif, before which nothing can
// stand, becomes a call of ConditionBuiltin. Lines must run before Rewrite.
//
// Nothing else about the file changes: values, errors and their positions stay, and steps grow by four for each statement that is counted.
func Lines(f *syntax.File, mark func(line int32, fn *syntax.DefStmt) int) {
	l := liner{mark: mark}
	for _, s := range f.Stmts {
		if def, ok := s.(*syntax.DefStmt); ok {
			l.function(def)
		}
	}
}

// Names of the builtins that Lines calls: LineBuiltin(number), and ConditionBuiltin(number, value), which gives the value.
const (
	LineBuiltin      = "%line"
	ConditionBuiltin = "%condition"
)

type liner struct {
	mark func(line int32, fn *syntax.DefStmt) int
	fn   *syntax.DefStmt // around
}

func (l *liner) function(def *syntax.DefStmt) {
	outer := l.fn
	l.fn = def
	head := 0
	if isDocstring(def.Body) {
		head = 1
	}
	def.Body = append(def.Body[:head:head], l.stmts(def.Body[head:])...)
	l.fn = outer
}

// isDocstring says whether statements begin with one, which has to stay first.
func isDocstring(body []syntax.Stmt) bool {
	s, ok := body[0].(*syntax.ExprStmt)
	if !ok {
		return false
	}
	lit, ok := s.X.(*syntax.Literal)
	return ok && lit.Token == syntax.STRING
}

func (l *liner) stmts(list []syntax.Stmt) []syntax.Stmt {
	if list == nil {
		return nil // a missing else stays missing
	}
	out := make([]syntax.Stmt, 0, 2*len(list))
	for _, s := range list {
		pos, _ := s.Span()
		if n := l.mark(pos.Line, l.fn); n >= 0 {
			out = append(out, &syntax.ExprStmt{X: call(LineBuiltin, pos, number(pos, n))})
		}
		out = append(out, s)
		l.below(s)
	}
	return out
}

// below counts the statements in a statement.
func (l *liner) below(s syntax.Stmt) {
	switch s := s.(type) {
	case *syntax.DefStmt:
		l.function(s)
	case *syntax.ForStmt:
		s.Body = l.stmts(s.Body)
	case *syntax.WhileStmt:
		s.Body = l.stmts(s.Body)
	case *syntax.IfStmt:
		l.branches(s)
	}
}

// branches walks an elif chain without recursion: it may be as long as the file.
func (l *liner) branches(s *syntax.IfStmt) {
	for {
		s.True = l.stmts(s.True)
		next, ok := elif(s)
		if !ok || next.If != s.ElsePos { // no elif, but an if alone in the else
			s.False = l.stmts(s.False)
			return
		}
		if n := l.mark(next.If.Line, l.fn); n >= 0 {
			pos, _ := next.Cond.Span()
			next.Cond = call(ConditionBuiltin, pos, number(pos, n), next.Cond)
		}
		s = next
	}
}

func number(pos syntax.Position, n int) syntax.Expr {
	return &syntax.Literal{Token: syntax.INT, TokenPos: pos, Raw: strconv.Itoa(n), Value: int64(n)}
}
