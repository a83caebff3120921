package pattern

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/internal/pattern/diagnose"
	"github.com/parallax-run/parallax/runtime"
)

// CheckOptions says what a pattern is checked against.
type CheckOptions struct {
	Options
	Agents  []string // names of the agents there are; nil when that is not known
	Effects []string // names of the builtins and methods that act on the world
}

// Report is what Check found.
type Report struct {
	Pattern  string    `json:"pattern"`  // name of the main file, below Root
	Root     string    `json:"root"`     // the package root
	Files    []string  `json:"files"`    // all that were read, child patterns included
	Findings []Finding `json:"findings"` // by file in the order of Files, then by place; never nil

	Program *runtime.Program  `json:"-"` // nil when there is an error
	Sources map[string][]byte `json:"-"` // by Finding.File
}

// OK says that there is no error, only warnings at most.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == IsError })
}

// Excerpts shows each finding with its line of source.
func (r *Report) Excerpts() string { return excerpts(r.Findings, r.Sources) }

// Check reads, resolves and compiles a pattern and the child patterns it names, and reports all it finds instead of the first mistake.
// Nothing runs but top-level code. The error is a *PathError when there is no such pattern.
func Check(name string, env runtime.Environment, opts CheckOptions) (*Report, error) {
	at, err := locate(name, opts.Options)
	if err != nil {
		return nil, err
	}
	g := newGraph(at.root, env, opts.Options)
	defer g.close()
	if err := g.readMain(at); err != nil {
		return nil, err
	}
	c := &check{graph: g, opts: opts}
	c.pattern(at.name)
	if c.isMain(at) {
		c.started = append(c.started, at.name)
	}
	for i := 0; i < len(c.units); i++ {
		c.unit(c.units[i])
	}
	c.mains()
	r := &Report{Pattern: at.name, Root: at.root, Files: namesOf(c.units), Findings: c.findings, Sources: g.sources()}
	if r.OK() {
		r.Program = c.compile(at.name)
		r.Findings = c.findings
	}
	r.sort()
	return r, nil
}

// check is one Check under way.
type check struct {
	*graph
	opts     CheckOptions
	patterns []string // main files checked so far
	started  []string // those of them that must have a main
	units    []*unit  // of all of them
	findings []Finding
}

// isMain says that the file is the main file of a project, and no module of it.
func (c *check) isMain(at place) bool {
	if path.Ext(at.path) != ".star" {
		return true // a directory was named
	}
	name := ""
	if c.opts.Main != nil {
		name, _ = c.opts.Main(at.root) // what is wrong with a manifest is told by who reads it
	}
	return at.name == cmp.Or(name, "main.star")
}

// mains sees to it that what is started has a main. Any other file may be a module.
func (c *check) mains() {
	for _, name := range c.patterns {
		u, ok := c.graph.units[name]
		if !ok || u.exports["main"] || runtime.IsTest(name) {
			continue
		}
		f := Finding{
			File: name, Line: 1, Col: 1, Code: codeNoMain, Severity: IsError,
			Message: name + " has no main function", Hint: "add one: def main(question): ...",
		}
		if slices.Contains(c.started, name) {
			f.Fix = diagnose.AddMain(string(u.text))
		} else {
			f.Severity = IsWarning
			f.Message += ": run cannot start it; as a module to load it is fine"
			f.Hint = "to start it, " + f.Hint
		}
		c.findings = append(c.findings, f)
	}
}

// codeNoMain is the code of a pattern without a main.
const codeNoMain = "no-main"

// pattern checks the load graph of a main file.
func (c *check) pattern(name string) {
	if slices.Contains(c.patterns, name) {
		return
	}
	c.patterns = append(c.patterns, name)
	units, wrong := c.walk(name)
	c.findings = append(c.findings, c.explained(wrong)...)
	for _, u := range units {
		if !slices.Contains(c.units, u) {
			c.units = append(c.units, u)
		}
	}
}

func (c *check) errorAt(file string, line, col int32, code, hint, format string, args ...any) {
	c.findings = append(c.findings, Finding{
		File: file, Line: int(line), Col: int(col), Code: code, Message: fmt.Sprintf(format, args...), Hint: hint, Severity: IsError,
	})
}

// unit checks one file.
func (c *check) unit(u *unit) {
	c.findings = append(c.findings, c.examine(u.name, u.text, c.opts.Effects)...)
	for _, m := range u.asks {
		if !runtime.IsTest(u.name) { // a test makes its own
			c.agent(u.name, m)
		}
	}
	for _, m := range u.children {
		c.child(u, m)
	}
}

// agent checks that an agent that the source names is there.
func (c *check) agent(file string, m runtime.Mention) {
	meant := cmp.Or(c.packages.agents(file)[m.Name], m.Name)
	if c.opts.Agents == nil || slices.Contains(c.opts.Agents, meant) {
		return
	}
	if e := c.packages.unbound(file, m.Name); e != nil && meant == m.Name {
		c.errorAt(m.Pos.Filename(), m.Pos.Line, m.Pos.Col, "unknown-agent", e.Hint, "%s", e.Message)
		return
	}
	m.Name = meant
	hint := fmt.Sprintf("add [agents.%s] to parallax.toml", m.Name)
	if near := runtime.Nearest(m.Name, c.opts.Agents); near != "" {
		hint = fmt.Sprintf("did you mean %q? or add [agents.%s] to parallax.toml", near, m.Name)
	}
	c.errorAt(m.Pos.Filename(), m.Pos.Line, m.Pos.Col, "unknown-agent", hint, "there is no agent %q", m.Name)
}

// child checks a child pattern that the source names.
func (c *check) child(u *unit, m runtime.Mention) {
	name, bad := c.packages.resolve(u.name, m.Name)
	if bad == nil {
		_, bad = c.graph.unit(name)
	}
	if bad != nil && bad.findings == nil {
		c.findings = append(c.findings, errorsOf(bad.at(m.Pos))...)
		return
	}
	c.pattern(name)
	c.started = append(c.started, name)
}

// compile compiles all patterns, and gives the program of the named one.
func (c *check) compile(main string) *runtime.Program {
	var prog *runtime.Program
	for _, name := range c.patterns {
		units, _ := c.walk(name)
		p, err := c.graph.compile(units)
		if wrong, ok := errors.AsType[*SourceError](c.sourced(err)); ok {
			c.findings = append(c.findings, slices.DeleteFunc(wrong.Findings, c.module)...)
			continue
		}
		if err != nil {
			c.errorAt(name, 1, 1, "top-level", "", "%s", err)
			continue
		}
		if name == main {
			prog = p
		}
	}
	return prog
}

// module says that a finding is only about the missing main of what may be a module.
func (c *check) module(f Finding) bool {
	u, ok := c.graph.units[f.File]
	return f.Code == codeNoMain && ok && !u.exports["main"]
}

// sort orders the findings and drops those said twice.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if a.File != b.File {
			return r.rank(a.File) - r.rank(b.File)
		}
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		if a.Col != b.Col {
			return a.Col - b.Col
		}
		return strings.Compare(a.Code, b.Code)
	})
	r.Findings = slices.CompactFunc(r.Findings, func(a, b Finding) bool {
		a.Fix, b.Fix = nil, nil
		return a == b
	})
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
}

// rank is the place of a file in the report: the main file first.
func (r *Report) rank(file string) int {
	if file == r.Pattern {
		return -1
	}
	if i := slices.Index(r.Files, file); i >= 0 {
		return i
	}
	return len(r.Files)
}
