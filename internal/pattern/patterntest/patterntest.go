// Package patterntest is what files of tests can say beyond other patterns, and the world in which a test runs: agents that answer
// as the test scripts them, a person who decides as it says, and a memory of what was asked and emitted.
//
// Load gives a Suite. Each of its tests is an entry of one compiled program; NewWorld makes what one run of it meets. Whoever runs
// the test gives the World to an engine as its agents, its people and its listener.
package patterntest

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern"
	"github.com/parallax-run/parallax/runtime"
)

// Names gives the names that only files of tests have, for runtime.Environment.Tests.
func Names() starlark.StringDict {
	names := make(starlark.StringDict)
	asserts := make(starlark.StringDict)
	for _, d := range Decls() {
		if member, ok := strings.CutPrefix(d.Name, "assert."); ok {
			asserts[member] = d.Builtin(nil)
			continue
		}
		names[d.Name] = d.Builtin(nil)
	}
	names["assert"] = &starlarkstruct.Module{Name: "assert", Members: asserts}
	return names
}

// Decls declares what only files of tests have, in the order of the manual.
func Decls() []*builtins.Decl {
	return append(assertDecls(), scriptedDecl(), expectDecl(), answerDecl(), failureDecl(), cassetteDecl(), decidesDecl(), signalsDecl(), callsDecl(), emittedDecl())
}

// Suite is a compiled file of tests.
type Suite struct {
	Loaded *pattern.Loaded
	Tests  []runtime.Mention // in the order in which they stand

	handle starlark.Value // the builtin agent
}

// Load finds and compiles a file of tests. Errors are those of pattern.Load.
func Load(path string, env runtime.Environment, opts pattern.Options) (*Suite, error) {
	tests := maps.Clone(env.Tests)
	if tests == nil {
		tests = make(starlark.StringDict)
	}
	maps.Copy(tests, Names())
	env.Tests = tests
	loaded, err := pattern.Load(path, env, opts)
	if err != nil {
		return nil, err
	}
	name := loaded.Program.Name
	f, err := runtime.Parse(name, loaded.Source(name))
	if err != nil {
		return nil, err
	}
	s := &Suite{Loaded: loaded, Tests: f.Tests(), handle: builtins.All()["agent"]}
	return s, s.check()
}

// check sees to it that all tests can be called without inputs.
func (s *Suite) check() error {
	wrong := &pattern.SourceError{Sources: make(map[string][]byte)}
	for _, t := range s.Tests {
		p, err := s.Loaded.Program.Entry(t.Name, nil)
		if err != nil {
			return err
		}
		if len(p.Params()) == 0 {
			continue
		}
		name := t.Pos.Filename()
		wrong.Sources[name] = s.Loaded.Source(name)
		wrong.Findings = append(wrong.Findings, pattern.Finding{
			File: name, Line: int(t.Pos.Line), Col: int(t.Pos.Col), Code: "test-parameters", Severity: pattern.IsError,
			Message: fmt.Sprintf("%s has parameters, and nobody gives a test any", t.Name),
			Hint:    "give helpers a name that does not begin with test_",
		})
	}
	if len(wrong.Findings) > 0 {
		return wrong
	}
	return nil
}

// Path is where the file of tests is.
func (s *Suite) Path() string {
	return filepath.Join(s.Loaded.Root, filepath.FromSlash(s.Loaded.Program.Name))
}

// NewWorld makes the world of one run of a test, and the program of that run.
func (s *Suite) NewWorld(test string) (*World, *runtime.Program, error) {
	name := s.Loaded.Program.Name
	w := &World{
		Send: func(string, runtime.Payload) {}, Cassettes: new(Cassettes), handle: s.handle, test: test, file: name,
		beside: beside{filepath.Dir(s.Path())},
		agents: make(map[string]*script), reads: make(map[string]bool), wrote: make(map[string][]byte),
	}
	p, err := s.Loaded.Program.Entry(test, w)
	return w, p, err
}

// worldOf is the world of the test that runs on the thread of a call.
func worldOf(c *builtins.Call) (*World, error) {
	b, err := runtime.BranchOf(c.Thread)
	if err != nil {
		return nil, fmt.Errorf("%s: only a function that a test calls can use this, each test has agents of its own", c.Decl.Name)
	}
	w, ok := b.Aside().(*World)
	if !ok {
		return nil, fmt.Errorf("%s: there is no test; parallax test runs them", c.Decl.Name)
	}
	return w, nil
}
