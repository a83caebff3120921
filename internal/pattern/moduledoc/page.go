package moduledoc

import (
	"fmt"
	"strings"
)

// Page is the manual page of a function, as a terminal shows it.
func (f Func) Page() string {
	return f.Signature + "\n\n" + indented(f.Doc)
}

// Page is the manual page of a module: what it is for, and the pages of what it has.
func (m Module) Page() string {
	var b strings.Builder
	b.WriteString(m.Load() + "\n")
	if m.Doc != "" {
		b.WriteString("\n" + indented(m.Doc))
	}
	for _, t := range m.Types {
		b.WriteString("\n" + t.Source + "\n")
	}
	for _, f := range m.Funcs {
		b.WriteString("\n" + f.Page())
	}
	return b.String()
}

// indented is a text with two spaces in front of each line.
func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimSpace(text) + "\n") {
		if strings.TrimSpace(line) != "" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	return b.String()
}

// Markdown is the manual page of a module as a document.
func (m Module) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Module %s\n\n%s\n\n%s", m.Name, strings.TrimSpace(m.Doc), block(m.Load()))
	for _, t := range m.Types {
		fmt.Fprintf(&b, "\n## %s\n\n%s", t.Name, block(t.Source))
	}
	for _, f := range m.Funcs {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n%s\n", f.Name, block(f.Signature), strings.TrimSpace(f.Doc))
	}
	return b.String()
}

// block is a text as a block of code.
func block(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
}
