// Package manual is `parallax doc`: the manual pages of the builtins.
package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/runtime"
)

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "doc [NAME]",
		Short:   "Print the manual page of a builtin, or list them all",
		Long:    "Print the manual page of a builtin, of a module such as json, or of main or load. Without NAME all are listed;\nthose marked * act on the world and only work in functions that main calls.",
		Example: "  parallax doc parallel\n  parallax doc json\n  parallax doc",
		Args:    cli.Args(0, 1, "one name"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprint(app.Out, list())
				return err
			}
			page, err := page(args[0], builtins.Decls())
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(app.Out, page)
			return err
		},
	}
}

// list names everything that has a page, chapter by chapter, with a sentence each.
func list() string {
	var b strings.Builder
	width := 0
	for _, d := range builtins.Decls() {
		width = max(width, len(d.Name))
	}
	line := func(mark, name, says string) { fmt.Fprintf(&b, "%s %-*s  %s\n", mark, width, name, says) }
	b.WriteString("The file\n")
	for _, t := range topics() {
		line(" ", t.name, t.summary)
	}
	for _, s := range builtins.Manual() {
		fmt.Fprintf(&b, "\n%s\n", s.Title)
		for _, d := range s.Decls {
			mark := " "
			if d.Effect {
				mark = "*"
			}
			line(mark, d.Name, d.Summary())
		}
	}
	b.WriteString("\n* acts on the world: only in functions that main calls. parallax doc NAME shows a page.\n")
	return b.String()
}

// page finds a page by its name, whatever its case, or by the last part of it, as in encode for json.encode.
func page(name string, all []*builtins.Decl) (string, error) {
	var names []string
	for _, t := range topics() {
		names = append(names, t.name)
		if strings.EqualFold(t.name, name) {
			return t.text, nil
		}
	}
	for _, d := range all {
		names = append(names, d.Name)
		if strings.EqualFold(d.Name, name) {
			return text(d), nil
		}
	}
	if p := builtins.Page(strings.ToLower(name)); p != "" {
		return p, nil
	}
	for _, d := range all {
		if _, last, ok := strings.Cut(d.Name, "."); ok && strings.EqualFold(last, name) {
			return text(d), nil
		}
	}
	hint := "parallax doc lists them"
	if near := runtime.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s? parallax doc lists all", near)
	}
	return "", cli.Usagef(hint, "there is no builtin %q", name)
}

func text(d *builtins.Decl) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", d.Signature())
	for line := range strings.Lines(strings.TrimSpace(d.Doc) + "\n") {
		if strings.TrimSpace(line) != "" {
			b.WriteString("  ")
		}
		b.WriteString(line)
	}
	if d.Effect {
		b.WriteString("\n  An effect: it acts on the world and is recorded.\n")
	}
	return b.String()
}
