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
		Long:    "Print the manual page of a builtin. Those marked * act on the world and only work in functions that main calls.",
		Example: "  parallax doc parallel\n  parallax doc",
		Args:    cli.Args(0, 1, "one name"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprint(app.Out, list(builtins.Decls()))
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

func list(all []*builtins.Decl) string {
	var b strings.Builder
	width := 0
	for _, d := range all {
		width = max(width, len(d.Name))
	}
	for _, d := range all {
		mark := " "
		if d.Effect {
			mark = "*"
		}
		first, _, _ := strings.Cut(strings.TrimSpace(d.Doc), "\n")
		fmt.Fprintf(&b, "%s %-*s  %s\n", mark, width, d.Name, first)
	}
	return b.String()
}

// page finds a builtin by its name, or by the last part of it, as in encode for json.encode.
func page(name string, all []*builtins.Decl) (string, error) {
	var names []string
	for _, d := range all {
		names = append(names, d.Name)
		if d.Name == name {
			return text(d), nil
		}
	}
	for _, d := range all {
		if _, last, ok := strings.Cut(d.Name, "."); ok && last == name {
			return text(d), nil
		}
	}
	hint := "parallax doc lists them"
	if near := runtime.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return "", cli.Usagef(hint, "there is no builtin %q", name)
}

func text(d *builtins.Decl) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", d.Signature())
	for line := range strings.Lines(strings.TrimSpace(d.Doc) + "\n") {
		b.WriteString("  " + line)
	}
	if d.Effect {
		b.WriteString("\n  An effect: it acts on the world and is recorded.\n")
	}
	return b.String()
}
