package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parallax-run/parallax/runtime"
)

// constants are what other languages call True, False and None.
var constants = map[string]string{
	"true": "True", "TRUE": "True", "false": "False", "FALSE": "False", "null": "None", "NULL": "None", "nil": "None", "none": "None", "undefined": "None",
	"nullptr": "None", "NaN": `float("nan")`, "Infinity": `float("inf")`,
}

// renamed are functions that are here under another name, with the same arguments.
var renamed = map[string]string{
	"console.log": "print", "console.error": "print", "printf": "print", "println": "print", "echo": "print", "puts": "print",
	"JSON.stringify": "json.encode", "JSON.parse": "json.decode", "String": "str", "Number": "float", "parseInt": "int", "parseFloat": "float", "Boolean": "bool",
	"Math.max": "max", "Math.min": "min", "Math.abs": "abs", "Math.round": "math.round", "Math.floor": "math.floor", "Math.ceil": "math.ceil", "Math.sqrt": "math.sqrt",
	"Math.pow": "math.pow", "Math.random": "random", "round": "math.round", "pow": "math.pow", "frozenset": "set", "unicode": "str", "format": "str",
	"asyncio.gather": "gather", "asyncio.sleep": "sleep", "asyncio.run": "", "Exception": "fail", "ValueError": "fail", "RuntimeError": "fail", "Error": "fail",
	"TypeError": "fail", "KeyError": "fail", "exit": "fail", "quit": "fail", "die": "fail", "panic": "fail", "sys.exit": "fail", "Agent": "agent", "setTimeout": "sleep",
	"iter": "list", "typeof": "type", "SimpleNamespace": "struct", "namedtuple": "record", "OrderedDict": "dict", "uuid4": "uuid", "logging.info": "log", "logger.info": "log",
	"logging.warning": "log", "logging.error": "log", "logger.error": "log", "logger.warning": "log",
}

// unresolved looks at names that mean nothing, and at statements where none may be.
func (p *page) unresolved(list []runtime.Finding) {
	for _, f := range list[:min(len(list), maxFindings)] {
		at := p.offset(f.Pos)
		i := p.tokenAt(at)
		switch {
		case f.Code == "undefined" && i >= 0:
			p.undefined(i, f)
		case i >= 0 && p.misplaced(i, f):
		default:
			p.found = append(p.found, Finding{Code: f.Code, Offset: at, Message: f.Message, Hint: f.Hint})
		}
	}
}

// undefined knows the names of other languages, and slips of the pen.
func (p *page) undefined(i int, f runtime.Finding) {
	t, l := p.toks[i], p.bounds(i)
	dotted, last := t.raw, i
	if i+2 < l.last && p.toks[i+1].is(".") && p.toks[i+2].kind == word {
		dotted, last = t.raw+"."+p.toks[i+2].raw, i+2
	}
	if to, ok := constants[t.raw]; ok {
		p.say("foreign-constant", t.start, fmt.Sprintf("%s is written %s", t.raw, to), safe(t.replace(to)))
		return
	}
	for _, name := range []string{dotted, t.raw} {
		if to, ok := renamed[name]; ok && to != "" {
			if name == t.raw {
				last = i
			}
			p.say("foreign-builtin", t.start, fmt.Sprintf("there is no %s; what does that is %s", name, to), p.rename(i, last, name, to))
			return
		}
	}
	if rule, ok := nameRules[t.raw]; ok {
		if fix, done := rule(p, i, l); done {
			p.say("foreign-builtin", t.start, fmt.Sprintf("there is no %s in a pattern", t.raw), fix)
			return
		}
	}
	if i+1 < l.last && p.toks[i+1].is(":") && p.keyed(i, l) {
		p.say("bare-key", t.start, fmt.Sprintf("%s is a variable here, not the name of a key", t.raw), safe(t.replace(`"`+t.raw+`"`)))
		return
	}
	if t.raw == "__name__" {
		p.mainGuard(i, l)
		return
	}
	out := Finding{Code: f.Code, Offset: t.start, Message: t.raw + " is not defined", Hint: f.Hint}
	if _, guess, ok := strings.Cut(f.Message, " (did you mean "); ok && out.Hint == "" {
		guess, _, _ = strings.Cut(guess, "?")
		out.Hint = "did you mean " + guess + "?"
	}
	near, meant := strings.CutPrefix(out.Hint, "did you mean ")
	if near = strings.TrimSuffix(near, "?"); meant && near != "" {
		out.Fix = risky(t.replace(near))
		out.Fix.Rewrite = rewrite(p.src, out.Fix.Edits)
	}
	p.found = append(p.found, out)
}

// rename replaces a name; functions that only look alike leave the judgement to the author.
func (p *page) rename(i, last int, from, to string) *Fix {
	fix := risky(Edit{p.toks[i].start, p.toks[last].end, to})
	fix.Safe = slices.Contains([]string{"console.log", "console.error", "printf", "println", "JSON.stringify", "JSON.parse", "String", "Boolean", "unicode", "Math.max", "Math.min", "Math.abs"}, from)
	return fix
}

// keyed says that token i is the key of a dict.
func (p *page) keyed(i int, l line) bool {
	open := p.opens(i, l)
	return open >= 0 && p.toks[open].is("{") && p.toks[i-1].is("{", ",")
}

// mainGuard drops what keeps Python from running a module that is imported.
func (p *page) mainGuard(i int, l line) {
	n := p.toks[i].line
	if !p.toks[l.first].is("if") || l.width > 0 {
		p.report("main-guard", p.toks[i].start, risky(p.toks[i].replace(`"main"`)))
		return
	}
	_, to := p.body(n)
	p.withdraw(p.toks[l.first].start)
	p.report("main-guard", p.toks[l.first].start, safe(Edit{l.start, p.blockEnd(to), ""}))
}

// withdraw takes back what was said of a place.
func (p *page) withdraw(at int) {
	p.found = slices.DeleteFunc(p.found, func(f Finding) bool { return f.Offset == at })
}

// nameRules rewrite calls whose arguments must change. They say whether they know the call.
var nameRules = map[string]func(*page, int, line) (*Fix, bool){
	"isinstance": (*page).isInstance, "callable": (*page).isCallable, "map": (*page).mapping, "filter": (*page).filtering, "sum": (*page).summing,
	"open": (*page).opening, "input": (*page).asking, "os": (*page).noSuch, "sys": (*page).noSuch, "require": (*page).noSuch, "super": (*page).noSuch, "self": (*page).noSuch, "this": (*page).noSuch,
	"eval": (*page).noSuch, "exec": (*page).noSuch, "globals": (*page).noSuch, "locals": (*page).noSuch, "vars": (*page).noSuch, "setattr": (*page).noSuch, "next": (*page).nexting, "id": (*page).noSuch,
	"requests": (*page).noSuch, "subprocess": (*page).noSuch, "threading": (*page).noSuch, "asyncio": (*page).noSuch, "datetime": (*page).noSuch, "Object": (*page).objects, "Array": (*page).noSuch,
	"Promise": (*page).noSuch, "process": (*page).noSuch, "fetch": (*page).noSuch, "object": (*page).noSuch, "divmod": (*page).divided, "issubclass": (*page).noSuch, "bytearray": (*page).noSuch,
}

func (p *page) noSuch(int, line) (*Fix, bool) { return nil, true }

// call gives the arguments of the call whose function ends at token i: the text of each, and the token of the last parenthesis.
func (p *page) call(i int, l line) (args []string, closing int, ok bool) {
	open := i + 1
	if open >= l.last || !p.toks[open].is("(") || p.toks[open].match < 0 {
		return nil, 0, false
	}
	closing = p.toks[open].match
	for k := open + 1; k < closing; {
		end := p.exprEnd(k, closing, []string{","})
		args = append(args, p.between(k, end))
		k = max(end, k) + 1
	}
	return args, closing, true
}

// become replaces the call of token i by an expression.
func (p *page) become(i, closing int, s string) Edit {
	return Edit{p.toks[i].start, p.toks[closing].end, s}
}

// typeNames are the types as type() names them.
var typeNames = map[string]string{
	"str": "string", "int": "int", "float": "float", "bool": "bool", "list": "list", "dict": "dict", "tuple": "tuple", "set": "set", "bytes": "bytes",
	"bytearray": "bytes", "function": "function", "range": "range",
}

func (p *page) isInstance(i int, l line) (*Fix, bool) {
	args, closing, ok := p.call(i, l)
	if !ok || len(args) != 2 {
		return nil, true
	}
	var names []string
	for n := range strings.FieldsFuncSeq(args[1], func(r rune) bool { return strings.ContainsRune("(), |\n", r) }) {
		known, ok := typeNames[n]
		if !ok {
			return risky(p.become(i, closing, fmt.Sprintf("type(%s) == %q", args[0], n))), true
		}
		names = append(names, fmt.Sprintf("%q", known))
	}
	s := fmt.Sprintf("type(%s) == %s", args[0], strings.Join(names, ""))
	if len(names) != 1 {
		s = fmt.Sprintf("type(%s) in (%s)", args[0], strings.Join(names, ", "))
	}
	if i > l.first && p.toks[i-1].is("==", "!=", "in") {
		s = "(" + s + ")"
	}
	return safe(p.become(i, closing, s)), true
}

func (p *page) isCallable(i int, l line) (*Fix, bool) {
	args, closing, ok := p.call(i, l)
	if !ok || len(args) != 1 {
		return nil, true
	}
	return risky(p.become(i, closing, "(type("+args[0]+`) in ("function", "builtin_function_or_method"))`)), true
}

func (p *page) mapping(i int, l line) (*Fix, bool) {
	args, closing, ok := p.call(i, l)
	if !ok || len(args) != 2 {
		return nil, true
	}
	return safe(p.become(i, closing, "["+applied(args[0])+" for x in "+args[1]+"]")), true
}

// applied is the call of a function, in brackets where it is none that has a name.
func applied(fn string) string {
	if strings.HasPrefix(fn, "lambda") {
		return "(" + fn + ")(x)"
	}
	return fn + "(x)"
}

func (p *page) filtering(i int, l line) (*Fix, bool) {
	args, closing, ok := p.call(i, l)
	if !ok || len(args) != 2 {
		return nil, true
	}
	cond := applied(args[0])
	if args[0] == "None" {
		cond = "x"
	}
	return safe(p.become(i, closing, "[x for x in "+args[1]+" if "+cond+"]")), true
}

// summing brings the function along.
func (p *page) summing(i int, l line) (*Fix, bool) {
	if _, _, ok := p.call(i, l); !ok {
		return nil, true
	}
	at := 0
	for _, l := range p.lines {
		if !p.toks[l.first].is("load") && (p.toks[l.first].kind != text || l.start > 0) {
			at = l.start
			break
		}
	}
	return risky(Edit{at, at, "def sum(xs, start = 0):\n    for x in xs:\n        start += x\n    return start\n\n"}), true
}

func (p *page) nexting(i int, l line) (*Fix, bool) {
	args, closing, ok := p.call(i, l)
	if !ok || len(args) == 0 {
		return nil, true
	}
	return risky(p.become(i, closing, "list("+args[0]+")[0]")), true
}

func (p *page) divided(i int, l line) (*Fix, bool) {
	args, closing, ok := p.call(i, l)
	if !ok || len(args) != 2 {
		return nil, true
	}
	return safe(p.become(i, closing, fmt.Sprintf("(%[1]s // %[2]s, %[1]s %% %[2]s)", args[0], args[1]))), true
}

func (p *page) objects(i int, l line) (*Fix, bool) {
	if i+2 >= l.last || !p.toks[i+1].is(".") || !p.toks[i+2].is("keys", "values", "entries") {
		return nil, true
	}
	args, closing, ok := p.call(i+2, l)
	if !ok || len(args) != 1 {
		return nil, true
	}
	method := strings.Replace(p.toks[i+2].raw, "entries", "items", 1)
	return safe(p.become(i, closing, args[0]+"."+method+"()")), true
}

// opening makes the file an input of main.
func (p *page) opening(i int, l line) (*Fix, bool) {
	args, closing, ok := p.call(i, l)
	if !ok || len(args) == 0 {
		return nil, true
	}
	if closing+3 < len(p.toks) && p.toks[closing+1].is(".") && p.toks[closing+2].is("read") && p.toks[closing+3].is("(") && p.toks[closing+3].match > 0 {
		closing = p.toks[closing+3].match
	}
	value := args[0]
	if !strings.HasPrefix(value, `"`) && !strings.HasPrefix(value, "'") {
		return nil, true
	}
	return p.asInput(i, closing, "document = file("+value+")", "document"), true
}

// asking makes the answer an input of main.
func (p *page) asking(i int, l line) (*Fix, bool) {
	_, closing, ok := p.call(i, l)
	if !ok {
		return nil, true
	}
	return p.asInput(i, closing, `answer = ""`, "answer"), true
}

// asInput gives main one more parameter, which stands for an expression in its body.
func (p *page) asInput(i, closing int, param, name string) *Fix {
	def := p.function(p.toks[i].line)
	if def < 0 || !p.toks[p.lines[def].first+1].is("main") {
		return nil
	}
	open := p.lines[def].first + 2
	end := p.toks[open].match
	if end < 0 {
		return nil
	}
	if end > open+1 && !p.toks[end-1].is(",") {
		param = ", " + param
	}
	at := p.toks[end-1].end
	return risky(Edit{at, at, param}, p.become(i, closing, name))
}
