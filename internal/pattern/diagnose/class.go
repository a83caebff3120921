package diagnose

import (
	"strings"
)

// class becomes a record, an enum, or functions around a struct.
func (p *page) class(st statement) {
	n, at := st.line, p.toks[st.first].start
	from, to := p.body(n)
	if !st.lead || st.first+1 >= st.last || !p.toks[st.first+1].isName() || from == to {
		p.report("class", at, nil)
		return
	}
	p.types = append(p.types, Edit{Start: p.lines[n].start, End: p.blockEnd(to)})
	name := p.toks[st.first+1].raw
	if head := p.lines[from]; p.toks[head.first].kind == text && head.last == head.first+1 && from+1 < to {
		from++
	}
	indent := p.lines[n].indent
	var out string
	switch {
	case p.isEnum(st, from, to):
		out = p.enumText(name, from, to)
	case p.isRecord(from, to):
		out = p.recordText(name, from, to)
	default:
		out = p.structText(name, indent, from, to)
	}
	if out == "" {
		p.report("class", at, nil)
		return
	}
	p.report("class", at, risky(Edit{p.lines[n].start, p.blockEnd(to), indent + out}))
}

func (p *page) isEnum(st statement, from, to int) bool {
	if p.find(st.first, st.last, "(") < 0 || !strings.Contains(p.between(st.first, st.last), "Enum") {
		return false
	}
	for n := from; n < to; n++ {
		if l := p.lines[n]; l.last != l.first+3 || !p.toks[l.first+1].is("=") {
			return false
		}
	}
	return true
}

func (p *page) enumText(name string, from, to int) string {
	var values []string
	for n := from; n < to; n++ {
		v := p.toks[p.lines[n].first+2]
		if v.kind != text {
			v.raw = `"` + p.toks[p.lines[n].first].raw + `"`
		}
		values = append(values, v.raw)
	}
	return name + " = enum(" + strings.Join(values, ", ") + ")\n"
}

// isRecord says that a class has annotated fields and nothing else.
func (p *page) isRecord(from, to int) bool {
	for n := from; n < to; n++ {
		if l := p.lines[n]; l.last < l.first+3 || !p.toks[l.first].isName() || !p.toks[l.first+1].is(":") {
			return false
		}
	}
	return true
}

func (p *page) recordText(name string, from, to int) string {
	var fields []string
	for n := from; n < to; n++ {
		l := p.lines[n]
		end, value := l.last, ""
		if eq := p.find(l.first, l.last, "="); eq > 0 {
			end, value = eq, p.between(eq+1, l.last)
		}
		t := fieldType(p.between(l.first+2, end))
		if value != "" && !strings.Contains(value, "field(") && !strings.Contains(value, "Field(") {
			t = "field(" + t + ", default = " + value + ")"
		}
		fields = append(fields, p.toks[l.first].raw+" = "+t)
	}
	return name + " = record(" + strings.Join(fields, ", ") + ")\n"
}

// fieldType is an annotation as record() takes it.
func fieldType(t string) string {
	base := t[:wordEnd(t)]
	switch base {
	case "str", "int", "float", "bool", "list", "dict":
		return base
	case "List", "Sequence":
		return "list"
	case "Dict", "Mapping":
		return "dict"
	case "Optional":
		return "optional(" + fieldType(strings.TrimSuffix(strings.TrimPrefix(t, "Optional["), "]")) + ")"
	}
	return "str"
}

// structText writes the constructor as a function that returns a struct, and methods as functions of it.
func (p *page) structText(name, indent string, from, to int) string {
	var b strings.Builder
	made := false
	for n := from; n < to; {
		l := p.lines[n]
		open := l.first + 2
		if !p.toks[l.first].is("def") || open >= l.last || !p.toks[open].is("(") || p.toks[open].match < 0 {
			return ""
		}
		f, t := p.body(n)
		if f == t {
			return ""
		}
		head := p.src[p.toks[open].end:p.toks[l.last-1].end]
		if p.toks[l.first+1].is("__init__") {
			body, ok := p.constructor(f, t, indent)
			if !ok {
				return ""
			}
			params := strings.TrimLeft(strings.TrimPrefix(head, "self"), ", ")
			b.WriteString("def " + name + "(" + params + "\n" + body)
			made = true
		} else {
			b.WriteString(indent + "def " + strings.ToLower(name) + "_" + strings.Trim(p.toks[l.first+1].raw, "_") + "(" + head + "\n" + p.bodyText(f, t, indent+unit))
		}
		b.WriteString("\n")
		n = t
	}
	if !made {
		return ""
	}
	return strings.TrimRight(strings.TrimPrefix(b.String(), indent), "\n") + "\n"
}

// constructor turns the assignments to self into the fields of a struct.
func (p *page) constructor(from, to int, indent string) (string, bool) {
	var fields []string
	for n := from; n < to; n++ {
		l := p.lines[n]
		if l.last < l.first+5 || !p.toks[l.first].is("self") || !p.toks[l.first+1].is(".") {
			return "", false
		}
		eq := p.find(l.first, l.last, "=")
		if eq < 0 {
			return "", false
		}
		fields = append(fields, p.toks[l.first+2].raw+" = "+p.between(eq+1, l.last))
	}
	return indent + unit + "return struct(" + strings.Join(fields, ", ") + ")\n", true
}
