package repair

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// Mutation is one small change to a source.
type Mutation struct {
	Function string // in which it is
	Line     int
	Kind     Kind
	What     string // such as "a < b becomes a <= b"

	from, to int // bytes that are replaced
	text     string
}

// Kind is a sort of small change.
type Kind uint8

// Kinds, in the order in which they are tried: the commonest slips come first.
const (
	Boundary   Kind = iota // < and <=, > and >=
	Comparison             // another comparison
	OffByOne               // an index, a bound or a constant is one too large or too small
	Arithmetic             // another operator on numbers
	Logic                  // and for or, a condition the other way round, true for false
	Extreme                // min for max
	Jump                   // break for continue
	Guard                  // nothing is done for an empty or missing parameter
)

// Mutations lists the small changes that can be made to the functions of a source, in the order of the text.
func Mutations(source []byte) ([]Mutation, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	m := mutator{files: files, source: source}
	for _, d := range tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		m.function = fn.Name.Name
		m.guards(fn)
		ast.Inspect(fn.Body, m.visit)
	}
	return m.found, nil
}

// Apply makes the change. What was formatted stays so.
func (m *Mutation) Apply(source []byte) []byte {
	changed := bytes.Join([][]byte{source[:m.from], []byte(m.text), source[m.to:]}, nil)
	was, err := format.Source(source)
	if err != nil || !bytes.Equal(was, source) {
		return changed
	}
	if formatted, err := format.Source(changed); err == nil {
		return formatted
	}
	return changed
}

type mutator struct {
	files    *token.FileSet
	source   []byte
	function string
	found    []Mutation
}

func (m *mutator) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		m.binary(n)
	case *ast.AssignStmt:
		if other, ok := assignments[n.Tok]; ok {
			m.swap(Arithmetic, n, n.TokPos, n.Tok, other)
		}
	case *ast.IncDecStmt:
		m.swap(Arithmetic, n, n.TokPos, n.Tok, token.INC+token.DEC-n.Tok)
	case *ast.IfStmt:
		m.replace(Logic, n.Cond, "!("+m.textOf(n.Cond)+")")
	case *ast.IndexExpr:
		m.offByOne(n.Index)
	case *ast.SliceExpr:
		m.offByOne(n.Low)
		m.offByOne(n.High)
	case *ast.BasicLit:
		m.constant(n)
	case *ast.Ident:
		if other, ok := words[n.Name]; ok {
			m.replace(other.kind, n, other.text)
		}
	case *ast.BranchStmt:
		if other, ok := jumps[n.Tok]; ok && n.Label == nil {
			m.replace(Jump, n, other.String())
		}
	}
	return true
}

var (
	comparisons = []token.Token{token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ}
	boundaries  = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR}
	operators   = map[token.Token]token.Token{token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.QUO}
	assignments = map[token.Token]token.Token{
		token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN,
		token.MUL_ASSIGN: token.QUO_ASSIGN, token.QUO_ASSIGN: token.MUL_ASSIGN, token.REM_ASSIGN: token.QUO_ASSIGN,
	}
	logic = map[token.Token]token.Token{token.LAND: token.LOR, token.LOR: token.LAND}
	jumps = map[token.Token]token.Token{token.BREAK: token.CONTINUE, token.CONTINUE: token.BREAK}
	words = map[string]struct {
		kind Kind
		text string
	}{"true": {Logic, "false"}, "false": {Logic, "true"}, "min": {Extreme, "max"}, "max": {Extreme, "min"}}
)

func (m *mutator) binary(n *ast.BinaryExpr) {
	if other, ok := operators[n.Op]; ok {
		m.swap(Arithmetic, n, n.OpPos, n.Op, other)
	}
	if other, ok := logic[n.Op]; ok {
		m.swap(Logic, n, n.OpPos, n.Op, other)
	}
	if !slices.Contains(comparisons, n.Op) {
		return
	}
	near := boundaries[n.Op]
	for _, other := range comparisons {
		switch other {
		case n.Op:
		case near:
			m.swap(Boundary, n, n.OpPos, n.Op, other)
		default:
			m.swap(Comparison, n, n.OpPos, n.Op, other)
		}
	}
}

// offByOne shifts an index or a bound.
func (m *mutator) offByOne(e ast.Expr) {
	if e == nil {
		return
	}
	if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.INT {
		return // constants are shifted anyway
	}
	for _, shift := range []string{"+1", "-1"} {
		m.replace(OffByOne, e, m.operand(e)+shift)
	}
}

// operand is the text of an expression, in parentheses where it needs them to be added to.
func (m *mutator) operand(e ast.Expr) string {
	if b, ok := e.(*ast.BinaryExpr); ok && b.Op.Precedence() < token.ADD.Precedence() {
		return "(" + m.textOf(e) + ")"
	}
	return m.textOf(e)
}

// constant shifts a whole number by one.
func (m *mutator) constant(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	value, err := strconv.ParseInt(n.Value, 0, 64)
	if err != nil {
		return
	}
	for _, other := range []int64{value + 1, value - 1} {
		m.replace(OffByOne, n, strconv.FormatInt(other, 10))
	}
}

// guards makes a function give zero values at once when a parameter is missing or empty.
func (m *mutator) guards(fn *ast.FuncDecl) {
	for _, p := range fn.Type.Params.List {
		for _, name := range p.Names {
			check := emptiness(p.Type, name.Name)
			if check == "" || name.Name == "_" {
				continue
			}
			at := m.offset(fn.Body.Lbrace) + 1
			text := fmt.Sprintf("\nif %s { return%s }\n", check, m.zeros(fn.Type.Results))
			m.add(Guard, fn.Body.Lbrace, at, at, text, "return at once if "+check)
		}
	}
}

// emptiness is the condition under which a parameter of a type is missing or empty, or "" when it cannot be.
func emptiness(t ast.Expr, name string) string {
	switch t := t.(type) {
	case *ast.StarExpr, *ast.FuncType, *ast.InterfaceType:
		return name + " == nil"
	case *ast.ArrayType:
		if t.Len == nil {
			return "len(" + name + ") == 0"
		}
	case *ast.MapType:
		return "len(" + name + ") == 0"
	case *ast.Ident:
		if t.Name == "string" {
			return name + ` == ""`
		}
	}
	return ""
}

// zeros are the zero values of results.
func (m *mutator) zeros(results *ast.FieldList) string {
	if results == nil {
		return ""
	}
	var all []string
	for _, r := range results.List {
		for range max(1, len(r.Names)) {
			all = append(all, "*new("+m.textOf(r.Type)+")")
		}
	}
	return " " + strings.Join(all, ", ")
}

// swap puts another token in the place of one.
func (m *mutator) swap(k Kind, in ast.Node, at token.Pos, was, other token.Token) {
	from := m.offset(at)
	to := from + len(was.String())
	whole := m.textOf(in)
	start := m.offset(in.Pos())
	changed := whole[:from-start] + other.String() + whole[to-start:]
	m.add(k, at, from, to, other.String(), becomes(whole, changed))
}

func (m *mutator) replace(k Kind, n ast.Node, text string) {
	m.add(k, n.Pos(), m.offset(n.Pos()), m.offset(n.End()), text, becomes(m.textOf(n), text))
}

func (m *mutator) add(k Kind, at token.Pos, from, to int, text, what string) {
	m.found = append(m.found, Mutation{
		Function: m.function, Line: m.files.Position(at).Line, Kind: k, What: what, from: from, to: to, text: text,
	})
}

func becomes(was, is string) string { return was + " becomes " + is }

func (m *mutator) offset(p token.Pos) int { return m.files.Position(p).Offset }

func (m *mutator) textOf(n ast.Node) string {
	return string(m.source[m.offset(n.Pos()):m.offset(n.End())])
}
