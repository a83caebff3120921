package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
)

// tree looks at what can be read and is wrong all the same.
func (p *page) tree(f *syntax.File, lang Language) {
	w := &walker{page: p, lang: lang, own: ownNames(f), at: offsets(p)}
	w.index(f)
	syntax.Walk(f, func(n syntax.Node) bool {
		if n == nil {
			w.way = w.way[:len(w.way)-1]
			return true
		}
		w.way = append(w.way, n)
		w.look(n)
		return true
	})
	w.recursion(f)
	w.forkedWrites(f)
	w.frozenGlobals(f)
	w.unseenFailures(f)
}

// walker is one search of a tree.
type walker struct {
	*page
	lang  Language
	own   map[string]bool   // names that the file defines or loads
	kinds map[string]string // of global and local names that only ever hold one kind of value

	functions map[string]*builtins.Decl // of the file or loaded, by the name they have here
	modules   map[string]string         // of functions from standard modules: the module
	at        func(syntax.Position) int
	depth     int // of the search for a kind
	way       []syntax.Node
}

// offsets translates positions quickly: the starts of the lines are counted once.
func offsets(p *page) func(syntax.Position) int {
	starts := []int{0}
	for i := range len(p.src) {
		if p.src[i] == '\n' {
			starts = append(starts, i+1)
		}
	}
	return func(pos syntax.Position) int {
		n := int(pos.Line) - 1
		if n < 0 || n >= len(starts) {
			return len(p.src)
		}
		end := len(p.src)
		if n+1 < len(starts) {
			end = starts[n+1]
		}
		at := starts[n]
		left := int(pos.Col) - 1
		for i := range p.src[at:end] {
			if left == 0 {
				return at + i
			}
			left--
		}
		return end
	}
}

func (w *walker) start(n syntax.Node) int { return w.at(syntax.Start(n)) }

func (w *walker) end(n syntax.Node) int { return w.at(syntax.End(n)) }

// source is the text of a node.
func (w *walker) source(n syntax.Node) string {
	a, b := w.start(n), w.end(n)
	if a > b {
		return ""
	}
	return w.src[a:b]
}

func (w *walker) swap(n syntax.Node, s string) Edit { return Edit{w.start(n), w.end(n), s} }

// ownNames lists what a file binds anywhere, so that a builtin of the same name may not be meant.
func ownNames(f *syntax.File) map[string]bool {
	own := make(map[string]bool)
	bind := func(x syntax.Expr) {
		for _, id := range targets(x) {
			own[id.Name] = true
		}
	}
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			own[n.Name.Name] = true
			for _, x := range n.Params {
				bind(param(x))
			}
		case *syntax.LambdaExpr:
			for _, x := range n.Params {
				bind(param(x))
			}
		case *syntax.AssignStmt:
			bind(n.LHS)
		case *syntax.ForStmt:
			bind(n.Vars)
		case *syntax.ForClause:
			bind(n.Vars)
		case *syntax.LoadStmt:
			for _, id := range n.To {
				own[id.Name] = true
			}
		}
		return true
	})
	return own
}

// param is the name that a parameter binds.
func param(x syntax.Expr) syntax.Expr {
	switch x := x.(type) {
	case *syntax.BinaryExpr:
		return x.X
	case *syntax.UnaryExpr:
		return x.X
	}
	return x
}

// targets lists the names that an assignment binds.
func targets(x syntax.Expr) []*syntax.Ident {
	switch x := x.(type) {
	case *syntax.Ident:
		return []*syntax.Ident{x}
	case *syntax.ParenExpr:
		return targets(x.X)
	case *syntax.TupleExpr:
		return allTargets(x.List)
	case *syntax.ListExpr:
		return allTargets(x.List)
	}
	return nil
}

func allTargets(list []syntax.Expr) []*syntax.Ident {
	var ids []*syntax.Ident
	for _, x := range list {
		ids = append(ids, targets(x)...)
	}
	return ids
}

// index learns what kinds of values names hold: those that are bound once in the file, by an assignment whose kind shows.
func (w *walker) index(f *syntax.File) {
	bound := make(map[string]int)
	w.kinds = make(map[string]string)
	count := func(x syntax.Expr) {
		for _, id := range targets(x) {
			bound[id.Name]++
		}
	}
	var assigned []*syntax.AssignStmt
	syntax.Walk(f, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt:
			bound[n.Name.Name]++
			for _, x := range n.Params {
				count(param(x))
			}
		case *syntax.LambdaExpr:
			for _, x := range n.Params {
				count(param(x))
			}
		case *syntax.ForStmt:
			count(n.Vars)
		case *syntax.ForClause:
			count(n.Vars)
		case *syntax.AssignStmt:
			count(n.LHS)
			assigned = append(assigned, n)
		}
		return true
	})
	w.learn(f, bound)
	for _, s := range assigned {
		if id, ok := s.LHS.(*syntax.Ident); ok && bound[id.Name] == 1 && s.Op == syntax.EQ {
			if k := w.kind(s.RHS); k != "" {
				w.kinds[id.Name] = k
			}
		}
	}
}

// maxDepth is how deep an expression is looked into for its kind.
const maxDepth = 16

// stringMethods give strings, and intResults integers.
var (
	stringMethods = []string{"strip", "lstrip", "rstrip", "lower", "upper", "title", "capitalize", "replace", "format", "join", "removeprefix", "removesuffix"}
	intResults    = []string{"len", "int", "ord", "hash"}
)

// kind is the type that an expression certainly has, or "".
func (w *walker) kind(x syntax.Expr) string {
	if w.depth > maxDepth {
		return "" // long sums would be looked through again at each of their parts
	}
	w.depth++
	defer func() { w.depth-- }()
	switch x := x.(type) {
	case *syntax.ParenExpr:
		return w.kind(x.X)
	case *syntax.Literal:
		return map[syntax.Token]string{syntax.STRING: "string", syntax.INT: "int", syntax.FLOAT: "float", syntax.BYTES: "bytes"}[x.Token]
	case *syntax.ListExpr:
		return "list"
	case *syntax.DictExpr:
		return "dict"
	case *syntax.Comprehension:
		if x.Curly {
			return "dict"
		}
		return "list"
	case *syntax.Ident:
		return w.kinds[x.Name]
	case *syntax.CallExpr:
		return w.callKind(x)
	case *syntax.BinaryExpr:
		if k := w.kind(x.X); (x.Op == syntax.PLUS && k == w.kind(x.Y)) || x.Op == syntax.PERCENT && k == "string" {
			return k
		}
	}
	return ""
}

func (w *walker) callKind(x *syntax.CallExpr) string {
	switch fn := x.Fn.(type) {
	case *syntax.Ident:
		switch {
		case w.own[fn.Name]:
		case fn.Name == "str" || fn.Name == "repr" || fn.Name == "chr":
			return "string"
		case slices.Contains(intResults, fn.Name):
			return "int"
		case fn.Name == "list" || fn.Name == "dict" || fn.Name == "set" || fn.Name == "float":
			return fn.Name
		case fn.Name == "sorted" || fn.Name == "agents":
			return "list"
		case fn.Name == "agent":
			return "agent"
		}
	case *syntax.DotExpr:
		if k := w.kind(fn.X); k == "string" && slices.Contains(stringMethods, fn.Name.Name) {
			return "string"
		} else if k == "string" && (fn.Name.Name == "split" || fn.Name.Name == "splitlines") {
			return "list"
		}
	}
	return ""
}

func (w *walker) look(n syntax.Node) {
	if w.full {
		return
	}
	switch n := n.(type) {
	case *syntax.ForStmt:
		w.overString(n.X)
	case *syntax.ForClause:
		w.overString(n.X)
	case *syntax.BinaryExpr:
		w.binary(n)
	case *syntax.CallExpr:
		w.call_(n)
	case *syntax.DotExpr:
		w.dot(n)
	case *syntax.ExprStmt:
		w.plusPlus(n)
	}
}

// overString looks at loops over strings, which are no sequences.
func (w *walker) overString(x syntax.Expr) {
	if w.kind(x) != "string" {
		return
	}
	s := w.source(x)
	if _, ok := x.(*syntax.BinaryExpr); ok {
		s = "(" + s + ")"
	}
	w.report("string-iteration", w.start(x), safe(w.swap(x, s+".elems()")))
}

// plusPlus looks at ++x, which says +(+x).
func (w *walker) plusPlus(n *syntax.ExprStmt) {
	outer, ok := n.X.(*syntax.UnaryExpr)
	if !ok || outer.Op != syntax.PLUS && outer.Op != syntax.MINUS {
		return
	}
	inner, ok := outer.X.(*syntax.UnaryExpr)
	if ok && inner.Op == outer.Op {
		w.report("increment", w.start(n), safe(w.swap(n, w.source(inner.X)+" "+outer.Op.String()+"= 1")))
	}
}

func (w *walker) binary(n *syntax.BinaryExpr) {
	x, y := w.kind(n.X), w.kind(n.Y)
	numeric := func(k string) bool { return k == "int" || k == "float" }
	switch {
	case n.Op == syntax.PLUS && x == "string" && numeric(y):
		w.report("string-plus-number", w.at(n.OpPos), safe(w.swap(n.Y, "str("+w.source(n.Y)+")")))
	case n.Op == syntax.PLUS && numeric(x) && y == "string":
		w.report("string-plus-number", w.at(n.OpPos), safe(w.swap(n.X, "str("+w.source(n.X)+")")))
	case n.Op == syntax.PERCENT:
		if lit, ok := n.X.(*syntax.Literal); ok && lit.Token == syntax.STRING {
			w.percent(n, lit)
		}
	}
}

// percent looks at formats that the operator does not know, such as %.2f.
func (w *walker) percent(n *syntax.BinaryExpr, lit *syntax.Literal) {
	args := []syntax.Expr{n.Y}
	y := n.Y
	if paren, ok := y.(*syntax.ParenExpr); ok {
		y = paren.X
	}
	if tuple, ok := y.(*syntax.TupleExpr); ok {
		args = tuple.List
	}
	format, values, changed := lit.Raw, make([]string, 0, len(args)), false
	var b strings.Builder
	for i, arg := 0, 0; i < len(format); i++ {
		b.WriteByte(format[i])
		if format[i] != '%' || i+1 >= len(format) {
			continue
		}
		if format[i+1] == '%' || format[i+1] == '(' {
			b.WriteByte(format[i+1])
			i++
			continue
		}
		k := i + 1
		for k < len(format) && strings.IndexByte("#0- +123456789.", format[k]) >= 0 {
			k++
		}
		if arg >= len(args) || k >= len(format) {
			break
		}
		value := w.source(args[arg])
		if spec := format[i+1 : k+1]; k > i+1 {
			value, _, _ = formatted(value, strings.TrimPrefix(spec, "-"))
			changed = true
			b.WriteByte('s')
			i = k
		}
		values = append(values, value)
		arg++
	}
	if !changed {
		return
	}
	fix := (*Fix)(nil)
	if len(values) == len(args) && b.Len() > 0 {
		fix = risky(w.swap(lit, b.String()), w.swap(n.Y, "("+strings.Join(values, ", ")+map[bool]string{true: ",)", false: ")"}[len(values) == 1]))
	}
	w.report("format-spec", w.start(lit), fix)
}

// formatCall looks at {:.2f} in a call of format.
func (w *walker) formatCall(n *syntax.CallExpr, lit *syntax.Literal) {
	raw := lit.Raw
	var b strings.Builder
	args := make([]string, len(n.Args))
	for i, a := range n.Args {
		args[i] = w.source(a)
	}
	auto, changed := 0, false
	for i := 0; i < len(raw); i++ {
		if strings.HasPrefix(raw[i:], "{{") {
			b.WriteString("{{")
			i++
			continue
		}
		end := strings.IndexByte(raw[i:], '}')
		if raw[i] != '{' || end < 0 {
			b.WriteByte(raw[i])
			continue
		}
		name, conversion, spec := splitField(raw[i+1 : i+end])
		which := w.argument(n, name, auto)
		if name == "" {
			auto++
		}
		after := ""
		if spec != "" {
			changed = true
			if which >= 0 {
				args[which], after = reformatted(args[which], spec)
			}
		}
		b.WriteString("{" + name + conversion + "}" + after)
		i += end
	}
	if !changed {
		return
	}
	edits := []Edit{w.swap(lit, b.String())}
	for i, a := range n.Args {
		edits = append(edits, w.swap(a, args[i]))
	}
	w.report("format-spec", w.start(lit), risky(edits...))
}

// reformatted formats an argument, by name or by position.
func reformatted(arg, spec string) (value, after string) {
	name := ""
	if i := strings.IndexByte(arg, '='); i > 0 && wordEnd(strings.TrimSpace(arg[:i])) == len(strings.TrimSpace(arg[:i])) && !strings.HasPrefix(arg[i:], "==") {
		name, arg = arg[:i+1], strings.TrimSpace(arg[i+1:])
	}
	value, after, _ = formatted(arg, spec)
	return name + value, after
}

// argument is the index of the argument that a field names, or -1.
func (w *walker) argument(n *syntax.CallExpr, name string, auto int) int {
	for i, a := range n.Args {
		if named, ok := a.(*syntax.BinaryExpr); ok && named.Op == syntax.EQ {
			if id, ok := named.X.(*syntax.Ident); ok && id.Name == name {
				return i
			}
			continue
		}
		if name == "" && i == auto || name == fmt.Sprint(i) {
			return i
		}
	}
	return -1
}

// typed are the methods of the types whose values can be told from the text.
var typed = map[string]starlark.HasAttrs{
	"string": starlark.String(""), "list": starlark.NewList(nil), "dict": starlark.NewDict(0), "set": starlark.NewSet(0), "bytes": starlark.Bytes(""),
}
