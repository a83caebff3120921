package main

import (
	"cmp"
	"context"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Function is one function or method and how complex it is.
type Function struct {
	Name       string `json:"name"` // with its receiver's type: "Decoder.number"
	File       string `json:"file"` // its base name
	Line       int    `json:"line"`
	Cyclomatic int    `json:"cyclomatic"` // independent paths through it
	Cognitive  int    `json:"cognitive"`  // interruptions of reading from top to bottom, nested ones count more
	Source     string `json:"source"`
}

// measure reads the Go files of a directory, tests left out, and returns its functions, the hardest first.
func measure(ctx context.Context, dir string) ([]Function, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("it has no Go files")
	}
	var all []Function
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		functions, err := measureFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, functions...)
	}
	slices.SortStableFunc(all, func(a, b Function) int {
		return cmp.Or(cmp.Compare(b.Cognitive, a.Cognitive), cmp.Compare(b.Cyclomatic, a.Cyclomatic))
	})
	return all, nil
}

func measureFile(name string) ([]Function, error) {
	source, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var list []Function
	for _, d := range tree.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		from, to := files.Position(fn.Pos()), files.Position(fn.End())
		list = append(list, Function{
			Name:       fullName(fn),
			File:       filepath.Base(name),
			Line:       from.Line,
			Cyclomatic: cyclomatic(fn),
			Cognitive:  cognitive(fn),
			Source:     string(source[from.Offset:to.Offset]),
		})
	}
	return list, nil
}

func fullName(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + fn.Name.Name
		default:
			return fn.Name.Name
		}
	}
}

// cyclomatic is one more than the number of decisions.
func cyclomatic(fn *ast.FuncDecl) int {
	paths := 1
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.IfStmt, *ast.ForStmt, *ast.RangeStmt:
			paths++
		case *ast.CaseClause:
			if n.List != nil { // default is no decision
				paths++
			}
		case *ast.CommClause:
			if n.Comm != nil {
				paths++
			}
		case *ast.BinaryExpr:
			if logical(n.Op) {
				paths++
			}
		}
		return true
	})
	return paths
}

// cognitive adds one for each break in the flow, one more for each level it is nested in, one for each else, each jump to a
// label and each run of one logical operator.
func cognitive(fn *ast.FuncDecl) int {
	score := 0
	ast.Walk(reader{score: &score}, fn.Body)
	return score
}

// reader walks a function as a person reads it.
type reader struct {
	score   *int
	nesting int
	op      token.Token // logical operator whose operand this is, or ILLEGAL
}

// Visit implements ast.Visitor.
func (r reader) Visit(n ast.Node) ast.Visitor {
	outer := r.op
	r.op = token.ILLEGAL
	switch n := n.(type) {
	case nil:
		return nil
	case *ast.IfStmt:
		r.branch(n, 1+r.nesting)
		return nil
	case *ast.ForStmt, *ast.RangeStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt:
		*r.score += 1 + r.nesting
		return r.deeper()
	case *ast.FuncLit:
		return r.deeper()
	case *ast.BranchStmt:
		if n.Label != nil {
			*r.score++
		}
	case *ast.BinaryExpr:
		if logical(n.Op) {
			if n.Op != outer {
				*r.score++
			}
			r.op = n.Op
		}
	}
	return r
}

// branch reads an if and its else; in a chain only the first one counts its nesting.
func (r reader) branch(n *ast.IfStmt, cost int) {
	*r.score += cost
	ast.Walk(r, n.Init)
	ast.Walk(r, n.Cond)
	ast.Walk(r.deeper(), n.Body)
	switch e := n.Else.(type) {
	case *ast.IfStmt:
		r.branch(e, 1)
	case *ast.BlockStmt:
		*r.score++
		ast.Walk(r.deeper(), e)
	}
}

func (r reader) deeper() reader {
	r.nesting++
	return r
}

func logical(op token.Token) bool { return op == token.LAND || op == token.LOR }
