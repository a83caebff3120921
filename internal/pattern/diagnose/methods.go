package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/runtime"
)

// foreignMethods are methods of other languages, as what they are here. $x is the value before the dot, $a the arguments.
var foreignMethods = map[string]string{
	"push": "$x.append($a)", "includes": "($a in $x)", "has_key": "($a in $x)", "hasOwnProperty": "($a in $x)", "contains": "($a in $x)",
	"toString": "str($x)", "to_s": "str($x)", "toUpperCase": "$x.upper()", "toLowerCase": "$x.lower()", "trim": "$x.strip()", "trimStart": "$x.lstrip()",
	"trimEnd": "$x.rstrip()", "indexOf": "$x.find($a)", "substring": "$x[$slice]", "slice": "$x[$slice]", "charAt": "$x[$a]", "startsWith": "$x.startswith($a)",
	"endsWith": "$x.endswith($a)", "replaceAll": "$x.replace($a)", "format_map": "$x.format(**$a)", "iteritems": "$x.items()", "itervalues": "$x.values()",
	"iterkeys": "$x.keys()", "toFixed": "math.round($x, $a)", "shift": "$x.pop(0)", "unshift": "$x.insert(0, $a)", "concat": "$x + $a", "map": "[($a)(x) for x in $x]",
	"filter": "[x for x in $x if ($a)(x)]", "length": "len($x)", "size": "len($x)", "isnumeric": "$x.isdigit()", "isdecimal": "$x.isdigit()", "casefold": "$x.lower()",
	"flat": "flatten($x)", "add_all": "$x.extend($a)", "len": "len($x)", "clone": "list($x)",
}

// onlyOn are methods that one type lacks here and has elsewhere.
var onlyOn = map[string]map[string]string{
	"list": {
		"sort": "sorted($x, $a)", "reverse": "reversed($x)", "copy": "list($x)", "count": "len([x for x in $x if x == $a])", "join": "$a.join($x)", "add": "$x.append($a)",
		"ask": "parallel(lambda a: a.ask($a), $x).values",
	},
	"dict": {"copy": "dict($x)", "fromkeys": "{k: None for k in $a}", "has": "($a in $x)", "add": "$x.update($a)"},
	"string": {
		"encode": "bytes($x)", "append": "$x + $a", "reverse": `"".join(reversed(list($x.elems())))`, "ljust": "$x", "rjust": "$x", "zfill": "$x", "swapcase": "$x",
		"ask": "agent($x).ask($a)",
	},
	"bytes": {"decode": "str($x)"},
}

// statementsOf need the assignment that other languages do in place.
var statementsOf = []string{"sort", "reverse"}

// dot looks at attributes that nothing has.
func (w *walker) dot(n *syntax.DotExpr) {
	if id, ok := n.X.(*syntax.Ident); ok && !w.own[id.Name] {
		if id.Name == "None" {
			w.report("none-attribute", w.start(n), risky(w.swap(n, "None")))
			return
		}
		if w.member(id, n) {
			return
		}
	}
	kind, name := w.kind(n.X), n.Name.Name
	if kind != "" {
		w.typedDot(n, kind, name)
		return
	}
	if form, ok := foreignMethods[name]; ok && unmistakable(name) {
		if fix := w.method(n, form); fix != nil {
			w.sayWarning("foreign-method", w.at(n.Name.NamePos), fmt.Sprintf("no value of Starlark has .%s, as those of other languages do", name), fix)
		}
	}
}

// unmistakable names would hardly be chosen for the fields of a record.
func unmistakable(name string) bool {
	return slices.Contains([]string{
		"push", "has_key", "hasOwnProperty", "toString", "toUpperCase", "toLowerCase", "indexOf", "charAt", "startsWith", "endsWith", "replaceAll",
		"format_map", "iteritems", "itervalues", "iterkeys", "toFixed", "unshift", "length", "includes",
	}, name)
}

func (w *walker) sayWarning(code string, at int, message string, fix *Fix) {
	n := len(w.found)
	fix.Safe = false
	w.say(code, at, message, fix)
	if len(w.found) > n {
		w.found[n].Warning = true
	}
}

// typedDot looks at an attribute of a value whose type is known.
func (w *walker) typedDot(n *syntax.DotExpr, kind, name string) {
	has, ok := typed[kind]
	if !ok {
		return
	}
	attrs := has.AttrNames()
	if slices.Contains(attrs, name) {
		return
	}
	message := fmt.Sprintf("a %s has no .%s", kind, name)
	form, foreign := onlyOn[kind][name]
	if !foreign {
		form, foreign = foreignMethods[name]
	}
	switch near := runtime.Nearest(name, attrs); {
	case foreign:
		w.say("foreign-method", w.at(n.Name.NamePos), message, w.method(n, form))
	case near != "":
		at := w.at(n.Name.NamePos)
		w.say("unknown-method", at, message+"; did you mean ."+near+"?", risky(Edit{at, at + len(name), near}))
	case kind == "dict" && w.called(n) == nil:
		w.say("unknown-method", w.at(n.Name.NamePos), message, risky(w.swap(n, fmt.Sprintf("%s[%q]", w.source(n.X), name))))
	default:
		w.say("unknown-method", w.at(n.Name.NamePos), message, nil)
	}
}

// called is the call whose function is the node at the end of the way, or nil.
func (w *walker) called(n syntax.Node) *syntax.CallExpr {
	if len(w.way) < 2 {
		return nil
	}
	if call, ok := w.way[len(w.way)-2].(*syntax.CallExpr); ok && call.Fn == n {
		return call
	}
	return nil
}

// method fills a form with a receiver and arguments.
func (w *walker) method(n *syntax.DotExpr, form string) *Fix {
	var whole syntax.Node = n
	var args []string
	if call := w.called(n); call != nil {
		whole = call
		for _, a := range call.Args {
			args = append(args, w.source(a))
		}
	} else if !strings.HasPrefix(form, "len(") {
		return nil
	}
	if strings.Contains(form, "$a") && len(args) == 0 && !strings.Contains(form, ", $a)") {
		return nil
	}
	all := strings.Join(args, ", ")
	form = strings.ReplaceAll(form, ", $a)", map[bool]string{true: ")", false: ", $a)"}[all == ""])
	s := strings.NewReplacer("$x", w.source(n.X), "$slice", strings.Join(args, ":")+map[bool]string{true: ":", false: ""}[len(args) < 2], "$a", all).Replace(form)
	if slices.Contains(statementsOf, n.Name.Name) && len(w.way) > 2 {
		if _, ok := w.way[len(w.way)-3].(*syntax.ExprStmt); ok {
			s = w.source(n.X) + " = " + s
		}
	}
	return risky(w.swap(whole, s))
}

// otherMembers are members of modules of other languages.
var otherMembers = map[string]string{
	"json.dumps": "json.encode", "json.loads": "json.decode", "json.dump": "json.encode", "json.load": "json.decode", "json.stringify": "json.encode", "json.parse": "json.decode",
	"time.sleep": "sleep", "time.now": "now", "time.monotonic": "now", "math.max": "max", "math.min": "min", "math.abs": "abs", "re.finditer": "re.findall",
	"re.fullmatch": "re.match", "random.random": "random", "uuid.uuid4": "uuid", "re.replace": "re.sub", "re.test": "re.search", "state.put": "state.set", "state.update": "state.set",
}

// member looks at the members of modules and the methods of builtins.
func (w *walker) member(id *syntax.Ident, n *syntax.DotExpr) bool {
	v, ok := w.lang.Env.Builtins[id.Name]
	if !ok {
		return false
	}
	has, isModule := v.(starlark.HasAttrs)
	name := n.Name.Name
	if isModule {
		if got, err := has.Attr(name); err == nil && got != nil {
			return true
		}
	}
	if to, ok := otherMembers[id.Name+"."+name]; ok {
		w.say("foreign-builtin", w.start(n), fmt.Sprintf("there is no %s.%s; what does that is %s", id.Name, name, to), safe(w.swap(n, to)))
		return true
	}
	if !isModule {
		if _, callable := v.(starlark.Callable); callable {
			w.say("unknown-method", w.at(n.Name.NamePos), fmt.Sprintf("%s is a function and has no .%s", id.Name, name), nil)
		}
		return true
	}
	at := w.at(n.Name.NamePos)
	if near := runtime.Nearest(name, has.AttrNames()); near != "" {
		w.say("unknown-method", at, fmt.Sprintf("%s has no .%s; did you mean .%s?", id.Name, name, near), risky(Edit{at, at + len(name), near}))
		return true
	}
	w.say("unknown-method", at, fmt.Sprintf("%s has no .%s; it has %s", id.Name, name, strings.Join(has.AttrNames(), ", ")), nil)
	return true
}

// universal are the parameters of Starlark's own functions that take any by name.
var universal = map[string][]string{
	"print": {"sep"}, "sorted": {"key", "reverse"}, "max": {"key"}, "min": {"key"}, "enumerate": {"start"}, "len": {}, "str": {}, "range": {"start", "stop", "step"}, "zip": {}, "list": {},
	"reversed": {}, "any": {}, "all": {}, "type": {}, "repr": {}, "int": {"base"}, "float": {}, "bool": {}, "tuple": {}, "set": {}, "abs": {}, "hasattr": {}, "getattr": {"default"},
}

// synonyms are keywords of other libraries for ours.
var synonyms = map[string]string{
	"max_workers": "limit", "concurrency": "limit", "max_concurrency": "limit", "workers": "limit", "errors": "on_error", "return_exceptions": "on_error", "retries": "retry",
	"schema": "returns", "response_format": "returns", "output_type": "returns", "result_type": "returns", "timeout_seconds": "timeout", "cmp": "key",
	"choices": "options", "desc": "reverse",
}

// call_ looks at the arguments of calls.
func (w *walker) call_(n *syntax.CallExpr) {
	switch fn := n.Fn.(type) {
	case *syntax.Ident:
		if d := w.functions[fn.Name]; d != nil {
			w.arguments(n, d)
		}
		if w.own[fn.Name] {
			return
		}
		if names, ok := universal[fn.Name]; ok {
			w.universalCall(n, fn.Name, names)
			return
		}
		if d := w.decl(fn.Name); d != nil {
			w.arguments(n, d)
		}
	case *syntax.DotExpr:
		if lit, ok := fn.X.(*syntax.Literal); ok && lit.Token == syntax.STRING && fn.Name.Name == "format" {
			w.formatCall(n, lit)
		}
		if id, ok := fn.X.(*syntax.Ident); ok && !w.own[id.Name] {
			if d := w.decl(id.Name + "." + fn.Name.Name); d != nil {
				w.arguments(n, d)
			}
		}
		if kind := w.kind(fn.X); kind == "agent" {
			w.agentCall(n, fn)
		} else if kind == "" && fn.Name.Name == "ask" {
			w.asked(n)
		}
	}
}

func (w *walker) decl(name string) *builtins.Decl {
	base, _, _ := strings.Cut(name, ".")
	if _, ok := w.lang.Env.Builtins[base]; !ok && base != "Agent" {
		return nil
	}
	for _, d := range w.lang.Decls {
		if d.Name == name {
			return d
		}
	}
	return nil
}

func (w *walker) universalCall(n *syntax.CallExpr, fn string, names []string) {
	for _, a := range n.Args {
		named, ok := a.(*syntax.BinaryExpr)
		if !ok || named.Op != syntax.EQ {
			continue
		}
		id := named.X.(*syntax.Ident)
		if slices.Contains(names, id.Name) {
			continue
		}
		w.keyword(n, &builtins.Decl{Name: fn}, id, names)
	}
}

// keyword says that a function has no parameter of that name.
func (w *walker) keyword(n *syntax.CallExpr, d *builtins.Decl, id *syntax.Ident, names []string) {
	at := w.at(id.NamePos)
	near := runtime.Nearest(id.Name, names)
	if to, ok := synonyms[id.Name]; ok && slices.Contains(names, to) {
		near = to
	}
	if near != "" && !w.given(n, near) {
		w.sayOf(d, "unknown-keyword", at, fmt.Sprintf("%s has no parameter %s; did you mean %s?", d.Name, id.Name, near), risky(Edit{at, at + len(id.Name), near}))
		return
	}
	message := fmt.Sprintf("%s has no parameter %s", d.Name, id.Name)
	if len(d.Params) > 0 {
		message += ": " + d.Signature()
	}
	w.sayOf(d, "unknown-keyword", at, message, nil)
}

// given says that an argument of that name is there already.
func (w *walker) given(n *syntax.CallExpr, name string) bool {
	return slices.ContainsFunc(n.Args, func(a syntax.Expr) bool {
		b, ok := a.(*syntax.BinaryExpr)
		if !ok || b.Op != syntax.EQ {
			return false
		}
		id, ok := b.X.(*syntax.Ident)
		return ok && id.Name == name
	})
}

// arguments binds the arguments of a call of a builtin as the builtin will.
func (w *walker) arguments(n *syntax.CallExpr, d *builtins.Decl) {
	var names []string
	positions, open, extra := 0, false, false
	for _, p := range d.Params {
		switch p.Kind {
		case builtins.Plain:
			positions++
			names = append(names, p.Name)
		case builtins.Named:
			names = append(names, p.Name)
		case builtins.Rest:
			open = true
		case builtins.Extra:
			extra = true
		}
	}
	given, spread := 0, false
	var handed []*syntax.Ident
	for _, a := range n.Args {
		switch a := a.(type) {
		case *syntax.UnaryExpr:
			spread = spread || a.Op == syntax.STAR || a.Op == syntax.STARSTAR
			if a.Op != syntax.STAR && a.Op != syntax.STARSTAR {
				given++
			}
		case *syntax.BinaryExpr:
			if a.Op != syntax.EQ {
				given++
				continue
			}
			id := a.X.(*syntax.Ident)
			switch {
			case slices.Contains(names, id.Name):
			case extra:
				handed = append(handed, id)
			default:
				w.keyword(n, d, id, names)
			}
		default:
			given++
		}
	}
	for _, id := range handed {
		w.stray(n, d, id, given)
	}
	switch {
	case spread:
	case given > positions && !open:
		w.sayOf(d, "arguments", w.start(n.Args[positions]), fmt.Sprintf("%s takes %d arguments by position, got %d: %s", d.Name, positions, given, d.Signature()), nil)
	default:
		w.missing(n, d, given)
	}
}

func (w *walker) missing(n *syntax.CallExpr, d *builtins.Decl, given int) {
	position := 0
	for _, p := range d.Params {
		if p.Kind == builtins.Plain {
			position++
		}
		required := p.Default == "" && (p.Kind == builtins.Plain || p.Kind == builtins.Named)
		if required && !(p.Kind == builtins.Plain && position <= given) && !w.given(n, p.Name) {
			w.sayOf(d, "arguments", w.start(n), fmt.Sprintf("%s needs %s: %s", d.Name, p.Name, d.Signature()), nil)
			return
		}
	}
}

// asked looks at the inputs of an ask of what is likely to be an agent.
func (w *walker) asked(n *syntax.CallExpr) {
	d := w.decl("Agent.ask")
	if d == nil {
		return
	}
	given, named := positional(n)
	for _, id := range named {
		if !slices.ContainsFunc(d.Params, func(p builtins.Param) bool { return p.Name == id.Name }) {
			w.stray(n, d, id, given)
		}
	}
}

// positional counts the arguments by position, those that are spread left out, and lists the names of the others.
func positional(n *syntax.CallExpr) (given int, named []*syntax.Ident) {
	for _, a := range n.Args {
		switch a := a.(type) {
		case *syntax.UnaryExpr:
			if a.Op != syntax.STAR && a.Op != syntax.STARSTAR {
				given++
			}
		case *syntax.BinaryExpr:
			if a.Op != syntax.EQ {
				given++
				continue
			}
			named = append(named, a.X.(*syntax.Ident))
		default:
			given++
		}
	}
	return given, named
}

// askers are what other libraries call ask.
var askers = []string{"run", "call", "invoke", "chat", "complete", "query", "prompt", "generate", "send", "execute", "arun", "ainvoke", "kickoff", "predict"}

// agentCall looks at what is asked of an agent.
func (w *walker) agentCall(n *syntax.CallExpr, fn *syntax.DotExpr) {
	at, name := w.at(fn.Name.NamePos), fn.Name.Name
	switch {
	case name == "ask":
		if d := w.decl("Agent.ask"); d != nil {
			w.arguments(n, d)
		}
	case slices.Contains(askers, name):
		w.say("unknown-method", at, fmt.Sprintf("an agent has no .%s; it is asked: .ask(task)", name), risky(Edit{at, at + len(name), "ask"}))
	}
}
