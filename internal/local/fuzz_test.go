package local_test

import (
	"fmt"
	goruntime "runtime"
	"strings"
	"testing"
	"time"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/engine"
	"github.com/parallax-run/parallax/internal/local"
	"github.com/parallax-run/parallax/runtime"
)

// Bounds that no script may pass, whatever it does.
const (
	fuzzTime   = 5 * time.Second
	fuzzMemory = 1 << 30
)

// execute compiles and runs a script as one from elsewhere. How it ends does not matter; that it ends, does.
func execute(t *testing.T, src string) {
	t.Helper()
	done := time.AfterFunc(fuzzTime, func() { panic("still running after " + fuzzTime.String() + ":\n" + src) })
	defer done.Stop()
	file, err := runtime.Parse("fuzz.star", []byte(src))
	if err != nil || len(file.Loads) > 0 {
		return
	}
	var before, after goruntime.MemStats
	goruntime.ReadMemStats(&before)
	prog, err := runtime.Compile([]*runtime.File{file}, nil, runtime.Environment{Builtins: builtins.All()})
	if err == nil {
		limits := runtime.Limits{Bytes: 128 << 20, Effects: 1000}
		_, err = (&local.Engine{Agents: instant{}}).Run(t.Context(), engine.Run{ID: "fuzz", Program: prog, Config: runtime.Config{Limits: limits}})
	}
	if err != nil && strings.Contains(err.Error(), "internal error") {
		t.Fatalf("%v\n%s", err, src)
	}
	goruntime.ReadMemStats(&after)
	if after.HeapAlloc > before.HeapAlloc+fuzzMemory {
		t.Fatalf("the heap grew from %d to %d MiB\n%s", before.HeapAlloc>>20, after.HeapAlloc>>20, src)
	}
}

// Source text, mutated.
func FuzzSource(f *testing.F) {
	f.Add("def main():\n    x = [1]\n    for i in range(10):\n        x += x\n    return x[1:3]\n")
	f.Add("def main():\n    return parallel(lambda i: {str(i): [i] * i}, range(9)).values\n")
	f.Add("R = record(a = int, b = [str])\ndef main():\n    return json.decode(json.encode(R(a = 1, b = ['%d' % 3])))\n")
	f.Add("def main():\n    return attempt(lambda: agent('a').ask('b', c = 1)).error\n")
	f.Add("def main():\n    return re.findall('a+', 'aab' * 3), sorted({'b': 1, 'a': (2,)}.items(), key = lambda kv: kv[1] if False else 0)\n")
	f.Fuzz(execute)
}

// Scripts that are valid by construction: every byte chooses the next production.
func FuzzTree(f *testing.F) {
	f.Add([]byte("a pattern is a function of its effects"))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 200, 100, 50, 25})
	f.Fuzz(func(t *testing.T, choices []byte) {
		g := &grammar{choices: choices}
		execute(t, g.file())
	})
}

// grammar writes a script from a string of choices. When they run out it takes the first production, which ends.
type grammar struct {
	choices []byte
	depth   int
	out     strings.Builder
}

func (g *grammar) choose(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := int(g.choices[0]) % n
	g.choices = g.choices[1:]
	return c
}

func pick(g *grammar, from []string) string { return from[g.choose(len(from))] }

var (
	variables = []string{"a", "b", "c", "d"}
	literals  = []string{"1", "'x'", "None", "1 << 40", "0.5", "-3", "'%s {}'", "b'y'", "()", "[]", "{}", "range(1 << 33)", "4294967296", "'xy' * 99"}
	operators = []string{"+", "*", "%", "-", "//", "/", "|", "&", "^", "<<", ">>", "==", "<", "in", "not in", "and", "or"}
	functions = []string{
		"len", "str", "list", "tuple", "dict", "set", "sorted", "max", "any", "zip", "enumerate", "reversed", "repr", "int", "hash", "bool", "type",
		"flatten", "chunks", "group_by", "json.encode", "json.decode", "re.findall", "struct", "attempt", "gather", "race", "log", "emit", "state.set",
		"state.get", "defer", "parallel", "fail", "math.sqrt", "getattr", "print", "min", "record", "enum",
	}
	attributes = []string{
		"append", "extend", "insert", "pop", "items", "keys", "update", "get", "setdefault", "join", "split", "replace", "format", "elems", "upper", "count",
		"index", "union", "add", "values", "clear", "remove", "strip", "startswith", "codepoints",
	}
)

func (g *grammar) file() string {
	g.out.WriteString("def helper(a = 1, *b, **c):\n    d = a\n")
	g.block(1)
	g.out.WriteString("    return (a, b, d)\n\ndef main():\n    a, b, c, d = [1], 'x', {}, 2\n")
	for range 3 {
		g.block(1)
	}
	g.out.WriteString("    return [a, b, c, d]\n")
	return g.out.String()
}

func (g *grammar) block(indent int) {
	for range 1 + g.choose(4) {
		g.statement(indent)
	}
}

func (g *grammar) statement(indent int) {
	pad := strings.Repeat("    ", indent)
	if indent > 5 {
		fmt.Fprintf(&g.out, "%s%s = %s\n", pad, pick(g, variables), g.expr())
		return
	}
	switch g.choose(7) {
	case 0:
		fmt.Fprintf(&g.out, "%s%s = %s\n", pad, pick(g, variables), g.expr())
	case 1:
		fmt.Fprintf(&g.out, "%s%s %s= %s\n", pad, pick(g, variables), operators[g.choose(11)], g.expr())
	case 2:
		fmt.Fprintf(&g.out, "%s%s[%s] = %s\n", pad, pick(g, variables), g.expr(), g.expr())
	case 3:
		fmt.Fprintf(&g.out, "%s%s[%s] += %s\n", pad, pick(g, variables), g.expr(), g.expr())
	case 4:
		fmt.Fprintf(&g.out, "%sfor %s in %s:\n", pad, pick(g, variables), g.expr())
		g.block(indent + 1)
	case 5:
		fmt.Fprintf(&g.out, "%sif %s:\n", pad, g.expr())
		g.block(indent + 1)
	case 6:
		fmt.Fprintf(&g.out, "%s%s\n", pad, g.expr())
	}
}

func (g *grammar) expr() string {
	g.depth++
	defer func() { g.depth-- }()
	if g.depth > 6 {
		return pick(g, variables)
	}
	switch g.choose(12) {
	case 0:
		return pick(g, variables)
	case 1:
		return pick(g, literals)
	case 2, 3:
		return fmt.Sprintf("(%s %s %s)", g.expr(), pick(g, operators), g.expr())
	case 4, 5:
		return fmt.Sprintf("%s(%s)", pick(g, functions), g.args())
	case 6:
		return fmt.Sprintf("%s.%s(%s)", pick(g, variables), pick(g, attributes), g.args())
	case 7:
		return fmt.Sprintf("%s[%s:%s]", pick(g, variables), g.expr(), g.expr())
	case 8:
		return fmt.Sprintf("[%s for %s in %s]", g.expr(), pick(g, variables), g.expr())
	case 9:
		return fmt.Sprintf("{%s: %s}", g.expr(), g.expr())
	case 10:
		return fmt.Sprintf("(lambda a, b = 1: %s)", g.expr())
	default:
		return fmt.Sprintf("(%s, %s)", g.expr(), g.expr())
	}
}

func (g *grammar) args() string {
	switch g.choose(5) {
	case 0:
		return g.expr()
	case 1:
		return g.expr() + ", " + g.expr()
	case 2:
		return "*" + g.expr()
	case 3:
		return "helper, " + g.expr()
	default:
		return ""
	}
}
