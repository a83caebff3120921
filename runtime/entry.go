package runtime

import (
	"fmt"
	"maps"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// IsTest says whether a file of that name holds tests: functions that are each run by themselves. It needs no main, and may use
// the names of Environment.Tests.
func IsTest(file string) bool { return strings.HasSuffix(file, "_test.star") }

// testPrefix is how the names of tests begin.
const testPrefix = "test_"

// Tests lists the tests of a parsed file, in the order in which they stand.
func (f *File) Tests() []Mention {
	var found []Mention
	for _, stmt := range f.Syntax.Stmts {
		if def, ok := stmt.(*syntax.DefStmt); ok && strings.HasPrefix(def.Name.Name, testPrefix) {
			found = append(found, Mention{def.Name.Name, def.Name.NamePos})
		}
	}
	return found
}

// Entry is the same program with another function of its main file to begin with. Builtins find aside with Branch.Aside, in
// this program's runs only.
func (p *Program) Entry(name string, aside any) (*Program, error) {
	if p.away != nil {
		return nil, fmt.Errorf("%s is interpreted out of this process and has no entry but main", p.Name)
	}
	fn, ok := p.main.Globals()[name].(*starlark.Function)
	if !ok {
		return nil, fmt.Errorf("%s has no function %s", p.Name, name)
	}
	entered := *p
	entered.main, entered.aside, entered.tests = fn, aside, false
	return &entered, nil
}

// Aside gives what Program.Entry was given, or nil.
func (b *Branch) Aside() any { return b.run.aside }

// NamesFor is the environment of a file: one that holds tests has the names of Tests, too.
func (env Environment) NamesFor(file string) Environment {
	if len(env.Tests) == 0 || !IsTest(file) {
		return env
	}
	all := maps.Clone(env.Builtins)
	maps.Copy(all, env.Tests)
	return Environment{Builtins: all, Unguarded: env.Unguarded}
}

// firstTest stands for main in a file of tests.
func firstTest(f *File, globals starlark.StringDict) (*starlark.Function, error) {
	for _, t := range f.Tests() {
		if fn, ok := globals[t.Name].(*starlark.Function); ok {
			return fn, nil
		}
	}
	at := syntax.MakePosition(&f.Name, 1, 1)
	return nil, Wrong("no-test", at, "add one: def test_something(): ...", "%s has no test", f.Name)
}
