package diagnose

import (
	"fmt"
	"strings"
)

// Markdown is the manual of all codes as one document.
func Markdown(lang Language) string {
	var b strings.Builder
	b.WriteString("# Diagnostics\n\nWhat `parallax check` and `parallax run` find, by code. `parallax explain CODE` prints one of these pages. " +
		"`parallax check --fix` makes the changes that are\nsafe; `parallax check --json` prints findings as `docs/schemas/check.schema.json` describes.\n")
	for _, p := range sortedPages() {
		fmt.Fprintf(&b, "\n## %s\n\n%s.", p.Code, sentence(p.Why))
		if p.Hint != "" {
			fmt.Fprintf(&b, " %s.", sentence(p.Hint))
		}
		b.WriteString("\n")
		if p.Warning {
			b.WriteString("\nA warning: the pattern may run.\n")
		}
		if p.More != "" {
			fmt.Fprintf(&b, "\n%s\n", p.More)
		}
		if p.Wrong != "" {
			fmt.Fprintf(&b, "\nInstead of\n\n````python\n%s\n````\n\nwrite\n\n````python\n%s\n````\n", strings.TrimRight(p.Wrong, "\n"), strings.TrimRight(p.Instead(lang), "\n"))
		}
	}
	return b.String()
}
