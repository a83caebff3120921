package pattern

import (
	"slices"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/pattern/diagnose"
	"github.com/parallax-run/parallax/runtime"
)

// coarse are the codes of the interpreter, which know where reading ended and not what was meant.
var coarse = []string{codeSyntax, "undefined", "resolve"}

// explained makes findings of the runtime's. What the interpreter could not read or resolve is examined again, with the habits of
// other languages in mind, once for each file.
func (g *graph) explained(list []runtime.Finding) []Finding {
	var out []Finding
	var files []string
	sources := g.sources()
	for _, f := range list {
		name := f.Pos.Filename()
		text, ok := sources[name]
		if !ok || !slices.Contains(coarse, f.Code) {
			out = append(out, errorsOf([]runtime.Finding{f})...)
			continue
		}
		if slices.Contains(files, name) {
			continue
		}
		files = append(files, name)
		out = append(out, errorsAmong(g.diagnosed(name, text), f)...)
	}
	return out
}

// errorsAmong leaves the warnings out, and falls back on what the interpreter said should nothing be left.
func errorsAmong(list []Finding, said runtime.Finding) []Finding {
	list = slices.DeleteFunc(list, func(f Finding) bool { return f.Severity != IsError })
	if len(list) == 0 {
		return errorsOf([]runtime.Finding{said})
	}
	return list
}

// language is what a file of the graph may say.
func (g *graph) language(name string) diagnose.Language {
	if g.decls == nil {
		g.decls = builtins.Decls()
	}
	return diagnose.Language{Env: g.env.NamesFor(name), Decls: g.decls, Loaded: func(label, function string) *builtins.Decl {
		from, bad := g.packages.resolve(name, label)
		if u, ok := g.units[from]; ok && bad == nil {
			return u.defs[function]
		}
		return nil
	}}
}

// diagnosed finds what a text alone shows to be wrong.
func (g *graph) diagnosed(name string, text []byte) []Finding {
	list := diagnose.Examine(name, text, g.language(name))
	out := make([]Finding, len(list))
	src := string(text)
	for i, f := range list {
		line, col := diagnose.Place(src, f.Offset)
		out[i] = Finding{File: name, Line: line, Col: col, Code: f.Code, Message: f.Message, Hint: f.Hint, Severity: IsError, Fix: f.Fix}
		if f.Warning {
			out[i].Severity = IsWarning
		}
	}
	return out
}

// examine finds all that is wrong with one text: also effects that come too early and variables that are bound too late.
func (g *graph) examine(name string, text []byte, effects []string) []Finding {
	out := g.diagnosed(name, text)
	f, err := runtime.Parse(name, text)
	if err != nil {
		return out
	}
	src := string(text)
	for _, f := range topEffects(f.Syntax, effects) {
		f.Fix = diagnose.Later(src, f.Line, f.Col)
		out = append(out, f)
	}
	for _, f := range lateBinding(f.Syntax) {
		if len(out) < maxFindings {
			f.Fix = diagnose.Bind(src, f.Line, f.Col, f.captured, f.Severity == IsError)
		}
		out = append(out, f)
	}
	return out
}
