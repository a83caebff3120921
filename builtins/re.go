package builtins

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/parallax-run/parallax/runtime"
)

// reModule is what scripts call `re`.
func reModule() module {
	return module{
		Name: "re",
		Doc: `re has regular expressions in RE2 syntax: like Python's, but without look-around and back-references, so that none can hang.

Write patterns as raw strings. Positions count bytes, as string indexes do. A pattern that is used often is compiled once with
re.compile, whose value has the same functions without the first parameter.

    re.findall(r"\d+", "3 of 14")                          # ["3", "14"]
    m = re.search(r"score: (?P<n>\d+)", answer)
    score = int(m.group("n")) if m else None
    re.sub(r"(\w+)@(\w+)", r"\2 at \1", "me@home")         # "home at me"`,
		Decls: []*Decl{
			reCompile(), reOnText("search"), reOnText("match"), reOnText("findall"), reOnText("split"), reOnText("sub"), reEscape(),
		},
	}
}

func reCompile() *Decl {
	return &Decl{
		Name:   "compile",
		Params: []Param{{Name: "pattern", Type: "str"}},
		Result: "pattern",
		Doc: `re.compile(regexpValue) is a pattern with the methods search, match, findall, split and sub, and with .pattern. A pattern that is
wrong is an error that says where.

    WORD = re.compile(r"\w+")

    def main(text):
        return len(WORD.findall(text))`,
		Impl: func(c *Call) (starlark.Value, error) {
			r, err := patternArg(c)
			if err != nil {
				return nil, err
			}
			return regexpValue{r}, nil
		},
	}
}

func reEscape() *Decl {
	return &Decl{
		Name:   "escape",
		Params: []Param{{Name: "text", Type: "str"}},
		Result: "str",
		Doc: `re.escape(text) is a pattern that matches just this text.

    re.escape("1+1") # '1\\+1'`,
		Impl: func(c *Call) (starlark.Value, error) {
			text, err := c.textArg(0)
			if err != nil {
				return nil, err
			}
			if err := charge(c.Thread, 2*len(text)); err != nil {
				return nil, err
			}
			var b strings.Builder
			for i := range len(text) {
				if strings.IndexByte(`\.+*?()|[]{}^$`, text[i]) >= 0 {
					b.WriteByte('\\')
				}
				b.WriteByte(text[i])
			}
			return starlark.String(b.String()), nil
		},
	}
}

// patternArg is parameter 0, a pattern or its text.
func patternArg(c *Call) (*rx, error) {
	if p, ok := c.Args[0].(regexpValue); ok {
		return p.rx, nil
	}
	text, err := c.textArg(0)
	if err != nil {
		return nil, err
	}
	if err := charge(c.Thread, 64*len(text)); err != nil {
		return nil, err
	}
	r, err := compileRegexp(text)
	if err != nil {
		return nil, c.wrong(0, "%w", err)
	}
	return r, charge(c.Thread, 96*len(r.prog.Inst))
}

// patternFunc is what can be done with a pattern and a text; its arguments follow those two.
type patternFunc struct {
	params []Param
	result string
	doc    string
	do     func(c *Call, r *rx, args []starlark.Value) (starlark.Value, error)
}

func patternFuncOf(name string) patternFunc {
	text := Param{Name: "text", Type: "str"}
	switch name {
	case "search":
		return patternFunc{
			params: []Param{text}, result: "match or None", do: reSearch,
			doc: `%s is the first match anywhere in the text, or None.

A match has .group(g=0), the text of a group by number or name, None when it took no part, .groups(), the texts of all groups,
.groupdict(), those of the named ones, .start(g=0) and .end(g=0).

    m = re.search(r"(\w+)=(\w+)", "key=value")
    m.group(0), m.group(1), m.groups() # "key=value", "key", ("key", "value")`,
		}
	case "match":
		return patternFunc{
			params: []Param{text}, result: "match or None", do: reMatch,
			doc: `%s is the match at the start of the text, or None; see re.search. End a pattern with $ to match the whole text.

    re.match(r"yes|no", "no, thanks").group() # "no"
    re.match(r"\d+", "a1")                    # None`,
		}
	case "findall":
		return patternFunc{
			params: []Param{text}, result: "list", do: reFindAll,
			doc: `%s lists the texts of all matches, from left to right: of the whole match, or, when the pattern has one group, of that
group, or of all groups as tuples when there are more. A group that took no part is "".

    re.findall(r"#(\w+)", "#one #two")       # ["one", "two"]
    re.findall(r"(\w)(\d)", "a1 b2")         # [("a", "1"), ("b", "2")]`,
		}
	case "split":
		return patternFunc{
			params: []Param{text, {Name: "maxsplit", Type: "int", Default: "0"}}, result: "list of str", do: reSplit,
			doc: `%s is what stands between the matches. With maxsplit it cuts at most so often. What groups match is left out.

    re.split(r"\s*,\s*", "a , b,c") # ["a", "b", "c"]`,
		}
	default:
		return patternFunc{
			params: []Param{{Name: "repl", Type: "str or function"}, text, {Name: "count", Type: "int", Default: "0"}}, result: "str", do: reSub,
			doc: `%s is the text with its matches replaced, at most count of them when that is not 0. In repl, \1 and \g<name> stand for groups and
\\ for a backslash. A function gets the match and gives the string.

    re.sub(r"\s+", " ", "a  b\n c")                                  # "a b c"
    re.sub(r"\d+", lambda m: str(int(m.group()) * 2), "3 of 14")     # "6 of 28"`,
		}
	}
}

// reOnText declares re.NAME(pattern, ...).
func reOnText(name string) *Decl {
	f := patternFuncOf(name)
	d := &Decl{
		Name: name, Result: f.result, Params: append([]Param{{Name: "pattern", Type: "str or pattern"}}, f.params...),
		Impl: func(c *Call) (starlark.Value, error) {
			r, err := patternArg(c)
			if err != nil {
				return nil, err
			}
			return f.do(c, r, c.Args[1:])
		},
	}
	signature, _, _ := strings.Cut(d.Signature(), " -> ")
	d.Doc = fmt.Sprintf(f.doc, "re."+signature)
	return d
}

// regexpValue is what re.compile gives.
type regexpValue struct{ *rx }

var _ starlark.HasAttrs = regexpValue{}

func (p regexpValue) String() string        { return "re.compile(" + starlark.String(p.source).String() + ")" }
func (p regexpValue) Type() string          { return "pattern" }
func (p regexpValue) Freeze()               {}
func (p regexpValue) Truth() starlark.Bool  { return true }
func (p regexpValue) Hash() (uint32, error) { return starlark.String(p.source).Hash() }

func (p regexpValue) AttrNames() []string {
	return []string{"findall", "match", "pattern", "search", "split", "sub"}
}

func (p regexpValue) Attr(name string) (starlark.Value, error) {
	switch name {
	case "pattern":
		return starlark.String(p.source), nil
	case "findall", "match", "search", "split", "sub":
		return p.method(name).Builtin(p), nil
	}
	return nil, nil
}

func (p regexpValue) method(name string) *Decl {
	f := patternFuncOf(name)
	d := &Decl{
		Name: name, Result: f.result, Params: f.params,
		Impl: func(c *Call) (starlark.Value, error) { return f.do(c, p.rx, c.Args) },
	}
	d.Doc = fmt.Sprintf(f.doc, "pattern."+d.Signature())
	return d
}

// maxRegexpSteps bounds one call.
const maxRegexpSteps = 50_000_000

// bytesPerRegexpStep is what a step of a search is charged as, so that a run's limit on bytes bounds their time.
const bytesPerRegexpStep = 16

// on makes a machine whose steps the call's branch pays for.
func (c *Call) on(r *rx, text string) (*machine, error) {
	if err := charge(c.Thread, 64*len(r.prog.Inst)); err != nil {
		return nil, err
	}
	total := 0
	return r.machine(text, func(steps int) error {
		if total += steps; total > maxRegexpSteps {
			return fmt.Errorf("%s: the search takes more than %d steps, use a simpler pattern or a shorter text", c.Decl.Name, maxRegexpSteps)
		}
		return charge(c.Thread, steps*bytesPerRegexpStep)
	}), nil
}

// subject is an argument as the text to search in.
func subject(c *Call, v starlark.Value) (string, error) {
	s, ok := starlark.AsString(v)
	if !ok {
		return "", fmt.Errorf("%s: text: got %s, want a string", c.Decl.Name, runtime.A(v.Type()))
	}
	return s, nil
}

// times is an optional argument that counts.
func times(c *Call, v starlark.Value, name string) (int, error) {
	if v == nil || v == starlark.None {
		return 0, nil
	}
	n, err := starlark.AsInt32(v)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: %s: got %s, want an int of at least 0", c.Decl.Name, name, shown(v))
	}
	return n, nil
}

func reSearch(c *Call, r *rx, args []starlark.Value) (starlark.Value, error) {
	text, err := subject(c, args[0])
	if err != nil {
		return nil, err
	}
	m, err := c.on(r, text)
	if err != nil {
		return nil, err
	}
	found, err := m.search(0)
	if err != nil || !found {
		return starlark.None, err
	}
	return &matchValue{rx: r, text: text, slots: m.found}, nil
}

// reMatch looks for a match at the start: the leftmost one starts there when any does.
func reMatch(c *Call, r *rx, args []starlark.Value) (starlark.Value, error) {
	v, err := reSearch(c, r, args)
	if m, ok := v.(*matchValue); ok && m.slots[0] > 0 {
		return starlark.None, nil
	}
	return v, err
}

func reFindAll(c *Call, r *rx, args []starlark.Value) (starlark.Value, error) {
	text, err := subject(c, args[0])
	if err != nil {
		return nil, err
	}
	m, err := c.on(r, text)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	err = m.all(func(slots []int) (bool, error) {
		if len(out) >= maxItems {
			return false, fmt.Errorf("findall: more than %d matches", maxItems)
		}
		found := matchValue{rx: r, text: text, slots: slots}
		out = append(out, found.listed())
		return true, charge(c.Thread, 32+16*len(slots))
	})
	if err != nil {
		return nil, err
	}
	return starlark.NewList(out), nil
}

func reSplit(c *Call, r *rx, args []starlark.Value) (starlark.Value, error) {
	text, err := subject(c, args[0])
	if err != nil {
		return nil, err
	}
	most, err := times(c, args[1], "maxsplit")
	if err != nil {
		return nil, err
	}
	m, err := c.on(r, text)
	if err != nil {
		return nil, err
	}
	var out []starlark.Value
	at := 0
	err = m.all(func(slots []int) (bool, error) {
		if len(out) >= maxItems {
			return false, fmt.Errorf("split: more than %d parts", maxItems)
		}
		out = append(out, starlark.String(text[at:slots[0]]))
		at = slots[1]
		return most == 0 || len(out) < most, charge(c.Thread, 48)
	})
	if err != nil {
		return nil, err
	}
	return starlark.NewList(append(out, starlark.String(text[at:]))), nil
}

func reSub(c *Call, r *rx, args []starlark.Value) (starlark.Value, error) {
	text, err := subject(c, args[1])
	if err != nil {
		return nil, err
	}
	most, err := times(c, args[2], "count")
	if err != nil {
		return nil, err
	}
	replace, err := replacer(c, r, args[0])
	if err != nil {
		return nil, err
	}
	m, err := c.on(r, text)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	at, n := 0, 0
	err = m.all(func(slots []int) (bool, error) {
		part, err := replace(&matchValue{rx: r, text: text, slots: append([]int(nil), slots...)})
		if err != nil {
			return false, err
		}
		if err := charge(c.Thread, 64+2*(slots[0]-at+len(part))); err != nil {
			return false, err
		}
		if out.Len()+len(part) > maxText {
			return false, fmt.Errorf("sub: the text would be larger than %d MiB", maxText>>20)
		}
		out.WriteString(text[at:slots[0]])
		out.WriteString(part)
		at = slots[1]
		n++
		return most == 0 || n < most, nil
	})
	if err != nil {
		return nil, err
	}
	out.WriteString(text[at:])
	return starlark.String(out.String()), nil
}

// replacer makes the function that gives what stands in for a match.
func replacer(c *Call, r *rx, v starlark.Value) (func(*matchValue) (string, error), error) {
	if fn, ok := v.(starlark.Callable); ok {
		return func(m *matchValue) (string, error) {
			got, err := starlark.Call(c.Thread, fn, starlark.Tuple{m}, nil)
			if err != nil {
				return "", err
			}
			s, ok := starlark.AsString(got)
			if !ok {
				return "", fmt.Errorf("sub: %s gave %s for a match, want a string", fn.Name(), runtime.A(got.Type()))
			}
			return s, nil
		}, nil
	}
	s, ok := starlark.AsString(v)
	if !ok {
		return nil, fmt.Errorf("sub: repl: got %s, want a string or a function", runtime.A(v.Type()))
	}
	parts, err := r.template(s)
	if err != nil {
		return nil, fmt.Errorf("sub: repl: %w", err)
	}
	return func(m *matchValue) (string, error) { return m.expand(parts) }, nil
}

// part is one piece of a replacement: a text, or a group.
type part struct {
	text  string
	group int // -1 for a text
}

// template reads a replacement: \1 and \g<name> are groups, \\ a backslash, \n and \t what they are elsewhere.
func (r *rx) template(s string) ([]part, error) {
	var parts []part
	for {
		plain, rest, found := strings.Cut(s, `\`)
		parts = append(parts, part{plain, -1})
		if !found {
			return parts, nil
		}
		p, after, err := r.reference(rest)
		if err != nil {
			return nil, err
		}
		parts, s = append(parts, p), after
	}
}

func (r *rx) reference(s string) (p part, rest string, err error) {
	switch {
	case s == "":
		return p, "", errors.New(`a lone backslash at the end, write \\`)
	case s[0] == '\\':
		return part{`\`, -1}, s[1:], nil
	case s[0] == 'n':
		return part{"\n", -1}, s[1:], nil
	case s[0] == 't':
		return part{"\t", -1}, s[1:], nil
	case s[0] == 'g':
		name, rest, found := strings.Cut(strings.TrimPrefix(s[1:], "<"), ">")
		if !found || s[1:2] != "<" {
			return p, "", errors.New(`a \g that is not \g<name>`)
		}
		g, err := r.group(name)
		return part{group: g}, rest, err
	case '0' <= s[0] && s[0] <= '9':
		n := 1
		if len(s) > 1 && '0' <= s[1] && s[1] <= '9' {
			n = 2
		}
		g, err := r.group(s[:n])
		return part{group: g}, s[n:], err
	}
	return p, "", fmt.Errorf(`an unknown escape \%s, write \\ for a backslash`, brief(s[:1]))
}
