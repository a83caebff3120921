package repair

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// Look runs each test by itself and says which code runs when tests fail, the most suspicious first. A test that crashes leaves no trace of
// what it ran, so that all code is suspect of it.
func (b *Bench) Look(ctx context.Context) (Review, error) {
	r := Review{Failing: []string{}, Findings: []Finding{}}
	if err := b.Build(ctx, "-cover"); err != nil {
		return r, err
	}
	names, err := b.Names(ctx)
	if err != nil {
		return r, err
	}
	s := spectrum{}
	for _, name := range names {
		profile := filepath.Join(filepath.Dir(b.dir), "cover.out")
		_ = os.Remove(profile)
		c, err := b.Test(ctx, "^"+regexp.QuoteMeta(name)+"$", "-test.coverprofile="+profile)
		if err != nil {
			return r, err
		}
		traced, err := os.ReadFile(profile)
		if err != nil && !os.IsNotExist(err) {
			return r, err
		}
		if c.Crashed {
			c.Failed = []string{name}
		}
		s.add(blocksOf(traced), len(c.Failed) > 0)
		r.Passing += len(c.Passed)
		r.Failing = append(r.Failing, c.Failed...)
	}
	r.Findings, err = b.findings(s)
	return r, err
}

// block is a piece of code that runs as a whole.
type block struct {
	file     string
	from, to int // lines
	column   int // where it begins
}

// covered is one line of a coverage profile: path/file.go:12.3,14.5 2 1.
var covered = regexp.MustCompile(`(?m)^(.+):(\d+)\.(\d+),(\d+)\.\d+ \d+ (\d+)$`)

// blocksOf reads which blocks a test knows of, and whether it ran them.
func blocksOf(profile []byte) map[block]bool {
	ran := map[block]bool{}
	for _, m := range covered.FindAllSubmatch(profile, -1) {
		b := block{file: path.Base(string(m[1])), from: number(m[2]), column: number(m[3]), to: number(m[4])}
		ran[b] = ran[b] || !bytes.Equal(m[5], []byte("0"))
	}
	return ran
}

func number(digits []byte) int {
	n, _ := strconv.Atoi(string(digits)) // the expression above matched digits
	return n
}

// spectrum counts for each block the failing and the passing tests that ran it.
type spectrum struct {
	failing, passing, blind int // tests; a blind one failed and left no trace
	runs                    map[block]struct{ failing, passing int }
}

func (s *spectrum) add(ran map[block]bool, failed bool) {
	if s.runs == nil {
		s.runs = map[block]struct{ failing, passing int }{}
	}
	switch {
	case failed && len(ran) == 0:
		s.blind++
		s.failing++
	case failed:
		s.failing++
	default:
		s.passing++
	}
	for b, hit := range ran {
		n := s.runs[b]
		if hit && failed {
			n.failing++
		} else if hit {
			n.passing++
		}
		s.runs[b] = n
	}
}

// findings ranks blocks by the coefficient of Ochiai: failing / sqrt(all failing * (failing + passing)), where failing and passing are the tests that
// ran the block (Abreu and others, On the accuracy of spectrum-based fault localization, 2007).
func (b *Bench) findings(s spectrum) ([]Finding, error) {
	functions := map[string][]function{}
	list := []Finding{}
	for at, n := range s.runs {
		failing := n.failing + s.blind
		if failing == 0 {
			continue
		}
		if functions[at.file] == nil {
			source, err := b.Read(at.file)
			if err != nil {
				return nil, err
			}
			functions[at.file] = functionsOf(source)
		}
		list = append(list, Finding{
			File: at.file, Line: at.from, EndLine: at.to, Function: nameAt(functions[at.file], at.from),
			Suspicion: float64(failing) / math.Sqrt(float64(s.failing)*float64(failing+n.passing)),
			Message:   fmt.Sprintf("runs in %d of %d failing tests and in %d of %d others", failing, s.failing, n.passing, s.passing),
		})
	}
	slices.SortFunc(list, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(y.Suspicion, x.Suspicion), cmp.Compare(x.File, y.File), cmp.Compare(x.Line, y.Line), cmp.Compare(x.EndLine, y.EndLine))
	})
	return list, nil
}

type function struct {
	name     string
	from, to int
}

func functionsOf(source []byte) []function {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
	if err != nil {
		return nil // it was built, so that it does parse
	}
	var all []function
	for _, d := range tree.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			all = append(all, function{fn.Name.Name, files.Position(fn.Pos()).Line, files.Position(fn.End()).Line})
		}
	}
	return all
}

func nameAt(all []function, line int) string {
	for _, f := range all {
		if f.from <= line && line <= f.to {
			return f.name
		}
	}
	return ""
}
