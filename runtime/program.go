// Package runtime compiles patterns and runs them.
//
// A pattern is a Starlark program that is a pure function of its effects: what agents answer, when a sleep ends, what
// a person decides. The package names those effects, the events they cause and the errors they end in, and leaves performing
// them to an engine. It knows no clock, no network, no file and no randomness of its own.
//
// The parts, in the order in which a run passes through them: Parse and Compile make a Program; Program.Run runs main on a
// Branch; builtins reach the world through Branch.Do and Fork; Encode and Decode carry values across as Payloads.
package runtime

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/runtime/guard"
)

// ABI names the language as a running pattern sees it. A run is pinned to it.
const ABI = "1"

// Environment is what a script can say beyond Starlark itself.
type Environment struct {
	Builtins starlark.StringDict
	Tests    starlark.StringDict // further names, of files that hold tests; see IsTest
	Cover    *Coverage           // counts lines; nil counts none

	// Unguarded leaves tier 1 of the sandbox out: operators and the universe are Starlark's own. It is there for the tests of tier 2, and nothing else may
	// set it, which a test sees to.
	Unguarded bool
}

// Program is a compiled load graph. It is immutable, and any number of runs may share it at the same time.
type Program struct {
	Name   string // of the main file
	Digest string // sha256 over all files, the compiler, the language and the names of the builtins, in hex
	Meta   Meta
	Asks   []Mention // agents that the source names by a literal, in order, each name once
	main   *starlark.Function
	tests  bool              // main is only the first test of a file
	aside  any               // see Entry
	away   *Away             // where it is interpreted out of this process; there is no main then
	texts  map[string][]byte // of the files, by name, for hints
	bound  bindings
}

// Mention is a name that the source states.
type Mention struct {
	Name string
	Pos  syntax.Position
}

// Meta is what a pattern says of itself with pattern(...).
type Meta struct {
	Description string
	Agents      []string
	Budget      BudgetLimits
}

// BudgetLimits bounds what a run may cost. Zero means no bound.
type BudgetLimits struct {
	Tokens       int64
	CostMicroUSD int64
	Calls        int64
	Seconds      float64
}

// Compile makes a program of a load graph: files in an order in which each comes after those it loads, the main file last.
// find gives the name of the file that a label of a file means. Modules are initialised here, once for all runs. Errors
// are a *SourceError, or a *Error from top-level code.
func Compile(files []*File, find func(from, label string) string, env Environment) (*Program, error) {
	globals := make(map[string]starlark.StringDict, len(files))
	c := &compilation{files: files, find: find, env: env.guarded(), globals: globals, texts: make(map[string][]byte, len(files)), bound: bindingsOf(files)}
	for _, f := range files {
		c.texts[f.Name] = f.Text
		g, err := c.module(f)
		if err != nil {
			return nil, err
		}
		globals[f.Name] = g
	}
	last := files[len(files)-1]
	main, err := mainOf(last, globals[last.Name])
	if err != nil {
		return nil, err
	}
	p := &Program{Name: last.Name, Digest: digest(files, c.env.NamesFor(last.Name)), Meta: c.meta, main: main, texts: c.texts}
	p.tests = globals[last.Name]["main"] == nil
	p.Asks = mentions(files, "agent")
	p.bound = c.bound
	return p, nil
}

// compilation is the state of one Compile.
type compilation struct {
	files   []*File
	find    func(from, label string) string
	env     Environment
	globals map[string]starlark.StringDict // of the modules loaded so far
	meta    Meta                           // what the main file says
	texts   map[string][]byte              // of the files so far
	bound   bindings
}

// metaKey is where a thread that loads a file keeps the Meta to fill.
const metaKey = "parallax.meta"

// Bounds on the top-level code of one module; initKey is where its thread counts bytes.
const (
	initSteps = 5_000_000
	initBytes = 256 << 20
	initKey   = "parallax.init"
)

func (c *compilation) module(f *File) (starlark.StringDict, error) {
	env := c.env.NamesFor(f.Name)
	prog, err := f.compile(&env, c.env.Cover.of(f.Name))
	if err != nil {
		return nil, err
	}
	t := &starlark.Thread{
		Name:  f.Name,
		Print: func(*starlark.Thread, string) {},
		Load: func(_ *starlark.Thread, label string) (starlark.StringDict, error) {
			return c.globals[c.find(f.Name, label)], nil
		},
	}
	loading := &Branch{run: &run{program: &Program{texts: c.texts}}}
	t.SetMaxExecutionSteps(initSteps)
	t.OnMaxSteps = func(t *starlark.Thread) {
		loading.end(t, limitError("steps", t.ExecutionSteps(), initSteps))
	}
	meta := &c.meta
	if f != c.files[len(c.files)-1] {
		meta = new(Meta) // what a loaded file says of itself does not concern who loads it
	}
	t.SetLocal(metaKey, meta)
	t.SetLocal(initKey, new(uint64))
	t.SetLocal(boundKey, c.bound)
	g, err := prog.Init(t, env.Builtins)
	if err != nil {
		return nil, loading.explain(err)
	}
	export(g)
	for name, v := range g {
		if err := guard.Freeze(v); err != nil {
			return nil, &Error{
				Code: Limit, Message: fmt.Sprintf("the global %s: %v", name, err), Trace: []Frame{{Func: "<toplevel>", Pos: f.place(name).String()}},
			}
		}
	}
	return g, nil
}

// place is where a file binds a global, or its start.
func (f *File) place(global string) syntax.Position {
	for _, stmt := range f.Syntax.Stmts {
		if s, ok := stmt.(*syntax.AssignStmt); ok {
			if id, ok := s.LHS.(*syntax.Ident); ok && id.Name == global {
				return id.NamePos
			}
		}
	}
	return syntax.MakePosition(&f.Name, 1, 1)
}

// guarded adds the guard's names to those of the environment, whose own come first.
func (env Environment) guarded() Environment {
	if env.Unguarded {
		return env
	}
	names := guard.Builtins(charge)
	maps.Copy(names, env.Builtins)
	return Environment{Builtins: names, Tests: env.Tests, Cover: env.Cover}
}

// charge books what a guarded operation uses to the branch that runs on t, or to the module that is being loaded.
func charge(t *starlark.Thread, bytes uint64) error {
	if b, ok := t.Local(branchKey).(*Branch); ok {
		return b.Charge(t, bytes)
	}
	used, ok := t.Local(initKey).(*uint64)
	if !ok {
		return nil
	}
	if *used += bytes; *used > initBytes {
		return limitError("bytes", *used, initBytes)
	}
	return nil
}

// Exporter is a value that likes to know the first global variable that holds it, such as a record type.
type Exporter interface{ Export(name string) }

// export tells values their names, in the order of the names.
func export(globals starlark.StringDict) {
	for _, name := range globals.Keys() {
		if v, ok := globals[name].(Exporter); ok {
			v.Export(name)
		}
	}
}

// MetaOf gives what pattern(...) fills while a file is loaded, and nil at any other time. Only that of the main file is looked at.
func MetaOf(t *starlark.Thread) *Meta {
	m, _ := t.Local(metaKey).(*Meta)
	return m
}

func mainOf(f *File, globals starlark.StringDict) (*starlark.Function, error) {
	at := syntax.MakePosition(&f.Name, 1, 1)
	main, ok := globals["main"]
	if !ok && IsTest(f.Name) {
		return firstTest(f, globals)
	}
	if !ok {
		return nil, Wrong("no-main", at, "add one: def main(question): ...", "%s has no main function", f.Name)
	}
	fn, ok := main.(*starlark.Function)
	if !ok {
		return nil, Wrong("no-main", at, "write def main(question): ...", "main is %s, not a function", A(main.Type()))
	}
	return fn, nil
}

// mentions finds calls of a builtin whose first argument is a literal string.
func mentions(files []*File, builtin string) []Mention {
	var found []Mention
	for _, f := range files {
		syntax.Walk(f.Syntax, func(n syntax.Node) bool {
			call, ok := n.(*syntax.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			fn, _ := call.Fn.(*syntax.Ident)
			lit, _ := call.Args[0].(*syntax.Literal)
			if fn == nil || lit == nil || fn.Name != builtin {
				return true
			}
			name, ok := lit.Value.(string)
			name = f.means(name)
			if ok && !slices.ContainsFunc(found, func(m Mention) bool { return m.Name == name }) {
				found = append(found, Mention{name, lit.TokenPos})
			}
			return true
		})
	}
	return found
}

// Param is an input of a pattern.
type Param struct {
	Name     string
	Default  starlark.Value // nil when the input is required
	Required bool
}

// Params lists the inputs, in the order of main's parameters.
func (p *Program) Params() []Param {
	if p.away != nil {
		return p.away.Params
	}
	params := make([]Param, 0, p.main.NumParams())
	n := p.main.NumParams()
	if p.main.HasKwargs() {
		n--
	}
	if p.main.HasVarargs() {
		n--
	}
	for i := range n {
		name, _ := p.main.Param(i)
		def := p.main.ParamDefault(i)
		params = append(params, Param{Name: name, Default: def, Required: def == nil})
	}
	return params
}

// Doc is main's docstring.
func (p *Program) Doc() string {
	if p.away != nil {
		return p.away.Doc
	}
	return p.main.Doc()
}

// InputError says that the inputs do not fit main's parameters.
type InputError struct {
	Name    string // the input concerned
	Message string
	Hint    string
}

func (e *InputError) Error() string { return e.Message }

// Bind checks inputs, a JSON object, against main's parameters. Its error is an *InputError.
func (p *Program) Bind(inputs Payload) error {
	_, err := p.bind(inputs)
	return err
}

func (p *Program) bind(inputs Payload) ([]starlark.Tuple, error) {
	if p.tests {
		return nil, &InputError{Message: p.Name + " holds tests and no pattern", Hint: "parallax test runs them"}
	}
	if len(inputs) == 0 {
		inputs = Payload("{}")
	}
	v, err := Decode(inputs)
	if err != nil {
		return nil, &InputError{Message: "the inputs are " + err.Error()}
	}
	dict, ok := v.(*starlark.Dict)
	if !ok {
		return nil, &InputError{Message: fmt.Sprintf("the inputs are %s, want an object with the fields of main", A(v.Type()))}
	}
	kwargs := dict.Items()
	given := make(map[string]bool, len(kwargs))
	names := p.inputNames()
	for _, kv := range kwargs {
		name := string(kv[0].(starlark.String))
		if !slices.Contains(names, name) && !p.more() {
			return nil, unknownInput(name, names)
		}
		given[name] = true
	}
	for _, param := range p.Params() {
		if param.Required && !given[param.Name] {
			return nil, &InputError{
				Name:    param.Name,
				Message: fmt.Sprintf("the input %q is missing", param.Name),
				Hint:    fmt.Sprintf("add --input %s=VALUE", param.Name),
			}
		}
	}
	return kwargs, nil
}

func (p *Program) inputNames() []string {
	var names []string
	for _, param := range p.Params() {
		names = append(names, param.Name)
	}
	return names
}

func unknownInput(name string, names []string) *InputError {
	e := &InputError{Name: name, Message: fmt.Sprintf("there is no input %q", name)}
	if near := Nearest(name, names); near != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", near)
	} else if len(names) == 0 {
		e.Hint = "main takes no inputs"
	} else {
		e.Hint = "main takes " + strings.Join(names, ", ")
	}
	return e
}

// Config is what a run is pinned to besides its program.
type Config struct {
	Limits Limits
	Seed   uint64 // of random() and uuid()
}

// Run runs main on fx and gives its result. An error that belongs to the pattern is a *Error, wrong inputs an *InputError;
// any other error is the host's, and the run can be resumed.
func (p *Program) Run(fx Effects, inputs Payload, cfg Config) (result Payload, err error) {
	kwargs, err := p.bind(inputs)
	if err != nil {
		return nil, err
	}
	if p.away != nil {
		return p.away.Run(fx, inputs, cfg)
	}
	b := &Branch{run: &run{program: p, limits: cfg.Limits.WithDefaults(), seed: cfg.Seed, aside: p.aside}, fx: fx}
	b.live = b.run.limits.LiveBranches
	defer recovered("", &err)
	v, err := starlark.Call(b.thread("main"), p.main, nil, kwargs)
	if err != nil {
		return nil, b.explain(err)
	}
	out, err := Encode(v)
	if err != nil {
		return nil, &Error{Code: Script, Message: "the result of main: " + err.Error(), Trace: []Frame{{Func: "main", Pos: p.main.Position().String()}}}
	}
	return out, nil
}
