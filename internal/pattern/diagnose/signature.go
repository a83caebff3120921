package diagnose

import (
	"slices"
	"strings"

	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// Signature gives the parameters of a function of a pattern, so that its calls are checked like those of a builtin.
func Signature(def *syntax.DefStmt) *builtins.Decl {
	d := &builtins.Decl{Name: def.Name.Name}
	kind := builtins.Plain
	for _, x := range def.Params {
		switch x := x.(type) {
		case *syntax.Ident:
			d.Params = append(d.Params, builtins.Param{Name: x.Name, Kind: kind})
		case *syntax.BinaryExpr:
			d.Params = append(d.Params, builtins.Param{Name: x.X.(*syntax.Ident).Name, Kind: kind, Default: defaultText(x.Y)})
		case *syntax.UnaryExpr:
			id, named := x.X.(*syntax.Ident)
			switch {
			case x.Op == syntax.STARSTAR:
				d.Params = append(d.Params, builtins.Param{Name: id.Name, Kind: builtins.Extra})
			case named:
				d.Params = append(d.Params, builtins.Param{Name: id.Name, Kind: builtins.Rest})
			}
			kind = builtins.Named
		}
	}
	return d
}

// defaultText is a default as a signature shows it.
func defaultText(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Literal:
		return x.Raw
	case *syntax.Ident:
		return x.Name
	case *syntax.ListExpr:
		if len(x.List) == 0 {
			return "[]"
		}
	case *syntax.DictExpr:
		if len(x.List) == 0 {
			return "{}"
		}
	}
	return "..."
}

// learn notes the functions whose parameters are known: those of the file that no other binding has the name of, and those it loads.
func (w *walker) learn(f *syntax.File, bound map[string]int) {
	w.functions, w.modules = make(map[string]*builtins.Decl), make(map[string]string)
	for _, stmt := range f.Stmts {
		switch s := stmt.(type) {
		case *syntax.DefStmt:
			if bound[s.Name.Name] == 1 {
				w.functions[s.Name.Name] = Signature(s)
			}
		case *syntax.LoadStmt:
			for i, id := range s.To {
				if bound[id.Name] > 0 || w.lang.Loaded == nil {
					continue
				}
				if d := w.lang.Loaded(s.ModuleName(), s.From[i].Name); d != nil {
					named := *d
					named.Name = id.Name
					w.functions[id.Name] = &named
					if module, ok := strings.CutPrefix(s.ModuleName(), runtime.StandardModules); ok {
						w.modules[id.Name] = strings.TrimSuffix(module, ".star")
					}
				}
			}
		}
	}
}

// manual is where to read about a function, "" where that is the file itself.
func (w *walker) manual(d *builtins.Decl) string {
	name := strings.TrimPrefix(d.Name, "Agent.")
	if !slices.Contains(w.lang.Decls, d) {
		name = w.modules[d.Name]
	}
	if name == "" {
		return ""
	}
	return "parallax doc " + name + " prints its manual page"
}

// sayOf adds a finding about a call of a function.
func (w *walker) sayOf(d *builtins.Decl, code string, at int, message string, fix *Fix) {
	n := len(w.found)
	w.say(code, at, message, fix)
	if len(w.found) > n {
		w.found[n].Hint = w.manual(d)
	}
}

// asInputs are inputs of agents that only look like parameters of ask.
var asInputs = []string{"message", "text", "task"}

// strays are keywords of other libraries that are hardly ever an input.
var strays = []string{"max_workers", "max_concurrency", "return_exceptions", "retries", "response_format", "output_type", "result_type", "timeout_seconds"}

// stray looks at an argument that is handed on because no parameter has its name, though one nearly has.
func (w *walker) stray(n *syntax.CallExpr, d *builtins.Decl, id *syntax.Ident, given int) {
	var free []string
	position := 0
	for _, p := range d.Params {
		if p.Kind == builtins.Plain {
			position++
		}
		if p.Kind == builtins.Named && !w.given(n, p.Name) || p.Kind == builtins.Plain && position > given && !w.given(n, p.Name) {
			free = append(free, p.Name)
		}
	}
	near := meant(id.Name, free)
	if near == "" || slices.Contains(asInputs, id.Name) {
		return
	}
	at := w.at(id.NamePos)
	w.say("near-parameter", at, strings.TrimPrefix(d.Name, "Agent.")+" has no parameter "+id.Name+", so it is handed on as an input; did you mean "+near+"?", risky(Edit{at, at + len(id.Name), near}))
}

// meant is the parameter that a name was meant for, "" where it may well be a name of its own.
func meant(name string, params []string) string {
	if to := synonyms[name]; slices.Contains(strays, name) && slices.Contains(params, to) {
		return to
	}
	for _, prefix := range []string{"max_", "num_", "n_"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			for _, p := range params {
				if p == rest || p == rest+"s" {
					return p
				}
			}
		}
	}
	near := runtime.Nearest(name, params)
	if near == "" || near[0] != name[0] || len(name) < 5 && !oneLonger(near, name) && !oneLonger(name, near) && !swapped(name, near) {
		return "" // short words that share some letters are words of their own
	}
	return near
}

// oneLonger says that a word is another with one more letter.
func oneLonger(long, short string) bool {
	for i := range long {
		if long[:i]+long[i+1:] == short {
			return true
		}
	}
	return false
}

// swapped says that two words have the same letters.
func swapped(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}
