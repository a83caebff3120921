// Package explain is `parallax explain`: the manual pages of what `parallax check` finds.
package explain

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/parallax-run/parallax/builtins"
	"github.com/parallax-run/parallax/internal/cli"
	"github.com/parallax-run/parallax/internal/pattern/diagnose"
	"github.com/parallax-run/parallax/runtime"
)

// NewCmd makes the command.
func NewCmd(app *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "explain [CODE]",
		Short:   "Explain a finding of check, or list them all",
		Long:    "Print the manual page of a code that check or run has shown: why it is wrong, and what to write instead.",
		Example: "  parallax explain f-string\n  parallax explain",
		Args:    cli.Args(0, 1, "one code"),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				_, err := fmt.Fprint(app.Out, list())
				return err
			}
			page, err := find(args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(app.Out, page.Text(diagnose.Language{Env: app.Environment(), Decls: builtins.Decls()}))
			return err
		},
	}
}

func list() string {
	var b strings.Builder
	width := 0
	for _, p := range diagnose.Pages() {
		width = max(width, len(p.Code))
	}
	for _, p := range diagnose.Pages() {
		fmt.Fprintf(&b, "%-*s  %s\n", width, p.Code, p.Why)
	}
	return b.String()
}

func find(code string) (diagnose.Page, error) {
	if p, ok := diagnose.Lookup(code); ok {
		return p, nil
	}
	var codes []string
	for _, p := range diagnose.Pages() {
		codes = append(codes, p.Code)
	}
	hint := "parallax explain lists them"
	if near := runtime.Nearest(code, codes); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return diagnose.Page{}, cli.Usagef(hint, "there is no code %q", code)
}
