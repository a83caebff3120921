package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Page is the manual page of a code.
type Page struct {
	Code    string
	Why     string // one sentence, as findings say it
	Hint    string // the next step
	Warning bool   // a pattern with it may run
	More    string // what else there is to know; may be empty
	Wrong   string // an example, or ""
	Right   string // what to write instead, where Wrong has no mechanical fix
}

// pageOf is the page of a code; an unknown one has an empty page.
func pageOf(code string) Page {
	i, ok := slices.BinarySearchFunc(sortedPages(), code, func(p Page, code string) int { return strings.Compare(p.Code, code) })
	if !ok {
		return Page{Code: code}
	}
	return sortedPages()[i]
}

var sortedPages = sync.OnceValue(func() []Page {
	return slices.SortedFunc(slices.Values(allPages()), func(a, b Page) int { return strings.Compare(a.Code, b.Code) })
})

// Pages gives all manual pages, in the order of their codes.
func Pages() []Page { return slices.Clone(sortedPages()) }

// Lookup gives the manual page of a code.
func Lookup(code string) (Page, bool) {
	p := pageOf(code)
	return p, p.Why != ""
}

// Text is the page as people read it in a terminal.
func (p Page) Text(lang Language) string {
	var b strings.Builder
	kind := "error"
	if p.Warning {
		kind = "warning"
	}
	fmt.Fprintf(&b, "%s (%s)\n\n  %s.\n", p.Code, kind, sentence(p.Why))
	if p.Hint != "" {
		fmt.Fprintf(&b, "  %s.\n", sentence(p.Hint))
	}
	if p.More != "" {
		fmt.Fprintf(&b, "\n%s\n", indented(p.More, "  "))
	}
	if p.Wrong != "" {
		fmt.Fprintf(&b, "\n  Instead of\n\n%s\n\n  write\n\n%s\n", indented(p.Wrong, "      "), indented(p.Instead(lang), "      "))
	}
	return b.String()
}

// sentence begins a text with a capital, unless it begins with code.
func sentence(s string) string {
	first, _, _ := strings.Cut(s, " ")
	if strings.ContainsAny(first, "(.") || slices.Contains([]string{"parallax", "parallel,", "print"}, first) {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func indented(s, by string) string {
	lines := strings.Split(strings.Trim(s, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = by + l
		}
	}
	return strings.Join(lines, "\n")
}

// Instead is the example as it should be: rewritten by the fixes themselves where there are any.
func (p Page) Instead(lang Language) string {
	if p.Right != "" {
		return p.Right
	}
	return FixAll(p.Wrong, lang)
}

// maxRounds bounds how often a text is fixed and examined again.
const maxRounds = 40

// FixAll makes all changes that are proposed, the ones for the author to judge too, until nothing is left to change.
func FixAll(src string, lang Language) string {
	return fixed(src, lang, func(*Fix) bool { return true })
}

// FixSafe makes the safe changes until nothing is left to change. The result is the text itself where it would not be better off: a text
// that can be read stays so, and errors get fewer.
func FixSafe(src string, lang Language) string {
	out := fixed(src, lang, func(f *Fix) bool { return f.Safe })
	if out == src || !better(src, out, lang) {
		return src
	}
	return out
}

func fixed(src string, lang Language, choose func(*Fix) bool) string {
	for range maxRounds {
		next, n := apply(src, Examine("main.star", []byte(src), lang), choose)
		if n == 0 || next == src || len(next) > 4*len(src)+4096 {
			return src
		}
		src = next
	}
	return src
}

// better compares two texts by whether they can be read, and then by the number of errors.
func better(before, after string, lang Language) bool {
	readable := func(list []Finding) bool {
		return !slices.ContainsFunc(list, func(f Finding) bool { return f.Code == "syntax" })
	}
	count := func(list []Finding) int {
		n := 0
		for _, f := range list {
			if !f.Warning {
				n++
			}
		}
		return n
	}
	a, b := Examine("main.star", []byte(before), lang), Examine("main.star", []byte(after), lang)
	if parses(before) != parses(after) {
		return parses(after)
	}
	if readable(a) != readable(b) {
		return readable(b)
	}
	return count(b) < count(a)
}
