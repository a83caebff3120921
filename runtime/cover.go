package runtime

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime/guard"
)

// Coverage counts how often the lines of functions run, in all programs that are compiled with it: of each statement its first line. What
// stands at the top level of a file runs when that is loaded, and is not counted.
//
// Counting is a call of a builtin for each statement: a loop that does nothing else takes two to three times as long. The interpreter's step
// hook, called at each step, takes about twice as long and changes no code, but it cannot tell lines apart: the compiler keeps positions of what
// can fail only, and none of `return True`.
//
// A Coverage is for one load graph, and safe for concurrent use.
type Coverage struct {
	Skip func(file string) bool // files that are not counted; nil means none

	mu    sync.Mutex
	files map[string]*counters
}

// CoverSteps is how many times its steps a program may need when its lines are counted, at most.
const CoverSteps = 4

// FileCoverage is what a Coverage knows of one file.
type FileCoverage struct {
	File  string
	Lines []LineCount // by line
	Funcs []FuncCount // by line
}

// LineCount is how often a line ran.
type LineCount struct {
	Line  int
	Count uint64
}

// FuncCount is how often a function was called.
type FuncCount struct {
	Name  string
	Line  int
	Count uint64
}

// counters are those of a file.
type counters struct {
	mu    sync.Mutex
	lines []*counter
	funcs map[int]function // by line of the def
}

type counter struct {
	line int
	n    atomic.Uint64
}

// function is a function and the counter of its first statement.
type function struct {
	name  string
	first *counter
}

// Files gives the counts of all files, sorted by name. Files without functions are not among them.
func (c *Coverage) Files() []FileCoverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []FileCoverage
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if f := c.files[name].counts(name); len(f.Lines) > 0 {
			all = append(all, f)
		}
	}
	return all
}

func (c *counters) counts(name string) FileCoverage {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := FileCoverage{File: name}
	for _, l := range c.lines {
		f.Lines = append(f.Lines, LineCount{l.line, l.n.Load()})
	}
	slices.SortFunc(f.Lines, func(a, b LineCount) int { return cmp.Compare(a.Line, b.Line) })
	for _, line := range slices.Sorted(maps.Keys(c.funcs)) {
		fn := c.funcs[line]
		f.Funcs = append(f.Funcs, FuncCount{fn.name, line, fn.first.n.Load()})
	}
	return f
}

// of gives the counters of a file, nil for one that is not counted.
func (c *Coverage) of(file string) *counters {
	if c == nil || c.Skip != nil && c.Skip(file) {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files == nil {
		c.files = make(map[string]*counters)
	}
	if c.files[file] == nil {
		c.files[file] = &counters{funcs: make(map[int]function)}
	}
	return c.files[file]
}

// mark puts the counting into a tree. The same file may be compiled several times; its lines are counted together.
func (c *counters) mark(tree *syntax.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := make(map[int]bool)
	known := make(map[int]int)
	for i, l := range c.lines {
		known[l.line] = i
	}
	guard.Lines(tree, func(at int32, fn *syntax.DefStmt) int {
		line := int(at)
		if seen[line] {
			return -1
		}
		seen[line] = true
		i, ok := known[line]
		if !ok {
			i = len(c.lines)
			known[line] = i
			c.lines = append(c.lines, &counter{line: line})
		}
		if def := int(fn.Def.Line); c.funcs[def].first == nil {
			c.funcs[def] = function{fn.Name.Name, c.lines[i]}
		}
		return i
	})
}

// builtins are what the counting calls.
func (c *counters) builtins(names starlark.StringDict) {
	c.mu.Lock()
	lines := slices.Clone(c.lines)
	c.mu.Unlock()
	names[guard.LineBuiltin] = starlark.NewBuiltin(guard.LineBuiltin, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		count(lines, args[0])
		return starlark.None, nil
	})
	names[guard.ConditionBuiltin] = starlark.NewBuiltin(guard.ConditionBuiltin, func(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		count(lines, args[0])
		return args[1], nil
	})
}

func count(lines []*counter, number starlark.Value) {
	if i, ok := number.(starlark.Int).Int64(); ok {
		lines[i].n.Add(1)
	}
}
